package layers

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mullion/mullion/internal/nt"
)

var when = time.Unix(1704067200, 0)

// good builds a header that nothing is wrong with; more replaces PAX records, or with an empty value drops them.
func good(typeflag byte, name, link, attributes string, more ...string) *tar.Header {
	h := &tar.Header{Typeflag: typeflag, Name: name, Linkname: link, ModTime: when, AccessTime: when, ChangeTime: when, Format: tar.FormatPAX}
	h.PAXRecords = map[string]string{paxAttributes: attributes, paxCreated: "1704067200", paxSD: sd64(nt.DefaultFileSD())}
	if below(name, rootHives) {
		delete(h.PAXRecords, paxSD)
	}
	for i := 0; i < len(more); i += 2 {
		h.PAXRecords[more[i]] = more[i+1]
		if more[i+1] == "" {
			delete(h.PAXRecords, more[i])
		}
	}
	return h
}

func tarDir(name string, more ...string) *tar.Header { return good('5', name, "", "16", more...) }
func hole(name string) *tar.Header                   { return &tar.Header{Name: name} }

// tarFile is a file with one byte of content.
func tarFile(name string, more ...string) *tar.Header {
	h := good('0', name, "", "32", more...)
	h.Size = 1
	return h
}

// derived makes a layer with both roots and more in Files.
func derived(more ...*tar.Header) []*tar.Header {
	return append(append([]*tar.Header{tarDir("Files")}, more...), tarDir("Hives"))
}

// lowest makes a layer with all that the lowest needs and more behind it.
func lowest(more ...*tar.Header) []*tar.Header {
	list := []*tar.Header{tarDir("Files"), tarDir("Files/Windows"), tarDir("Files/Windows/System32"), tarDir(hiveFolder)}
	for _, n := range baseHives {
		list = append(list, tarFile(hiveFolder+"/"+n))
	}
	return append(list, more...)
}

func uvm(more ...*tar.Header) []*tar.Header {
	return append([]*tar.Header{tarDir("UtilityVM"), tarDir("UtilityVM/Files")}, more...)
}

// belowLayer is what the layers below have in the tests that ask.
func belowLayer(name string) *Entry {
	for _, e := range []*Entry{
		{Name: "Files", Kind: Dir, Attributes: 16},
		{Name: "Files/Windows", Kind: Dir, Attributes: 16, SD: nt.DefaultFileSD()},
		{Name: "Files/Windows/notepad.exe", Kind: File, Attributes: 32},
		{Name: "Files/Users", Kind: Dir, Attributes: 17, SD: nt.RootDirSD()},
		{Name: "Files/link", Kind: Symlink, Target: `C:\elsewhere`, Attributes: 1040},
	} {
		if nt.EqualFold(e.Name, name) {
			return e
		}
	}
	return nil
}

type validateCase struct {
	name string
	v    Validation
	tar  []*tar.Header
	want []string // "E rule" or "W rule", in the order in which they are first found
}

func validateCases() []validateCase {
	alone, base, over := Validation{}, Validation{Base: true}, Validation{Lower: belowLayer}
	nobody := nt.SD{Control: nt.SelfRelative, Owner: nt.Users, Group: nt.Users}
	disorder, _ := nt.ParseSDDL("O:BAG:SYD:(A;;FA;;;BA)(D;;FA;;;BU)")
	link := func(name, target, attributes string, more ...string) *tar.Header {
		return good('2', name, target, attributes, more...)
	}
	var manyLinks []*tar.Header
	for i := range maxLinks {
		manyLinks = append(manyLinks, good('1', fmt.Sprintf("Files/l%d", i), "Files/f", "32"))
	}
	deltas := []*tar.Header{tarFile("Hives/DefaultUser_Delta"), tarFile("Hives/Sam_Delta"), tarFile("Hives/Security_Delta"),
		tarFile("Hives/Software_Delta"), tarFile("Hives/System_Delta")}
	badHive := func(name string, size int64, content io.Reader) ([]Finding, error) {
		b, err := io.ReadAll(content)
		if err != nil || int64(len(b)) != size {
			return nil, fmt.Errorf("%d of %d bytes: %w", len(b), size, err)
		}
		return []Finding{{Error, "checksum", "ignored", "has a wrong checksum", "repair it"}}, nil
	}
	return []validateCase{
		{"good derived layer", alone, derived(hole("Files/.wh.b"), tarFile("Files/a"), good('1', "Files/c", "Files/a", "32")), nil},
		{"good lowest layer", base, lowest(), nil},
		{"good lowest layer with a utility VM", base, lowest(append([]*tar.Header{tarFile("Files/x")}, uvm(tarDir("UtilityVM/Files/EFI"),
			tarDir("UtilityVM/Files/EFI/Microsoft"), tarDir("UtilityVM/Files/EFI/Microsoft/Boot"), tarFile(bootConfig),
			good('1', "UtilityVM/Files/x", "Files/x", "32"))...)...), nil},
		{"good layer over others", over, derived(hole("Files/.wh.Users"), tarDir("Files/Windows"), hole("Files/Windows/.wh.notepad.exe")), nil},

		{"empty", alone, nil, []string{"E no-files", "E no-hives"}},
		{"lowest layer without hives", base, []*tar.Header{tarDir("Files")}, []string{"E missing-hive"}},
		{"lowest layer with a directory as hive", base, append(lowest()[:8], tarDir(hiveFolder+"/SYSTEM")), []string{"E hive", "E missing-hive"}},
		{"empty hives", base, append(lowest()[:8], good('0', hiveFolder+"/system", "", "32")), []string{"E hive"}},
		{"hives that are none", Validation{Base: true, Hive: badHive}, lowest(), []string{"E checksum"}},
		{"deltas that are none", Validation{Hive: badHive}, append(derived(), deltas...), []string{"E checksum"}},
		{"some deltas", alone, append(derived(), deltas[:2]...), []string{"W partial-deltas"}},
		{"all deltas", alone, append(derived(), deltas...), nil},
		{"empty delta", alone, append(derived(), append(deltas[:4:4], good('0', "Hives/System_Delta", "", "32"))...), []string{"E hive"}},
		{"delta that is a link", alone, append(derived(), append(deltas[:4:4], good('1', "Hives/System_Delta", "Hives/Sam_Delta", "32"))...),
			[]string{"E link-target", "E hive"}},
		{"descriptor in Hives", alone, []*tar.Header{tarDir("Files"), tarDir("Hives", paxSD, sd64(nt.DefaultDirSD()))}, []string{"W hives-descriptor"}},
		{"base hive in a derived layer", alone, derived(lowest()[1:5]...), []string{"W shadowed-hive"}},
		{"derived form as the lowest", base, lowest(tarDir("Hives")), []string{"E hives-in-base"}},
		{"deletion in the lowest", base, lowest(hole("Files/Windows/.wh.x"))[:10], []string{"W order", "E whiteout-in-base"}},
		{"root that is a file", alone, []*tar.Header{tarDir("Files"), tarFile("Hives")}, []string{"E root-kind"}},
		{"utility VM without its files", base, lowest(tarDir("UtilityVM")), []string{"W no-uvm"}},
		{"utility VM without a boot configuration", base, lowest(uvm()...), []string{"E missing-hive"}},
		{"boot configuration that is a link", alone, append(derived(tarFile("Files/x")), uvm(tarDir("UtilityVM/Files/EFI"), tarDir("UtilityVM/Files/EFI/Microsoft"),
			tarDir("UtilityVM/Files/EFI/Microsoft/Boot"), good('1', bootConfig, "Files/x", "32"))...), []string{"E hive"}},
		{"utility VM first", alone, append(uvm(), derived()...), []string{"W order"}},
		{"other roots", alone, append(derived(), tarFile("tombstones.txt"), tarFile("UtilityVM/x")), []string{"E foreign-root"}},
		{"unknown hive", alone, append(derived(), tarFile("Hives/Bcd_Delta")), []string{"E hives"}},
		{"roots in other case", alone, []*tar.Header{tarDir("files"), tarDir("HIVES", paxSD, "")}, []string{"E root-case"}},

		{"missing parent", alone, derived(tarFile("Files/d/a")), []string{"E missing-parent"}},
		{"missing parent of a deletion", alone, derived(hole("Files/d/.wh.a")), []string{"E missing-parent"}},
		{"parent after child", alone, derived(tarFile("Files/d/a"), tarDir("Files/d")), []string{"E missing-parent"}},
		{"child of a link", alone, derived(link("Files/l", "x", "1040"), tarFile("Files/l/a")), []string{"E below-file"}},
		{"child of a file", alone, derived(tarFile("Files/f"), tarFile("Files/f/a")), []string{"E below-file"}},
		{"twice", alone, derived(tarFile("Files/a"), tarFile("Files/a")), []string{"E duplicate"}},
		{"directory twice", alone, derived(tarDir("Files/a"), tarDir("Files/a")), []string{"E duplicate"}},
		{"repeated in the utility VM", alone, append(derived(), uvm(tarDir("UtilityVM/Files"))...), []string{"W duplicate"}},
		{"repeated in the utility VM of the lowest", base, lowest(uvm(tarDir("UtilityVM/Files"))...), []string{"E duplicate", "E missing-hive"}},
		{"ASCII twins", alone, derived(tarFile("Files/Foo"), tarFile("Files/foo")), []string{"E case-twin"}},
		{"twins by $UpCase", alone, derived(tarFile("Files/É"), tarFile("Files/é")), []string{"E case-twin"}},
		{"not twins on NTFS", alone, derived(tarFile("Files/ß"), tarFile("Files/ẞ"), tarFile("Files/i"), tarFile("Files/İ"), tarFile("Files/ı"), tarFile("Files/\u212a"), tarFile("Files/K")), nil},
		{"directory twins", alone, derived(tarDir("Files/windows"), tarDir("Files/Windows"), tarFile("Files/Windows/x")), []string{"E case-twin"}},
		{"deleted and added", alone, derived(hole("Files/.wh.A"), tarFile("Files/a")), []string{"E whiteout-and-add"}},
		{"added and deleted", alone, derived(tarFile("Files/a"), hole("Files/.wh.a")), []string{"W order", "E whiteout-and-add"}},
		{"deleted twice", alone, derived(hole("Files/.wh.A"), hole("Files/.wh.a")), []string{"W duplicate"}},
		{"deletion behind a child", alone, derived(tarFile("Files/a"), hole("Files/.wh.b")), []string{"W order"}},
		{"deletion in Hives", alone, append(derived(), hole("Hives/.wh.Sam_Delta")), []string{"E whiteout-place"}},
		{"deletion of nothing that can be", alone, derived(hole("Files/.wh.."), hole("Files/.wh..wh.plnk")), []string{"E whiteout-name"}},
		{"opaque", alone, derived(tarDir("Files/d"), hole("Files/d/.wh..wh..opq")), []string{"E opaque"}},
		{"deletion of nothing below", over, derived(hole("Files/.wh.b")), []string{"W whiteout-nothing"}},
		{"deletion in other case", over, derived(hole("Files/.wh.windows")), []string{"W case-differs"}},

		{"directory as it is below", over, derived(tarDir("Files/Windows")), nil},
		{"directory in other case than below", over, derived(tarDir("Files/windows")), []string{"W case-differs"}},
		{"directory with other metadata than below", over, derived(tarDir("Files/Users")), []string{"W changed-directory"}},

		{"orphan stream", alone, derived(tarFile("Files/a"), tarFile("Files/b"), tarFile("Files/a:s")), []string{"E orphan-stream"}},
		{"streams", alone, derived(tarFile("Files/a"), tarFile("Files/a:s"), tarFile("Files/a:t:$DATA"), tarDir("Files/d"), tarFile("Files/d:u")), []string{"W stream"}},
		{"stream that is a directory", alone, derived(tarFile("Files/a"), tarDir("Files/a:s")), []string{"E stream"}},

		{"hard link to a directory", alone, derived(good('1', "Files/l", "Files", "32")), []string{"E link-target"}},
		{"hard link to a link", alone, derived(link("Files/s", `C:\x`, "1056"), good('1', "Files/l", "Files/s", "32")), []string{"E link-target"}},
		{"hard link to what is deleted", alone, derived(hole("Files/.wh.x"), good('1', "Files/l", "Files/x", "32")), []string{"E link-target"}},
		{"hard link in other case", alone, derived(tarFile("Files/f"), good('1', "Files/l", "Files/F", "32")), []string{"E link-target"}},
		{"hard link to a hive", base, lowest(good('1', "Files/l", hiveFolder+"/SAM", "32")), []string{"E link-target"}},
		{"hard link without a root", alone, derived(tarFile("Files/f"), good('1', "Files/l", "f", "32")), []string{"E link-target"}},
		{"hard link outside", alone, derived(good('1', "Files/l", "../../etc/passwd", "32")), []string{"E link-target"}},
		{"hard link to itself", base, lowest(good('1', "Files/l", "Files/l", "32")), []string{"E link-target"}},
		{"hard link to what nobody says", alone, derived(good('1', "Files/l", "Files/x", "32")), []string{"W link-lower"}},
		{"hard link to a lower layer", over, derived(good('1', "Files/l", "Files/Windows/notepad.exe", "32")), []string{"W link-lower"}},
		{"hard link to nothing below", over, derived(good('1', "Files/l", "Files/x", "32")), []string{"E link-target"}},
		{"hard link to a lower directory", over, derived(good('1', "Files/l", "Files/Windows", "32")), []string{"E link-target"}},
		{"hard link too early", base, lowest(good('1', "Files/l", "Files/x", "32"), tarFile("Files/x")), []string{"E link-target"}},
		{"hard link into the utility VM", base, lowest(append(uvm(tarFile("UtilityVM/Files/x")), good('1', "Files/l", "UtilityVM/Files/x", "32"))...),
			[]string{"W order", "W link-direction", "E missing-hive"}},
		{"hard links from the utility VM", alone, append(derived(tarFile("Files/f")), uvm(good('1', "UtilityVM/Files/l", "Files/f", "32"))...), nil},
		{"1024 names", alone, derived(append([]*tar.Header{tarFile("Files/f")}, manyLinks[1:]...)...), nil},
		{"1025 names", alone, derived(append([]*tar.Header{tarFile("Files/f")}, manyLinks...)...), []string{"E link-target"}},

		{"links that lead somewhere", base, lowest(
			link("Files/a", `Windows\System32`, "1040"), link("Files/b", `C:\windows`, "1040", paxMountPoint, "1"), link("Files/c", `\b\system32\config\SAM`, "1056"),
			link("Files/Windows/d", `..\..\..\a`, "1040"), link("Files/e", `D:\x`, "1056"), link("Files/f", `\\server\share`, "1040"), link("Files/g", `\\?\C:\Windows`, "1040"),
			link("Files/h", `C:x`, "1056"), link("Files/Windows/loop", `C:\Windows`, "1040", paxMountPoint, "1")), nil},
		{"link to nothing", base, lowest(link("Files/a", `C:\nothing`, "1056")), []string{"W dangling-link"}},
		{"link to nothing in any layer", over, derived(link("Files/a", `..\x`, "1056"), link("Files/b", `C:\WINDOWS\Notepad.exe`, "1056"),
			link("Files/c", `C:\link\x`, "1056")), []string{"W dangling-link"}},
		{"link to what nobody says", alone, derived(link("Files/a", `C:\nothing`, "1056")), nil},
		{"link to itself", alone, derived(link("Files/a", `a`, "1056")), []string{"W link-cycle"}},
		{"links in a circle", alone, derived(link("Files/a", `C:\b\x`, "1056"), link("Files/b", `a`, "1040")), []string{"W link-cycle"}},
		{"link of the wrong kind", alone, derived(tarDir("Files/d"), link("Files/l", "d", "1056")), []string{"W link-kind"}},
		{"link of the wrong kind to a file", alone, derived(tarFile("Files/f"), good('1', "Files/h", "Files/f", "32"), link("Files/l", "h", "1040")), []string{"W link-kind"}},
		{"link that leads nowhere", alone, derived(link("Files/l", "", "1056")), []string{"E link-target"}},
		{"relative junction", alone, derived(link("Files/l", `\x`, "1040", paxMountPoint, "1")), []string{"E junction-target"}},
		{"link with a prefix", alone, derived(link("Files/l", `Files/x`, "1056")), []string{"W link-prefix"}},
		{"link without the link's attribute", alone, derived(tarDir("Files/d"), link("Files/l", "d", "16")), []string{"W attributes"}},

		{"no attributes", alone, derived(tarFile("Files/a", paxAttributes, "")), []string{"W no-attributes"}},
		{"attributes of another kind", alone, derived(tarDir("Files/a", paxAttributes, "32")), []string{"E attributes"}},
		{"attributes beyond 32 bits", alone, derived(tarFile("Files/a", paxAttributes, "4294967296")), []string{"E attributes"}},
		{"sparse attribute", alone, derived(tarFile("Files/a", paxAttributes, "544")), []string{"W storage-attributes"}},
		{"attributes of no meaning", alone, derived(tarFile("Files/a", paxAttributes, "4194336")), []string{"W odd-attributes"}},
		{"no descriptor", alone, derived(tarFile("Files/a", paxSD, "")), []string{"W no-descriptor"}},
		{"descriptor as text", alone, derived(tarFile("Files/a", paxSD, "", paxSDDL, "O:BAG:SYD:(A;;FA;;;BA)")), []string{"W sddl"}},
		{"no access list", alone, derived(tarFile("Files/a", paxSD, sd64(nobody.Marshal()))), []string{"W no-dacl"}},
		{"access list out of order", alone, derived(tarFile("Files/a", paxSD, sd64(disorder.Marshal()))), []string{"W acl-order"}},
		{"broken descriptor", alone, derived(tarFile("Files/a", paxSD, "AAAA")), []string{"E descriptor"}},
		{"descriptor that is no base64", alone, derived(tarFile("Files/a", paxSD, "!")), []string{"E descriptor", "W no-descriptor"}},
		{"no access and change time", alone, derived(&tar.Header{Name: "Files/a", ModTime: when, Format: tar.FormatPAX,
			PAXRecords: map[string]string{paxAttributes: "32", paxSD: sd64(nt.DefaultFileSD())}}), []string{"W no-times"}},
		{"no creation time", alone, derived(tarFile("Files/a", paxCreated, "")), []string{"W no-creation-time"}},
		{"time before 1677", alone, derived(tarFile("Files/a", paxCreated, "-11644473600")), []string{"W time-range"}},
		{"time after 2262", alone, derived(tarFile("Files/a", paxCreated, "99999999999")), []string{"W time-range"}},
		{"time that is none", alone, derived(tarFile("Files/a", paxCreated, "now")), []string{"E bad-time"}},
		{"metadata of Linux", alone, derived(tarFile("Files/a", "SCHILY.xattr.user.x", "y")), []string{"W foreign-keys"}},
		{"extended attribute that is none", alone, derived(tarFile("Files/a", paxEA+"A", "!")), []string{"E bad-ea"}},

		{"device", alone, derived(tarFile("Files/NUL.txt")), []string{"W name"}},
		{"trailing dot", alone, derived(tarFile("Files/a.")), []string{"W name"}},
		{"metadata file", alone, derived(tarFile("Files/a.$WCIDIRS$")), []string{"E reserved-name"}},
		{"recycle bin", alone, derived(tarDir("Files/$RECYCLE.BIN")), []string{"W recycle-bin"}},
		{"names that cannot be", alone, derived(tarFile("Files/a*b"), tarFile("../x"), tarFile("/etc/x"), tarFile("Files/"+strings.Repeat("x", 256))), []string{"E bad-name"}},
		{"trailing slash", alone, derived(tarDir("Files/a/")), []string{"W spelling"}},
		{"name that is not UTF-8", alone, derived(&tar.Header{Name: "Files/\xff", ModTime: when}), []string{"W encoding", "W no-attributes", "W no-times", "W no-descriptor"}},
		{"device node", alone, derived(good('3', "Files/null", "", "32")), []string{"E type"}},
		{"global header", alone, derived(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}), []string{"E global-header"}},
	}
}

func TestValidate(t *testing.T) {
	for _, c := range validateCases() {
		t.Run(c.name, func(t *testing.T) {
			found, err := c.v.Run(bytes.NewReader(foreign(t, c.tar...)))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, graded(found)); d != "" {
				t.Errorf("%s\n%v", d, found)
			}
			for _, f := range found {
				if f.Problem == "" || f.Remedy == "" {
					t.Errorf("finding says too little: %+v", f)
				}
			}
		})
	}
}

// graded lists the rules of findings, each once with its severity.
func graded(found []Finding) []string {
	var list []string
	for _, f := range found {
		if s := strings.ToUpper(f.Severity.String()[:1]) + " " + f.Rule; !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// TestRulesAreDocumented holds the rules that the cases above set off against those that docs/formats lists.
func TestRulesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/formats/layer.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (E|W|E, W) \\|").FindAllStringSubmatch(string(doc), -1) {
		for g := range strings.SplitSeq(m[2], ", ") {
			listed = append(listed, g+" "+m[1])
		}
	}
	known := []string{"E checksum", "E sparse"} // the test's own, and one that archive/tar cannot write
	for _, c := range validateCases() {
		known = append(known, c.want...)
	}
	slices.Sort(listed)
	slices.Sort(known)
	known = slices.DeleteFunc(slices.Compact(known), func(s string) bool { return s == "E checksum" })
	if d := cmp.Diff(known, listed); d != "" {
		t.Errorf("rules, - found, + documented:\n%s", d)
	}
}

func TestValidateEnds(t *testing.T) {
	b := foreign(t, derived(tarFile("Files/a"))...)
	found, err := Validate(bytes.NewReader(b[:len(b)-2100]), false)
	if err == nil || len(found) != 0 {
		t.Errorf("cut layer: %v, %v", found, err)
	}
	boom := errors.New("boom")
	v := Validation{Base: true, Hive: func(string, int64, io.Reader) ([]Finding, error) { return nil, boom }}
	if _, err := v.Run(bytes.NewReader(foreign(t, lowest()...))); !errors.Is(err, boom) || !strings.Contains(err.Error(), "DEFAULT") {
		t.Errorf("failing hive check: %v", err)
	}
}

// A refused entry is named, and the layer goes on behind it.
func TestRefusal(t *testing.T) {
	r := NewReader(bytes.NewReader(foreign(t, tarFile("Files/a:b:c"), tarFile("Files/x"))), Limits{})
	_, err := r.Next()
	refused, ok := errors.AsType[*Refusal](err)
	if !ok || refused.Entry != "Files/a:b:c" || refused.Rule != "bad-name" || refused.Severity != Error {
		t.Fatalf("got %v", err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("content of a refused entry: %d bytes, %v", n, err)
	}
	if e, err := r.Next(); err != nil || e.Name != "Files/x" {
		t.Errorf("behind it: %v, %v", e, err)
	}
}

func TestFindingString(t *testing.T) {
	f := Finding{Error, "twin", "Files/a", "is twice", "rename it"}
	if got := f.String(); got != "error: Files/a: is twice (twin): rename it" {
		t.Error(got)
	}
	f = Finding{Rule: "no-files", Problem: "x", Remedy: "y"}
	if got := f.String(); got != "warning: layer: x (no-files): y" {
		t.Error(got)
	}
}

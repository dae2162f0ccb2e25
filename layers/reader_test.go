package layers

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mullion/mullion/internal/nt"
)

func everything() []*Entry {
	return []*Entry{
		at(Entry{Name: "Files", Kind: Dir, Attributes: 16, SD: nt.RootDirSD(), Created: stamp - 77}),
		gone("Files/Gone"),
		at(Entry{Name: "Files/a", Attributes: 32, Size: 5, EAs: []EA{{"A", []byte("x")}, {"B", []byte{}}}}),
		at(Entry{Name: "Files/a:s", Kind: Stream, Size: 3}),
		at(Entry{Name: "Files/b", Kind: HardLink, Target: "Files/a", Attributes: 32}),
		at(Entry{Name: "Files/c", Kind: Symlink, Target: `..\x`, Attributes: 1056, Modified: stamp + 1, Accessed: stamp + 2, Changed: stamp + 3}),
		at(Entry{Name: "Files/d", Kind: Symlink, Junction: true, Target: `C:\x`, Attributes: 1040}),
		at(Entry{Name: "Hives", Kind: Dir, Attributes: 16}),
		at(Entry{Name: "Hives/Sam_Delta", Size: 9, Attributes: 32}),
		at(Entry{Name: "UtilityVM", Kind: Dir, Attributes: 16}),
		at(Entry{Name: "UtilityVM/Files", Kind: Dir, Attributes: 16}),
		gone("UtilityVM/Files/x"),
	}
}

func TestRoundTrip(t *testing.T) {
	b := mustWrite(t, everything()...)
	got, found, err := readAll(b, Limits{})
	if err != nil || len(found) != 0 {
		t.Fatal(err, found)
	}
	if d := cmp.Diff(everything(), got); d != "" {
		t.Error(d)
	}
	if again := mustWrite(t, got...); !bytes.Equal(b, again) {
		t.Error("written again, the layer has other bytes")
	}
}

func TestReaderOffset(t *testing.T) {
	b := mustWrite(t, everything()...)
	r := NewReader(bytes.NewReader(b), Limits{})
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil || int64(len(content)) != e.Size {
			t.Fatalf("%s: %d bytes, %v", e.Name, len(content), err)
		}
		if at := b[r.Offset():][:e.Size]; !bytes.Equal(at, content) {
			t.Errorf("%s: %q at its offset, want %q", e.Name, at, content)
		}
	}
}

// Shapes of other tools, each with its known defects.
func TestForeignLayers(t *testing.T) {
	when := time.Unix(1704067200, 0)
	pax := func(h *tar.Header, records ...string) *tar.Header {
		h.Format, h.PAXRecords = tar.FormatPAX, map[string]string{}
		for i := 0; i < len(records); i += 2 {
			h.PAXRecords[records[i]] = records[i+1]
		}
		return h
	}
	plain := func(name string) *Entry { return at(Entry{Name: name, Attributes: 32}) }
	for _, c := range []struct {
		name  string
		tar   []*tar.Header
		want  []*Entry
		rules []string
	}{
		{"plain tar of a HostProcess base", []*tar.Header{
			{Name: "Files/", Typeflag: tar.TypeDir, ModTime: when}, {Name: "Files/x", Size: 2, ModTime: when},
		}, []*Entry{at(Entry{Name: "Files", Kind: Dir, Attributes: 16}), at(Entry{Name: "Files/x", Size: 2, Attributes: 32})},
			[]string{"spelling", "no-times", "no-attributes"}},
		{"GNU tar of a folder", []*tar.Header{
			{Name: "./", Typeflag: tar.TypeDir, ModTime: when}, {Name: "./Files/", Typeflag: tar.TypeDir, ModTime: when},
		}, []*Entry{at(Entry{Name: "Files", Kind: Dir, Attributes: 16})}, []string{"spelling", "no-times"}},
		{"BuildKit", []*tar.Header{
			pax(&tar.Header{Name: "Files/x", ModTime: when}, paxAttributes, "32", paxCreated, "1704067200.5"),
			{Name: "Files/l", Typeflag: tar.TypeSymlink, Linkname: "Files/a/b", ModTime: when},
		}, []*Entry{
			at(Entry{Name: "Files/x", Attributes: 32, Created: stamp + 5_000_000}),
			at(Entry{Name: "Files/l", Kind: Symlink, Target: `Files\a\b`, Attributes: 1056}),
		}, []string{"no-times", "no-attributes"}},
		{"crane", []*tar.Header{
			{Name: "Files/l", Typeflag: tar.TypeLink, Linkname: "bin/x", ModTime: when},
		}, []*Entry{at(Entry{Name: "Files/l", Kind: HardLink, Target: "Files/bin/x", Attributes: 32})}, []string{"link-target", "no-times"}},
		{"all times, no creation time", []*tar.Header{
			pax(&tar.Header{Name: "Files/x", ModTime: when, AccessTime: when.Add(1), ChangeTime: when.Add(200)}, paxAttributes, "1"),
		}, []*Entry{at(Entry{Name: "Files/x", Attributes: 1, Changed: stamp + 2})}, []string{"no-creation-time"}},
		{"SDDL", []*tar.Header{
			pax(&tar.Header{Name: "Files/x", ModTime: when}, paxAttributes, "32", paxSDDL, "O:BAG:SYD:(A;;FA;;;BA)"),
		}, []*Entry{at(Entry{Name: "Files/x", Attributes: 32, SD: sddl(t, "O:BAG:SYD:(A;;FA;;;BA)")})}, []string{"no-times", "sddl"}},
		{"descriptors that are none", []*tar.Header{
			pax(&tar.Header{Name: "Files/x", ModTime: when}, paxAttributes, "32", paxSD, "!"),
			pax(&tar.Header{Name: "Files/y", ModTime: when}, paxAttributes, "32", paxSDDL, "!"),
			pax(&tar.Header{Name: "Files/z", ModTime: when}, paxAttributes, "32", paxSD, strings.Repeat("AAAA", 60000)),
		}, []*Entry{plain("Files/x"), plain("Files/y"), plain("Files/z")}, []string{"no-times", "descriptor"}},
		{"a global header, a device and other roots", []*tar.Header{
			{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "git"}},
			{Name: "Files/dev", Typeflag: tar.TypeChar, ModTime: when}, {Name: "Files/fifo", Typeflag: tar.TypeFifo, ModTime: when},
			{Name: "etc/passwd", ModTime: when}, {Name: "UtilityVM/x", ModTime: when}, {Name: "Hives/Bcd_Delta", ModTime: when},
			{Name: "Files.txt", ModTime: when},
		}, nil, []string{"global-header", "type", "foreign-root", "hives"}},
		{"reserved names in other case", []*tar.Header{
			{Name: "FILES/x", ModTime: when}, {Name: "Hives/SYSTEM_DELTA", ModTime: when}, {Name: "utilityvm/files/y", ModTime: when},
		}, []*Entry{plain("Files/x"), plain("Hives/System_Delta"), plain("UtilityVM/Files/y")},
			[]string{"root-case", "no-times", "no-attributes"}},
		{"deletions", []*tar.Header{
			{Name: "Files/.wh.a"}, {Name: "Files/d/.wh..wh..opq"}, {Name: "Files/.wh..wh.plnk", Typeflag: tar.TypeDir},
			{Name: "Files/.wh.", Size: 1}, {Name: "Files/.wh..."}, {Name: "Files/.wh.a:b"}, {Name: "Hives/.wh.Sam_Delta"}, {Name: ".wh.Files"},
			{Name: "UtilityVM/Files/.wh.b"},
		}, []*Entry{gone("Files/a"), {Name: "Files/d", Kind: Opaque}, gone("UtilityVM/Files/b")},
			[]string{"opaque", "whiteout-name", "whiteout-place", "foreign-root"}},
		{"attributes against the type", []*tar.Header{
			pax(&tar.Header{Name: "Files/d", Typeflag: tar.TypeDir, ModTime: when}, paxAttributes, "32"),
			pax(&tar.Header{Name: "Files/f", Size: 4, ModTime: when}, paxAttributes, "16"),
			pax(&tar.Header{Name: "Files/x", ModTime: when}, paxAttributes, "4294967296"),
			pax(&tar.Header{Name: "Files/y", ModTime: when}, paxAttributes, "-1"),
			pax(&tar.Header{Name: "Files/z", ModTime: when}, paxAttributes, "0x20"),
		}, []*Entry{plain("Files/d"), at(Entry{Name: "Files/f", Kind: Dir, Attributes: 16}), plain("Files/x"), plain("Files/y"), plain("Files/z")},
			[]string{"attributes", "no-times"}},
		{"streams and odd names", []*tar.Header{
			{Name: "Files/a:s:$DATA", Size: 1, ModTime: when}, {Name: "Files/\xff", ModTime: when}, {Name: "Files/aux.c", ModTime: when},
		}, []*Entry{at(Entry{Name: "Files/a:s", Kind: Stream, Size: 1}), plain("Files/\ufffd"), plain("Files/aux.c")},
			[]string{"no-times", "encoding", "no-attributes", "name"}},
		{"no time at all", []*tar.Header{{Name: "Files/x"}},
			[]*Entry{{Name: "Files/x", Attributes: 32, Created: epoch, Modified: epoch, Accessed: epoch, Changed: epoch}},
			[]string{"no-times", "no-attributes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, found, err := readAll(foreign(t, c.tar...), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			gotRules := rules(found)
			slices.Sort(gotRules)
			slices.Sort(c.rules)
			if d := cmp.Diff(c.rules, gotRules); d != "" {
				t.Errorf("rules: %s\n%v", d, found)
			}
		})
	}
}

var epoch = nt.FiletimeOf(time.Unix(0, 0))

func sddl(t *testing.T, s string) []byte {
	t.Helper()
	sd, err := nt.ParseSDDL(s)
	if err != nil {
		t.Fatal(err)
	}
	return sd.Marshal()
}

func TestReaderRefuses(t *testing.T) {
	reg := func(name string) []*tar.Header { return []*tar.Header{{Name: name}} }
	pax := func(key, value string) []*tar.Header {
		return []*tar.Header{{Name: "Files/x", Format: tar.FormatPAX, PAXRecords: map[string]string{key: value}}}
	}
	for _, c := range []struct {
		name string
		tar  []*tar.Header
		lim  Limits
		want string
	}{
		{"absolute", reg("/Files/x"), Limits{}, "absolute"},
		{"traversal", reg("Files/../../etc/passwd"), Limits{}, "not a name"},
		{"traversal in front", reg("../x"), Limits{}, "not a name"},
		{"dot inside", reg("Files/./x"), Limits{}, "not a name"},
		{"empty component", reg("Files//x"), Limits{}, "not a name"},
		{"backslash", reg(`Files\..\x`), Limits{}, "not allowed"},
		{"drive", reg(`C:/x`), Limits{}, "not allowed"},
		{"star", reg("Files/a*"), Limits{}, "not allowed"},
		{"control character", reg("Files/a\nb"), Limits{}, "not allowed"},
		{"empty stream", reg("Files/a:"), Limits{}, "not a name"},
		{"stream in a directory name", reg("Files/a:b/c"), Limits{}, "not allowed"},
		{"long component", reg("Files/" + strings.Repeat("x", 256)), Limits{}, "255"},
		{"long path", reg("Files" + strings.Repeat("/abcdefgh", 4000)), Limits{Depth: 1 << 20}, "32767"},
		{"deep", reg("Files" + strings.Repeat("/x", 600)), Limits{}, "more than 512 components"},
		{"entries", []*tar.Header{{Name: "Files/a"}, {Name: "Files/b"}, {Name: "Files/c"}}, Limits{Entries: 2}, `"Files/c": more than 2 entries`},
		{"entries of nothing", []*tar.Header{{Name: "x"}, {Name: "y"}, {Name: "z"}}, Limits{Entries: 2}, "more than 2 entries"},
		{"bytes", []*tar.Header{{Name: "Files/a", Size: 5000}, {Name: "Files/b"}}, Limits{Bytes: 4096}, "longer than 4096 bytes"},
		{"link outside", []*tar.Header{{Name: "Files/a", Typeflag: tar.TypeLink, Linkname: "../../etc/shadow"}}, Limits{}, "hard link"},
		{"absolute link", []*tar.Header{{Name: "Files/a", Typeflag: tar.TypeLink, Linkname: "/etc/shadow"}}, Limits{}, "hard link"},
		{"creation time", pax(paxCreated, "yesterday"), Limits{}, "not a number"},
		{"EA that is no base64", pax(paxEA+"A", "!"), Limits{}, "extended attribute"},
		{"EA without a name", pax(paxEA, "AA=="), Limits{}, "extended attribute"},
		{"EA with a long name", pax(paxEA+strings.Repeat("n", 256), "AA=="), Limits{}, "extended attribute"},
		{"EA too long", pax(paxEA+"A", base64.StdEncoding.EncodeToString(make([]byte, 65600))), Limits{}, "65535"},
		{"stream that is a directory", []*tar.Header{{Name: "Files/a:b", Typeflag: tar.TypeDir}}, Limits{}, "stream"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := readAll(foreign(t, c.tar...), c.lim)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 600 {
				t.Errorf("got %v, want one line with %q", err, c.want)
			}
		})
	}
}

// Both forms of a sparse file that GNU tar writes.
func TestReaderRefusesSparse(t *testing.T) {
	b := foreign(t, &tar.Header{Name: "Files/x", Size: 512, Format: tar.FormatGNU})
	b[156] = tar.TypeGNUSparse
	resum(b)
	if _, _, err := readAll(b, Limits{}); err == nil {
		t.Error("old GNU form was accepted")
	}
	b = foreign(t, &tar.Header{Name: "Files/x", Size: 512, Format: tar.FormatPAX,
		PAXRecords: map[string]string{"MULLN.sparse.major": "0", "MULLN.sparse.minor": "1", "MULLN.sparse.size": "900", "MULLN.sparse.map": "0,512"}})
	b = bytes.ReplaceAll(b, []byte("MULLN.sparse"), []byte("GNU.sparse.."))
	b = bytes.ReplaceAll(b, []byte("GNU.sparse..."), []byte("GNU.sparse.xx")) // any key of the family is enough
	if _, _, err := readAll(b, Limits{}); err == nil || !strings.Contains(err.Error(), "sparse") {
		t.Errorf("PAX form: %v", err)
	}
}

func TestFindingsAreBounded(t *testing.T) {
	var list []*tar.Header
	for i := range 3 * perRule {
		list = append(list, &tar.Header{Name: fmt.Sprintf("x%d", i)})
	}
	_, found, err := readAll(foreign(t, list...), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != perRule+1 || !strings.HasPrefix(found[perRule].Problem, "200 more like") {
		t.Errorf("%d findings, the last %v", len(found), found[len(found)-1])
	}
}

func TestReaderTruncated(t *testing.T) {
	b := mustWrite(t, everything()...)
	for _, n := range []int{1, 511, 513, 1600, len(b) / 2} {
		_, _, err := readAll(b[:n], Limits{})
		if err == nil {
			t.Errorf("a layer cut after %d bytes was read to its end", n)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	list := []*Entry{dir("Files")}
	for i := range 1000 {
		e := file(fmt.Sprintf("Files/file%05d.txt", i), 2048)
		e.SD = nt.DefaultFileSD()
		list = append(list, e)
	}
	layer := mustWrite(b, list...)
	b.SetBytes(int64(len(layer)))
	for b.Loop() {
		if _, _, err := readAll(layer, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

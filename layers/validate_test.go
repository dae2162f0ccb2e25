package layers

import (
	"archive/tar"
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mullion/mullion/internal/nt"
)

func TestValidate(t *testing.T) {
	when := time.Unix(1704067200, 0)
	// good builds a header that nothing is wrong with; the rest changes it.
	good := func(typeflag byte, name, link, attributes string, more ...string) *tar.Header {
		h := &tar.Header{Typeflag: typeflag, Name: name, Linkname: link, ModTime: when, AccessTime: when, ChangeTime: when, Format: tar.FormatPAX}
		h.PAXRecords = map[string]string{paxAttributes: attributes, paxCreated: "1704067200", paxSD: sd64(nt.DefaultFileSD())}
		for i := 0; i < len(more); i += 2 {
			h.PAXRecords[more[i]] = more[i+1]
		}
		if h.PAXRecords[paxSD] == "" {
			delete(h.PAXRecords, paxSD)
		}
		return h
	}
	folder := func(name string) *tar.Header { return good('5', name, "", "16") }
	reg := func(name string) *tar.Header { return good('0', name, "", "32") }
	hole := func(name string) *tar.Header { return &tar.Header{Name: name} }
	roots := []*tar.Header{folder("Files"), folder("Hives")}
	nobody := nt.SD{Control: 0x8000, Owner: nt.Users, Group: nt.Users}
	noDACL := sd64(nobody.Marshal())
	var base []*tar.Header
	for _, n := range []string{"Files", "Files/Windows", "Files/Windows/System32", "Files/Windows/System32/config"} {
		base = append(base, folder(n))
	}
	for _, n := range baseHives {
		base = append(base, reg("Files/Windows/System32/config/"+n))
	}
	base, roots = slices.Clip(base), slices.Clip(roots) // so that append copies
	for _, c := range []struct {
		name string
		base bool
		tar  []*tar.Header
		want []string
	}{
		{"good derived layer", false, append(roots, reg("Files/a"), hole("Files/.wh.b"), good('1', "Files/c", "Files/a", "32")), nil},
		{"good lowest layer", true, base, nil},
		{"empty", false, nil, []string{"no-files", "no-hives"}},
		{"lowest layer without hives", true, roots[:1], []string{"missing-hive"}},
		{"derived form as the lowest", true, append(base, folder("Hives")), []string{"hives-in-base"}},
		{"deletion in the lowest", true, append(base, hole("Files/.wh.x")), []string{"whiteout-in-base"}},
		{"missing parent", false, append(roots, reg("Files/d/a")), []string{"missing-parent"}},
		{"parent after child", false, append(roots, reg("Files/d/a"), folder("Files/d")), []string{"missing-parent"}},
		{"child of a link", false, append(roots, good('2', "Files/l", "x", "1040"), reg("Files/l/a")), []string{"child-under-symlink"}},
		{"child of a file", false, append(roots, reg("Files/f"), reg("Files/f/a")), []string{"child-under-file"}},
		{"twice", false, append(roots, reg("Files/a"), reg("Files/a")), []string{"duplicate"}},
		{"case twins", false, append(roots, reg("Files/É"), reg("Files/é")), []string{"case-twin"}},
		{"deleted and added", false, append(roots, hole("Files/.wh.A"), reg("Files/a")), []string{"whiteout-and-add"}},
		{"added and deleted", false, append(roots, reg("Files/a"), hole("Files/.wh.a")), []string{"whiteout-and-add"}},
		{"opaque", false, append(roots, folder("Files/d"), hole("Files/d/.wh..wh..opq")), []string{"opaque"}},
		{"orphan stream", false, append(roots, reg("Files/a"), reg("Files/b"), reg("Files/a:s")), []string{"orphan-stream"}},
		{"stream", false, append(roots, reg("Files/a"), reg("Files/a:s"), reg("Files/a:t")), []string{"stream"}},
		{"hard link to a directory", false, append(roots, good('1', "Files/l", "Files", "32")), []string{"link-target"}},
		{"hard link below", false, append(roots, good('1', "Files/l", "Files/x", "32")), []string{"link-lower"}},
		{"hard link too early", true, append(base, good('1', "Files/l", "Files/x", "32"), reg("Files/x")), []string{"link-target"}},
		{"relative junction", false, append(roots, good('2', "Files/l", `\x`, "1040", paxMountPoint, "1")), []string{"junction-target"}},
		{"link with BuildKit's prefix", false, append(roots, good('2', "Files/l", `Files/x`, "1056")), []string{"link-prefix"}},
		{"no descriptor", false, append(roots, good('0', "Files/a", "", "32", paxSD, "")), []string{"no-descriptor"}},
		{"no access list", false, append(roots, good('0', "Files/a", "", "32", paxSD, noDACL)), []string{"no-dacl"}},
		{"broken descriptor", false, append(roots, good('0', "Files/a", "", "32", paxSD, "AAAA")), []string{"descriptor"}},
		{"sparse attribute", false, append(roots, good('0', "Files/a", "", "544")), []string{"storage-attributes"}},
		{"root that is a file", false, []*tar.Header{folder("Files"), reg("Hives")}, []string{"root-kind"}},
		{"repeated in the utility VM", false, append(roots, folder("UtilityVM"), folder("UtilityVM/Files"), folder("UtilityVM/Files")), []string{"duplicate"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := Validate(bytes.NewReader(foreign(t, c.tar...)), c.base)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, rules(found)); d != "" {
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

func TestValidateHostile(t *testing.T) {
	found, err := Validate(bytes.NewReader(foreign(t, &tar.Header{Name: "other"}, &tar.Header{Name: "../x"})), false)
	if err == nil || len(found) != 1 || found[0].Rule != "foreign-root" {
		t.Errorf("got %v, %v", found, err)
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

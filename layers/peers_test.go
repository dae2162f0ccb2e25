package layers

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mullion/mullion/internal/nt"
)

// Descriptors as the tools write them, byte for byte.
const (
	buildKitDirSD  = "AQAEgBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgCoAAcAAAAAAxgA/wEfAAECAAAAAAAFIAAAACACAAAAAxQA/wEfAAEBAAAAAAAFEgAAAAAAGAD/AR8AAQIAAAAAAAUgAAAAIAIAAAALFAAAAAAQAQEAAAAAAAMAAAAAAAMYAKkAEgABAgAAAAAABSAAAAAhAgAAAAIYAAQAAAABAgAAAAAABSAAAAAhAgAAAAIYAAIAAAABAgAAAAAABSAAAAAhAgAA"
	buildKitFileSD = "AQAEgBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgBMAAMAAAAAABgA/wEfAAECAAAAAAAFIAAAACACAAAAABQA/wEfAAEBAAAAAAAFEgAAAAAAGACpABIAAQIAAAAAAAUgAAAAIQIAAA=="
	usersOwnSD     = "AQAAgBQAAAAkAAAAAAAAAAAAAAABAgAAAAAABSAAAAAhAgAAAQIAAAAAAAUgAAAAIQIAAA=="
)

func un64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// member is a header as one of the tools fills it in.
func member(typeflag byte, name, link string, mode, size int64, times int, records ...string) *tar.Header {
	h := &tar.Header{Typeflag: typeflag, Name: name, Linkname: link, Mode: mode, Size: size, Format: tar.FormatPAX, PAXRecords: map[string]string{}}
	if times > 0 {
		h.ModTime = when
	}
	if times > 1 {
		h.AccessTime, h.ChangeTime = when, when
	}
	for i := 0; i < len(records); i += 2 {
		h.PAXRecords[records[i]] = records[i+1]
	}
	return h
}

// Layers as the public sources of each tool make them, and what is wrong with each.
func TestPeerLayers(t *testing.T) {
	const noTimes, mtime, all = 0, 1, 2
	bkDir, bkFile, users := un64(t, buildKitDirSD), un64(t, buildKitFileSD), un64(t, usersOwnSD)
	bk := func(typeflag byte, name, link string, mode, size int64) *tar.Header {
		h := member(typeflag, name, link, mode, size, mtime, paxCreated, "1704067200.0")
		switch typeflag {
		case '5':
			maps.Copy(h.PAXRecords, map[string]string{paxAttributes: "16", paxSD: buildKitDirSD})
		case '0':
			maps.Copy(h.PAXRecords, map[string]string{paxAttributes: "32", paxSD: buildKitFileSD})
		}
		return h
	}
	buildKitTop := func(name string) *tar.Header { // stamped with the time of the build, fraction without padding
		h := bk('5', name, "", 040000, 0)
		h.PAXRecords[paxCreated] = "1704067200.5000000"
		delete(h.PAXRecords, paxSD)
		return h
	}
	hcsshim := func(typeflag byte, name, link, attributes string, size int64, more ...string) *tar.Header {
		return member(typeflag, name, link, 0, size, all, append([]string{paxAttributes, attributes, paxCreated, "1704067200.1234567"}, more...)...)
	}
	late := stamp + 1234567
	old := func(e Entry) *Entry {
		e.Created, e.Modified, e.Accessed, e.Changed = epoch, epoch, epoch, epoch
		return &e
	}
	for _, c := range []struct {
		name string
		base bool
		tar  []*tar.Header
		want []*Entry
		find []string
	}{
		{"BuildKit", false, []*tar.Header{
			buildKitTop("Hives"), buildKitTop("Files"), bk('5', "Files/app/", "", 040755, 0), bk('0', "Files/app/a.exe", "", 0100755, 3),
			bk('1', "Files/app/hard.exe", "Files/app/a.exe", 0644, 0), bk('2', "Files/app/link", "Files/dir", 0777, 0),
			bk('0', "Files/app/.wh.old", "", 0100000, 0),
		}, []*Entry{
			at(Entry{Name: "Hives", Kind: Dir, Attributes: 16, Created: stamp + 5_000_000}),
			at(Entry{Name: "Files", Kind: Dir, Attributes: 16, Created: stamp + 5_000_000}),
			at(Entry{Name: "Files/app", Kind: Dir, Attributes: 16, SD: bkDir}),
			at(Entry{Name: "Files/app/a.exe", Size: 3, Attributes: 32, SD: bkFile}),
			at(Entry{Name: "Files/app/hard.exe", Kind: HardLink, Target: "Files/app/a.exe", Attributes: 32}),
			at(Entry{Name: "Files/app/link", Kind: Symlink, Target: `Files\dir`, Attributes: 1056}),
			gone("Files/app/old"),
		}, []string{"W no-times", "W spelling", "W no-attributes", "W link-prefix", "W order"}},
		{"crane append of a tar that begins with ./", false, []*tar.Header{
			member('5', "Files", "", 0555, 0, noTimes), member('5', "Hives", "", 0555, 0, noTimes),
			member('5', "Files", "", 0755, 0, mtime, paxSD, usersOwnSD), // path.Join("Files", "./")
			member('0', "Files/bin/a.exe", "", 0755, 2, mtime, paxSD, usersOwnSD), member('1', "Files/b.exe", "bin/a.exe", 0755, 0, mtime, paxSD, usersOwnSD),
			member('0', "Files/.wh.x", "", 0, 0, mtime, paxSD, usersOwnSD),
		}, []*Entry{
			old(Entry{Name: "Files", Kind: Dir, Attributes: 16}), old(Entry{Name: "Hives", Kind: Dir, Attributes: 16}),
			at(Entry{Name: "Files", Kind: Dir, Attributes: 16, SD: users}), at(Entry{Name: "Files/bin/a.exe", Size: 2, Attributes: 32, SD: users}),
			at(Entry{Name: "Files/b.exe", Kind: HardLink, Target: "Files/bin/a.exe", Attributes: 32, SD: users}), gone("Files/x"),
		}, []string{"W no-times", "E duplicate", "W no-dacl", "W no-attributes", "E missing-parent", "E link-target", "W order"}},
		{"ko", false, []*tar.Header{
			member('5', "Hives", "", 0555, 0, noTimes), member('5', "Files", "", 0555, 0, noTimes), member('5', "Files/ko-app", "", 0555, 0, noTimes),
			member('0', "Files/ko-app/hello.exe", "", 0555, 4, noTimes, paxSD, usersOwnSD),
		}, []*Entry{
			old(Entry{Name: "Hives", Kind: Dir, Attributes: 16}), old(Entry{Name: "Files", Kind: Dir, Attributes: 16}),
			old(Entry{Name: "Files/ko-app", Kind: Dir, Attributes: 16}), old(Entry{Name: "Files/ko-app/hello.exe", Size: 4, Attributes: 32, SD: users}),
		}, []string{"W no-times", "W no-attributes", "W no-descriptor", "W no-dacl"}},
		{".NET SDK", false, []*tar.Header{
			member('5', "Files", "", 0755, 0, all, paxSD, usersOwnSD), member('5', "Files/app", "", 0755, 0, all, paxSD, usersOwnSD),
			member('0', "Files/app/a.dll", "", 0644, 4, all, paxSD, usersOwnSD), member('5', "Hives", "", 0755, 0, all, paxSD, usersOwnSD),
		}, []*Entry{
			at(Entry{Name: "Files", Kind: Dir, Attributes: 16, SD: users}), at(Entry{Name: "Files/app", Kind: Dir, Attributes: 16, SD: users}),
			at(Entry{Name: "Files/app/a.dll", Size: 4, Attributes: 32, SD: users}), at(Entry{Name: "Hives", Kind: Dir, Attributes: 16, SD: users}),
		}, []string{"W no-creation-time", "W no-dacl", "W no-attributes", "W hives-descriptor"}},
		{"imgutil", false, []*tar.Header{
			member('5', "Files", "", 0755, 0, mtime), member('5', "Hives", "", 0755, 0, mtime), member('5', "Files/layers", "", 0755, 0, mtime),
			member('0', "Files/layers/a", "", 0644, 1, mtime), member('1', "Files/layers/b", "layers/a", 0644, 0, mtime),
		}, []*Entry{
			at(Entry{Name: "Files", Kind: Dir, Attributes: 16}), at(Entry{Name: "Hives", Kind: Dir, Attributes: 16}),
			at(Entry{Name: "Files/layers", Kind: Dir, Attributes: 16}), at(Entry{Name: "Files/layers/a", Size: 1, Attributes: 32}),
			at(Entry{Name: "Files/layers/b", Kind: HardLink, Target: "Files/layers/a", Attributes: 32}),
		}, []string{"W no-times", "W no-attributes", "W no-descriptor", "E link-target"}},
		{"hcsshim export of a derived layer", false, []*tar.Header{
			hcsshim('5', "Files", "", "16", 0), hole("Files/.wh.old.txt"),
			hcsshim('5', "Files/Users", "", "17", 0, paxSD, sd64(nt.DefaultDirSD())),
			hcsshim('0', "Files/Users/a.txt", "", "8224", 3, paxSD, sd64(nt.DefaultFileSD()), paxEA+"$KERNEL.PURGE.ESBCACHE", "AAAA"),
			member('0', "Files/Users/a.txt:Zone.Identifier", "", 0100000, 26, all),
			hcsshim('2', "Files/Users/All Users", `C:\ProgramData`, "9238", 0, paxSD, sd64(nt.DefaultDirSD())),
			hcsshim('2', "Files/Users/Default User", `C:\Users\Default`, "9238", 0, paxSD, sd64(nt.DefaultDirSD()), paxMountPoint, "1"),
			hcsshim('5', "Hives", "", "16", 0), hcsshim('0', "Hives/DefaultUser_Delta", "", "32", 9), hcsshim('0', "Hives/Sam_Delta", "", "32", 9),
			hcsshim('0', "Hives/Security_Delta", "", "32", 9), hcsshim('0', "Hives/Software_Delta", "", "32", 9), hcsshim('0', "Hives/System_Delta", "", "32", 9),
		}, []*Entry{
			at(Entry{Name: "Files", Kind: Dir, Attributes: 16, Created: late}), gone("Files/old.txt"),
			at(Entry{Name: "Files/Users", Kind: Dir, Attributes: 17, SD: nt.DefaultDirSD(), Created: late}),
			at(Entry{Name: "Files/Users/a.txt", Size: 3, Attributes: 8224, SD: nt.DefaultFileSD(), Created: late, EAs: []EA{{"$KERNEL.PURGE.ESBCACHE", []byte{0, 0, 0}}}}),
			at(Entry{Name: "Files/Users/a.txt:Zone.Identifier", Kind: Stream, Size: 26}),
			at(Entry{Name: "Files/Users/All Users", Kind: Symlink, Target: `C:\ProgramData`, Attributes: 9238, SD: nt.DefaultDirSD(), Created: late}),
			at(Entry{Name: "Files/Users/Default User", Kind: Symlink, Junction: true, Target: `C:\Users\Default`, Attributes: 9238, SD: nt.DefaultDirSD(), Created: late}),
			at(Entry{Name: "Hives", Kind: Dir, Attributes: 16, Created: late}),
			at(Entry{Name: "Hives/DefaultUser_Delta", Size: 9, Attributes: 32, Created: late}), at(Entry{Name: "Hives/Sam_Delta", Size: 9, Attributes: 32, Created: late}),
			at(Entry{Name: "Hives/Security_Delta", Size: 9, Attributes: 32, Created: late}), at(Entry{Name: "Hives/Software_Delta", Size: 9, Attributes: 32, Created: late}),
			at(Entry{Name: "Hives/System_Delta", Size: 9, Attributes: 32, Created: late}),
		}, []string{"W stream"}},
		{"plain tar of a HostProcess base", true, []*tar.Header{
			{Name: "Files/", Typeflag: '5', ModTime: when, Mode: 0755}, {Name: "Files/Windows/", Typeflag: '5', ModTime: when, Mode: 0755},
			{Name: "Files/Windows/System32/", Typeflag: '5', ModTime: when, Mode: 0755}, {Name: "Files/Windows/System32/config/", Typeflag: '5', ModTime: when, Mode: 0755},
			{Name: hiveFolder + "/DEFAULT", Size: 8192, ModTime: when}, {Name: hiveFolder + "/SAM", Size: 8192, ModTime: when},
			{Name: hiveFolder + "/SECURITY", Size: 8192, ModTime: when}, {Name: hiveFolder + "/SOFTWARE", Size: 8192, ModTime: when},
			{Name: hiveFolder + "/SYSTEM", Size: 8192, ModTime: when},
		}, []*Entry{
			at(Entry{Name: "Files", Kind: Dir, Attributes: 16}), at(Entry{Name: "Files/Windows", Kind: Dir, Attributes: 16}),
			at(Entry{Name: "Files/Windows/System32", Kind: Dir, Attributes: 16}), at(Entry{Name: hiveFolder, Kind: Dir, Attributes: 16}),
			at(Entry{Name: hiveFolder + "/DEFAULT", Size: 8192, Attributes: 32}), at(Entry{Name: hiveFolder + "/SAM", Size: 8192, Attributes: 32}),
			at(Entry{Name: hiveFolder + "/SECURITY", Size: 8192, Attributes: 32}), at(Entry{Name: hiveFolder + "/SOFTWARE", Size: 8192, Attributes: 32}),
			at(Entry{Name: hiveFolder + "/SYSTEM", Size: 8192, Attributes: 32}),
		}, []string{"W spelling", "W no-times", "W no-attributes", "W no-descriptor"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := foreign(t, c.tar...)
			got, _, err := readAll(b, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			found, err := Validate(bytes.NewReader(b), c.base)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.find, graded(found)); d != "" {
				t.Errorf("%s\n%v", d, found)
			}
			for _, e := range got { // nothing that was read is copied with its defect
				if _, err := normalise(e); err != nil {
					t.Errorf("%s cannot be written: %v", e.Name, err)
				}
			}
		})
	}
}

// GNU tar writes names beyond 100 bytes as members of their own, old tars with a prefix, PAX as records.
func TestLongNames(t *testing.T) {
	long := "Files/" + string(bytes.Repeat([]byte("long name/"), 30)) + "x"
	to := "Files/" + string(bytes.Repeat([]byte("target/"), 30)) + "y"
	for _, f := range []tar.Format{tar.FormatGNU, tar.FormatPAX} {
		b := foreign(t, &tar.Header{Name: long, Size: 1, ModTime: when, Format: f}, &tar.Header{Typeflag: '1', Name: "Files/l", Linkname: to, ModTime: when, Format: f})
		got, _, err := readAll(b, Limits{})
		if err != nil || len(got) != 2 || got[0].Name != long || got[0].Size != 1 || got[1].Target != to {
			t.Errorf("%v: %+v, %v", f, got, err)
		}
	}
	prefixed := "Files/" + string(bytes.Repeat([]byte("name/"), 30)) + "x"
	got, _, err := readAll(foreign(t, &tar.Header{Name: prefixed, ModTime: time.Unix(1704067200, 0), Format: tar.FormatUSTAR}), Limits{})
	if err != nil || len(got) != 1 || got[0].Name != prefixed {
		t.Errorf("ustar: %+v, %v", got, err)
	}
}

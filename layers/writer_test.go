package layers

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mullion/mullion/internal/nt"
)

// want is a line of a golden listing: all that a header says.
type want struct {
	Type       byte
	Name, Link string
	Mode, Size int64
	PAX        map[string]string
}

func meta(attributes string, more ...string) map[string]string {
	m := map[string]string{
		"MSWINDOWS.fileattr": attributes, "LIBARCHIVE.creationtime": "1704067200", "atime": "1704067200", "ctime": "1704067200",
	}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func TestGoldenLayers(t *testing.T) {
	dirSD, fileSD, rootSD := nt.DefaultDirSD(), nt.DefaultFileSD(), nt.RootDirSD()
	b64 := base64.StdEncoding.EncodeToString
	with := func(e *Entry, sd []byte) *Entry { e.SD = sd; return e }
	config := "Files/Windows/System32/config"
	for _, c := range []struct {
		name    string
		sum     string // SHA-256 of the tar
		entries []*Entry
		want    []want
	}{
		{"A.1 copy into a new directory", "bf17db08fbef6716e11dec619585c2775105332ce0b5c7886c494b078d7dc9d5", []*Entry{
			dir("Files"), with(dir("Files/app"), dirSD), with(file("Files/app/app.exe", 5), fileSD), dir("Hives"),
		}, []want{
			{'5', "Files", "", 0o755, 0, meta("16")},
			{'5', "Files/app", "", 0o755, 0, meta("16", "MSWINDOWS.rawsd", b64(dirSD))},
			{'0', "Files/app/app.exe", "", 0o644, 5, meta("32", "MSWINDOWS.rawsd", b64(fileSD))},
			{'5', "Hives", "", 0o755, 0, meta("16")},
		}},
		{"A.2 parents with the metadata of the layers below", "035464dd3edfec7d08dc51dcb2603d1913fa681f6534eb43a2a3a500de2b4ddc", []*Entry{
			dir("Files"),
			at(Entry{Name: "Files/Windows", Kind: Dir, Attributes: AttrDirectory | AttrCompressed, SD: rootSD, Modified: stamp + 5}),
			dir("Hives"),
		}, []want{
			{'5', "Files", "", 0o755, 0, meta("16")},
			{'5', "Files/Windows", "", 0o755, 0, meta("2064", "MSWINDOWS.rawsd", b64(rootSD), "mtime", "1704067200.0000005")},
			{'5', "Hives", "", 0o755, 0, meta("16")},
		}},
		{"A.3 deletion and a fresh directory", "a9cd716102a10d99ae37ed96bfba24708e4de2c8b47190f21412e7d84cd5fe36", []*Entry{
			dir("Files"), dir("Files/app"), gone("Files/app/old.txt"), dir("Files/app/conf"),
			gone("Files/app/conf/a"), gone("Files/app/conf/b"), file("Files/app/conf/c", 0), dir("Hives"),
		}, []want{
			{'5', "Files", "", 0o755, 0, meta("16")},
			{'5', "Files/app", "", 0o755, 0, meta("16")},
			{'0', "Files/app/.wh.old.txt", "", 0, 0, nil},
			{'5', "Files/app/conf", "", 0o755, 0, meta("16")},
			{'0', "Files/app/conf/.wh.a", "", 0, 0, nil},
			{'0', "Files/app/conf/.wh.b", "", 0, 0, nil},
			{'0', "Files/app/conf/c", "", 0o644, 0, meta("32")},
			{'5', "Hives", "", 0o755, 0, meta("16")},
		}},
		{"A.4 links", "01eb9280ff6dfb3296ce56fcde040e510bb74f66ee69d7d6bd1d3f1ea85873da", []*Entry{
			dir("Files"), dir("Files/app"),
			at(Entry{Name: "Files/app/cur", Kind: Symlink, Target: "v2", Attributes: DefaultDirLink}),
			file("Files/app/one.exe", 3),
			at(Entry{Name: "Files/app/run.exe", Kind: Symlink, Target: `C:\app\v2\app.exe`, Attributes: DefaultFileLink}),
			with(link("Files/app/two.exe", "Files/app/one.exe"), fileSD),
			at(Entry{Name: "Files/data", Kind: Symlink, Junction: true, Target: `D:\data`, Attributes: DefaultDirLink}),
			dir("Hives"),
		}, []want{
			{'5', "Files", "", 0o755, 0, meta("16")},
			{'5', "Files/app", "", 0o755, 0, meta("16")},
			{'2', "Files/app/cur", "v2", 0o777, 0, meta("1040")},
			{'0', "Files/app/one.exe", "", 0o644, 3, meta("32")},
			{'2', "Files/app/run.exe", `C:\app\v2\app.exe`, 0o777, 0, meta("1056")},
			{'1', "Files/app/two.exe", "Files/app/one.exe", 0o644, 0, meta("32")},
			{'2', "Files/data", `D:\data`, 0o777, 0, meta("1040", "MSWINDOWS.mountpoint", "1")},
			{'5', "Hives", "", 0o755, 0, meta("16")},
		}},
		{"A.5 lowest layer", "8304137b8cf00075d2cf4e3e1f0a9d0c207f21e173dc1ae627f46a93302367ba", []*Entry{
			with(dir("Files"), rootSD), dir("Files/Windows"), dir("Files/Windows/System32"), dir(config),
			file(config+"/DEFAULT", 8), file(config+"/SAM", 8), file(config+"/SECURITY", 8), file(config+"/SOFTWARE", 8), file(config+"/SYSTEM", 8),
		}, []want{
			{'5', "Files", "", 0o755, 0, meta("16", "MSWINDOWS.rawsd", b64(rootSD))},
			{'5', "Files/Windows", "", 0o755, 0, meta("16")},
			{'5', "Files/Windows/System32", "", 0o755, 0, meta("16")},
			{'5', config, "", 0o755, 0, meta("16")},
			{'0', config + "/DEFAULT", "", 0o644, 8, meta("32")},
			{'0', config + "/SAM", "", 0o644, 8, meta("32")},
			{'0', config + "/SECURITY", "", 0o644, 8, meta("32")},
			{'0', config + "/SOFTWARE", "", 0o644, 8, meta("32")},
			{'0', config + "/SYSTEM", "", 0o644, 8, meta("32")},
		}},
		{"A.6 registry deltas", "e18143f0db575187537be0a9ef6b58db087d87dfea765d5e31480b3cae6add4f", []*Entry{
			dir("Files"), dir("Hives"), file("Hives/DefaultUser_Delta", 4), file("Hives/Sam_Delta", 4), file("Hives/Security_Delta", 4),
			file("Hives/Software_Delta", 4), file("Hives/System_Delta", 4),
		}, []want{
			{'5', "Files", "", 0o755, 0, meta("16")},
			{'5', "Hives", "", 0o755, 0, meta("16")},
			{'0', "Hives/DefaultUser_Delta", "", 0o644, 4, meta("32")},
			{'0', "Hives/Sam_Delta", "", 0o644, 4, meta("32")},
			{'0', "Hives/Security_Delta", "", 0o644, 4, meta("32")},
			{'0', "Hives/Software_Delta", "", 0o644, 4, meta("32")},
			{'0', "Hives/System_Delta", "", 0o644, 4, meta("32")},
		}},
		{"empty layer", "5648bf1281fc49a6514bbb408a3cb51f9830aca9e86a36f45bc7f045f130d3bc", []*Entry{dir("Files"), dir("Hives")}, []want{
			{'5', "Files", "", 0o755, 0, meta("16")},
			{'5', "Hives", "", 0o755, 0, meta("16")},
		}},
		{"utility VM", "b22ffcec136ded421594ca156a7a3dc93a14ba7b87b32d813d57273003bfee58", []*Entry{
			dir("Files"), file("Files/x", 1), dir("UtilityVM"), dir("UtilityVM/Files"), dir("UtilityVM/Files/EFI"), dir("UtilityVM/Files/EFI/Microsoft"),
			dir("UtilityVM/Files/EFI/Microsoft/Boot"), file(bootConfig, 8), file(bootConfig+".LOG", 0), link("UtilityVM/Files/x", "Files/x"),
		}, []want{
			{'5', "Files", "", 0o755, 0, meta("16")},
			{'0', "Files/x", "", 0o644, 1, meta("32")},
			{'5', "UtilityVM", "", 0o755, 0, meta("16")},
			{'5', "UtilityVM/Files", "", 0o755, 0, meta("16")},
			{'5', "UtilityVM/Files/EFI", "", 0o755, 0, meta("16")},
			{'5', "UtilityVM/Files/EFI/Microsoft", "", 0o755, 0, meta("16")},
			{'5', "UtilityVM/Files/EFI/Microsoft/Boot", "", 0o755, 0, meta("16")},
			{'0', bootConfig, "", 0o644, 8, meta("32")},
			{'0', bootConfig + ".LOG", "", 0o644, 0, meta("32")},
			{'1', "UtilityVM/Files/x", "Files/x", 0o644, 0, meta("32")},
		}},
		{"four times, hidden and system", "49a60f7511dbbb4a4b7d4e9276a829fc951e8f1d195096bcba91d20e0220568c", []*Entry{
			dir("Files"),
			at(Entry{Name: "Files/a", Attributes: AttrHidden | AttrSystem | AttrArchive, Created: nt.FiletimeOf(time.Unix(-2, 999_999_900)),
				Modified: stamp + 1, Accessed: stamp + 20, Changed: stamp + 5_000_000}),
			dir("Hives"),
		}, []want{
			{'5', "Files", "", 0o755, 0, meta("16")},
			{'0', "Files/a", "", 0o644, 0, meta("38", "LIBARCHIVE.creationtime", "-1.0000001", "mtime", "1704067200.0000001",
				"atime", "1704067200.000002", "ctime", "1704067200.5")},
			{'5', "Hives", "", 0o755, 0, meta("16")},
		}},
		{"streams, extended attributes, long and foreign names", "59ebe8ec4471c16deb1f222e515925a3310e79e14d70b7b49dfc8e1e80aa3bf9", []*Entry{
			dir("Files"),
			at(Entry{Name: "Files/a", Kind: File, EAs: []EA{{"Z", []byte{1}}, {"A", nil}}}),
			at(Entry{Name: "Files/a:s", Kind: Stream, Size: 2, Attributes: 99}),
			dir("Files/" + strings.Repeat("x", 200)),
			dir("Files/ünï"),
			dir("Hives"),
		}, []want{
			{'5', "Files", "", 0o755, 0, meta("16")},
			{'0', "Files/a", "", 0o644, 0, meta("32", "MSWINDOWS.xattr.A", "", "MSWINDOWS.xattr.Z", "AQ==")},
			{'0', "Files/a:s", "", 0o644, 2, map[string]string{"atime": "1704067200", "ctime": "1704067200"}},
			{'5', "Files/" + strings.Repeat("x", 200), "", 0o755, 0, meta("16", "path", "Files/"+strings.Repeat("x", 200))},
			{'5', "Files/ünï", "", 0o755, 0, meta("16", "path", "Files/ünï")},
			{'5', "Hives", "", 0o755, 0, meta("16")},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			layer := mustWrite(t, c.entries...)
			if sum := fmt.Sprintf("%x", sha256.Sum256(layer)); sum != c.sum {
				t.Errorf("the bytes have changed: SHA-256 %s", sum)
			}
			var got []want
			for _, h := range headers(t, layer) {
				if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" {
					t.Errorf("%s: owner %d:%d %q:%q", h.Name, h.Uid, h.Gid, h.Uname, h.Gname)
				}
				if bare := strings.Contains(h.Name, ".wh."); bare && h.ModTime.Unix() != 0 || !bare && h.ModTime.Unix() != 1704067200 {
					t.Errorf("%s: modified %v", h.Name, h.ModTime)
				}
				for k, v := range h.PAXRecords { // an empty record deletes, for Go
					if v == "" && !strings.HasPrefix(k, "MSWINDOWS.xattr.") {
						delete(h.PAXRecords, k)
					}
				}
				got = append(got, want{h.Typeflag, h.Name, h.Linkname, h.Mode, h.Size, h.PAXRecords})
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestWriterRefuses(t *testing.T) {
	files, hives := dir("Files"), dir("Hives")
	a := file("Files/a", 1)
	for _, c := range []struct {
		name    string
		entries []*Entry
		want    string
	}{
		{"no Files", []*Entry{hives}, "no Files directory"},
		{"whiteout without Hives", []*Entry{files, gone("Files/x")}, "needs a Hives directory"},
		{"other root", []*Entry{files, dir("Other")}, "outside"},
		{"root in other case", []*Entry{dir("files")}, "outside"},
		{"below UtilityVM", []*Entry{files, dir("UtilityVM"), dir("UtilityVM/Other")}, "outside"},
		{"root as file", []*Entry{file("Files", 0)}, "must be a directory"},
		{"trailing slash", []*Entry{files, dir("Files/app/")}, "not a name"},
		{"leading dot", []*Entry{dir("./Files")}, "not a name"},
		{"dot dot", []*Entry{files, dir("Files/../x")}, "not a name"},
		{"backslash", []*Entry{files, dir(`Files/a\b`)}, "not allowed"},
		{"colon", []*Entry{files, file("Files/a:b", 0)}, "not allowed"},
		{"device", []*Entry{files, file("Files/NUL.txt", 0)}, "NUL"},
		{"trailing dot", []*Entry{files, file("Files/a.", 0)}, "a."},
		{"whiteout name", []*Entry{files, file("Files/.wh.a", 0)}, ".wh."},
		{"metadata name", []*Entry{files, dir("Files/a.$wcidirs$")}, "wcidirs"},
		{"long component", []*Entry{files, dir("Files/" + strings.Repeat("é", 256))}, "255"},
		{"not UTF-8", []*Entry{files, dir("Files/\xff")}, "UTF-16"},
		{"lone surrogate", []*Entry{files, dir("Files/\xed\xa0\x80")}, "UTF-16"},
		{"missing parent", []*Entry{files, file("Files/app/x", 0)}, `"Files/app" is not a directory`},
		{"child of a link", []*Entry{files, at(Entry{Name: "Files/l", Kind: Symlink, Target: "x", Attributes: DefaultDirLink}),
			file("Files/l/x", 0)}, "is not a directory"},
		{"child of a file", []*Entry{files, a, file("Files/a/x", 0)}, "is not a directory"},
		{"twice", []*Entry{files, a, a}, "already"},
		{"out of order", []*Entry{files, file("Files/b", 0), file("Files/a", 0)}, `after "Files/b"`},
		{"parents after Hives", []*Entry{files, hives, dir("Files/z")}, "belongs before"},
		{"subtree out of order", []*Entry{files, dir("Files/a"), dir("Files/a-b"), file("Files/a/x", 0)}, "belongs before"},
		{"whiteout after child", []*Entry{files, a, gone("Files/z")}, "belongs before"},
		{"ASCII twins", []*Entry{files, dir("Files/Foo"), dir("Files/foo")}, "only in case"},
		{"twins by $UpCase", []*Entry{files, dir("Files/É"), dir("Files/é")}, "one name on Windows"},
		{"whiteout and addition", []*Entry{files, gone("Files/a"), a}, "both deleted and added"},
		{"whiteout and twin", []*Entry{files, gone("Files/A"), a}, "differs only in case"},
		{"whiteout twice", []*Entry{files, gone("Files/a"), gone("Files/a")}, "already"},
		{"opaque", []*Entry{files, {Name: "Files/a", Kind: Opaque, Created: 1, Modified: 1, Accessed: 1, Changed: 1}}, "opaque"},
		{"whiteout in Hives", []*Entry{files, hives, gone("Hives/Sam_Delta")}, "five registry deltas"},
		{"whiteout of a root", []*Entry{gone("Files")}, "must be a directory"},
		{"unknown hive", []*Entry{files, hives, file("Hives/Bcd_Delta", 1)}, "five registry deltas"},
		{"hive in other case", []*Entry{files, hives, file("Hives/SAM_DELTA", 1)}, "five registry deltas"},
		{"descriptor on a hive", []*Entry{files, hives, at(Entry{Name: "Hives/Sam_Delta", SD: nt.DefaultFileSD()})}, "security descriptor"},
		{"no times", []*Entry{files, {Name: "Files/a"}}, "no creation time"},
		{"no change time", []*Entry{files, {Name: "Files/a", Created: 1, Modified: 1, Accessed: 1}}, "no change time"},
		{"directory attribute on a file", []*Entry{files, at(Entry{Name: "Files/a", Attributes: 16})}, "attributes 16"},
		{"file attributes on a directory", []*Entry{files, at(Entry{Name: "Files/a", Kind: Dir, Attributes: 32})}, "attributes 32"},
		{"reparse on a file", []*Entry{files, at(Entry{Name: "Files/a", Attributes: 1024})}, "attributes 1024"},
		{"link without attributes", []*Entry{files, at(Entry{Name: "Files/a", Kind: Symlink, Target: "x"})}, "attributes 0"},
		{"slash in target", []*Entry{files, at(Entry{Name: "Files/a", Kind: Symlink, Target: "x/y", Attributes: 1056})}, "not a Windows path"},
		{"empty target", []*Entry{files, at(Entry{Name: "Files/a", Kind: Symlink, Attributes: 1056})}, "not a Windows path"},
		{"relative junction", []*Entry{files, at(Entry{Name: "Files/a", Kind: Symlink, Junction: true, Target: `\x`, Attributes: 1040})}, "absolute"},
		{"hard link before its file", []*Entry{files, link("Files/a", "Files/b")}, "no file earlier"},
		{"hard link to a directory", []*Entry{files, dir("Files/d"), link("Files/e", "Files/d")}, "no file earlier"},
		{"hard link in other case", []*Entry{files, a, link("Files/b", "Files/A")}, "no file earlier"},
		{"hard link to a hive", []*Entry{files, dir("Files/Windows"), dir("Files/Windows/System32"), dir(hiveFolder), file(hiveFolder+"/SAM", 1),
			link("Files/Windows/x", hiveFolder+"/SAM")}, "import rewrites"},
		{"size of a directory", []*Entry{files, at(Entry{Name: "Files/d", Kind: Dir, Size: 1})}, "of 1 bytes"},
		{"bad descriptor", []*Entry{files, at(Entry{Name: "Files/d", Kind: Dir, SD: []byte("xx")})}, "security descriptor"},
		{"orphan stream", []*Entry{files, a, at(Entry{Name: "Files/b:s", Kind: Stream})}, "does not follow"},
		{"stream of a stream", []*Entry{files, a, at(Entry{Name: "Files/a:s:$DATA", Kind: Stream})}, "cannot be"},
		{"stream after another file", []*Entry{files, a, file("Files/a2", 0), at(Entry{Name: "Files/a:s", Kind: Stream})}, "belongs before"},
		{"EA name", []*Entry{files, at(Entry{Name: "Files/a", EAs: []EA{{"a=b", nil}}})}, "extended attribute"},
		{"EA twice", []*Entry{files, at(Entry{Name: "Files/a", EAs: []EA{{"a", nil}, {"a", nil}}})}, "twice"},
		{"EA too long", []*Entry{files, at(Entry{Name: "Files/a", EAs: []EA{{"a", make([]byte, 65536)}}})}, "65535"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := write(c.entries...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestWriterGoesOnAfterRefusal(t *testing.T) {
	var with, without bytes.Buffer
	for i, buf := range []*bytes.Buffer{&with, &without} {
		w := NewWriter(buf)
		for _, e := range []*Entry{dir("Files"), dir("Files/a"), file("Files/b/x", 0), file("Files/a/x", 0), dir("Hives")} {
			refused := e.Name == "Files/b/x"
			if refused && i == 1 {
				continue
			}
			if err := w.WriteEntry(e, nil); (err != nil) != refused {
				t.Fatalf("%s: %v", e.Name, err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(with.Bytes(), without.Bytes()) {
		t.Error("a refused entry left a trace")
	}
}

func TestWriterContent(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name    string
		content io.Reader
		want    string
	}{
		{"short", strings.NewReader("ab"), "ends after 2 of 3 bytes"},
		{"long", strings.NewReader("abcd"), "longer than 3 bytes"},
		{"none", nil, "no content"},
		{"failing", iotest.ErrReader(boom), "boom"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := NewWriter(io.Discard)
			if err := w.WriteEntry(dir("Files"), nil); err != nil {
				t.Fatal(err)
			}
			err := w.WriteEntry(file("Files/a", 3), c.content)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if again := w.Close(); again == nil {
				t.Error("the layer could be closed after that")
			}
		})
	}
}

func TestWriterHardLinkLimit(t *testing.T) {
	w := NewWriter(io.Discard)
	for _, e := range []*Entry{dir("Files"), file("Files/a", 0)} {
		if err := w.WriteEntry(e, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := 1; i <= maxLinks; i++ {
		err := w.WriteEntry(link(fmt.Sprintf("Files/b%04d", i), "Files/a"), nil)
		if (err != nil) != (i == maxLinks) {
			t.Fatalf("link %d: %v", i, err)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		time nt.Filetime
		text string
	}{
		{stamp, "1704067200"},
		{stamp + 1, "1704067200.0000001"},
		{stamp + 5_000_000, "1704067200.5"},
		{nt.FiletimeOf(time.Unix(-1, 500_000_000)), "-0.5"},
		{nt.FiletimeOf(time.Unix(-2, 999_999_900)), "-1.0000001"},
		{nt.FiletimeOf(time.Unix(-2, 0)), "-2"},
		{firstTime, "-9223372036.8547758"},
		{lastTime, "9223372036.8547758"},
	} {
		if got := formatTime(c.time); got != c.text {
			t.Errorf("formatTime(%d) = %q, want %q", c.time, got, c.text)
		}
		if got, err := parseTime(c.text); err != nil || got != c.time {
			t.Errorf("parseTime(%q) = %d, %v, want %d", c.text, got, err, c.time)
		}
	}
	for text, want := range map[string]nt.Filetime{
		"1704067200.500000000": stamp + 5_000_000, "1704067200.12345678901": stamp + 1234567,
		"-99999999999999": 0, "99999999999999": 1<<63 - 1, "1.": nt.FiletimeOf(time.Unix(1, 0)),
	} {
		if got, err := parseTime(text); err != nil || got != want {
			t.Errorf("parseTime(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "1.x", "1.-5", "0x1", "1e3", "99999999999999999999"} {
		if _, err := parseTime(text); err == nil {
			t.Errorf("parseTime(%q) succeeded", text)
		}
	}
}

func TestWriterClampsTimes(t *testing.T) {
	e := Entry{Name: "Files", Kind: Dir, Created: 1, Modified: 1 << 62, Accessed: firstTime, Changed: lastTime}
	list, _, err := readAll(mustWrite(t, &e), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got := [4]nt.Filetime{list[0].Created, list[0].Modified, list[0].Accessed, list[0].Changed}
	if want := [4]nt.Filetime{firstTime, lastTime, firstTime, lastTime}; got != want {
		t.Errorf("times %v, want %v", got, want)
	}
}

// Descriptors pass through whole, whatever they hold: audit lists, bytes that nothing refers to, lists of 64 KiB.
func TestDescriptorsPassVerbatim(t *testing.T) {
	odd := append(nt.DefaultFileSD(), "unused bytes"...)
	audited := sddl(t, "O:BAG:SYD:P(A;;FA;;;BA)S:AI(AU;SAFA;FA;;;WD)(ML;;NW;;;LW)")
	null := sddl(t, "O:BAG:SYD:NO_ACCESS_CONTROL")
	long := sddl(t, "O:BAG:SYD:"+strings.Repeat("(A;;FA;;;SY)", 3200))
	entries := []*Entry{dir("Files")}
	for i, sd := range [][]byte{odd, audited, null, long} {
		e := file(fmt.Sprintf("Files/%d", i), 0)
		e.SD = sd
		entries = append(entries, e)
	}
	got, found, err := readAll(mustWrite(t, append(entries, dir("Hives"))...), Limits{})
	if err != nil || len(found) != 0 {
		t.Fatal(err, found)
	}
	for i, e := range entries {
		if !bytes.Equal(got[i].SD, e.SD) {
			t.Errorf("%s: descriptor of %d bytes came back with %d", e.Name, len(e.SD), len(got[i].SD))
		}
	}
}

// NTFS counts UTF-16 units, of which an emoji takes two.
func TestLongestComponent(t *testing.T) {
	for name, ok := range map[string]bool{
		strings.Repeat("ü", 255): true, strings.Repeat("ü", 256): false, strings.Repeat("😀", 127) + "x": true, strings.Repeat("😀", 128): false,
	} {
		if _, err := write(dir("Files"), dir("Files/"+name)); (err == nil) != ok {
			t.Errorf("a component of %d UTF-16 units: %v", len(nt.UTF16(name)), err)
		}
	}
}

func TestWriterDropsStorageAttributes(t *testing.T) {
	e := file("Files/a", 0)
	e.Attributes = AttrReadOnly | AttrArchive | AttrSparse | AttrCompressed | AttrEncrypted
	h := headers(t, mustWrite(t, dir("Files"), e))[1]
	if got := h.PAXRecords[paxAttributes]; got != "33" {
		t.Errorf("attributes %s, want 33", got)
	}
}

func TestWhiteoutOfLongName(t *testing.T) {
	name := "Files/" + strings.Repeat("ü", 120)
	h := headers(t, mustWrite(t, dir("Files"), gone(name), dir("Hives")))[1]
	if h.Typeflag != tar.TypeReg || h.Name != "Files/.wh."+strings.Repeat("ü", 120) {
		t.Errorf("got %c %q", h.Typeflag, h.Name)
	}
	if keys := maps.Collect(maps.All(h.PAXRecords)); len(keys) != 1 || keys["path"] == "" {
		t.Errorf("records %v, want only the path", keys)
	}
}

// A file of 8 GiB and more needs PAX's size, which some readers once got wrong.
func TestWriterLargeFile(t *testing.T) {
	var buf bytes.Buffer
	w := NewWriter(&buf)
	if err := w.WriteEntry(dir("Files"), nil); err != nil {
		t.Fatal(err)
	}
	err := w.WriteEntry(at(Entry{Name: "Files/big", Size: 9 << 30}), strings.NewReader(""))
	if err == nil || !strings.Contains(buf.String(), " size=9663676416\n") {
		t.Errorf("got %v and no size record", err)
	}
}

func BenchmarkWriter(b *testing.B) {
	sd := nt.DefaultFileSD()
	content := make([]byte, 2048)
	const files = 1000
	b.SetBytes(files * int64(len(content)))
	for b.Loop() {
		w := NewWriter(io.Discard)
		if err := w.WriteEntry(dir("Files"), nil); err != nil {
			b.Fatal(err)
		}
		for i := range files {
			e := file(fmt.Sprintf("Files/file%05d.txt", i), len(content))
			e.SD = sd
			if err := w.WriteEntry(e, bytes.NewReader(content)); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

package disk

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// put adds to n, a line each: "d path", "f path size", "l path target". A line that begins with "u" is of an Under, one
// with "o" of an Under and Over.
func put(t *testing.T, n *node, lines ...string) {
	t.Helper()
	for _, line := range lines {
		words := strings.Split(line, " ")
		over := words[0] != "u"
		if words[0] == "u" || words[0] == "o" {
			words = words[1:]
		}
		e := &node{sec: epoch, dev: 1}
		switch words[0] {
		case "d":
			e.mode = fs.ModeDir | 0o755
		case "f":
			e.mode, e.size = 0o644, int64(len(words[2]))
		case "l":
			e.mode, e.target = fs.ModeSymlink|0o777, strings.Join(words[2:], " ")
		}
		if err := n.put(words[1], e, over); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
}

// list gives the paths of a tree in order: directories with a slash, symlinks with their target.
func list(n *node) []string {
	var lines []string
	var walk func(n *node, at string)
	walk = func(n *node, at string) {
		for _, k := range n.sorted() {
			switch {
			case k.kids != nil:
				lines = append(lines, at+k.name+"/")
				walk(k, at+k.name+"/")
			case k.target != "":
				lines = append(lines, at+k.name+" -> "+k.target)
			default:
				lines = append(lines, at+k.name+" "+strings.Repeat("x", int(k.size)))
			}
		}
	}
	walk(n, "")
	return lines
}

func TestUnderSharesTheTreeInTheImagesSpelling(t *testing.T) {
	n := newDir("")
	put(t, n,
		"d Windows", "d Windows/System32", "f Windows/System32/kernel32.dll xx", "f Windows/notepad.exe xx", "f Data xx", "d dir",
		"u d windows", "u d windows/system32",
		"o f windows/system32/KERNEL32.DLL x", // wins, in the image's spelling
		"u f windows/notepad.exe x",           // hidden by the image's
		"u f windows/system32/new.dll x",
		"u f users/public/x x", // parents made
		"u f data/x x",         // in a folder that is a file in the image
		"o f dir x",            // instead of a folder
	)
	want := []string{
		"Data xx",
		"Windows/",
		"Windows/System32/",
		"Windows/System32/kernel32.dll x",
		"Windows/System32/new.dll x",
		"Windows/notepad.exe xx",
		"dir x",
		"users/",
		"users/public/",
		"users/public/x x",
	}
	if diff := cmp.Diff(want, list(n)); diff != "" {
		t.Error(diff)
	}
}

func TestOverClearsTheWay(t *testing.T) {
	n := newDir("")
	put(t, n, "f windows xx", "o f Windows/System32/ntdll.dll x")
	want := []string{"Windows/", "Windows/System32/", "Windows/System32/ntdll.dll x"}
	if diff := cmp.Diff(want, list(n)); diff != "" {
		t.Error(diff)
	}
}

func TestBadNamesAreRefused(t *testing.T) {
	for _, name := range []string{"..", "a/../b", "a//b", "./a", "a/", "/a", "a\x00b"} {
		n := newDir("")
		if err := n.put(name, &node{mode: 0o644}, true); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	if err := newDir("").put(strings.Repeat("a/", maxDepth)+"a", &node{}, true); err == nil {
		t.Error("a path of any depth was accepted")
	}
}

func TestLongNamesAreShortened(t *testing.T) {
	long := strings.Repeat("日", 100) // 300 bytes
	n := newDir("")
	put(t, n, "d "+long, "f "+long+"/"+long+".txt x", "f "+long+"/short x", "f "+long+".verylongextensionhere x", "f plain x")
	names := n.shorten()
	if len(names) != 3 {
		t.Errorf("%d names were shortened, not 3: %v", len(names), names)
	}
	n.each(func(n *node) {
		if len(n.name) > maxName {
			t.Errorf("%q has %d bytes", n.name, len(n.name))
		}
		if strings.ToValidUTF8(n.name, "?") != n.name {
			t.Errorf("%q was cut inside a rune", n.name)
		}
	})
	for linux, was := range names {
		if !strings.Contains(linux, "~") || !strings.HasPrefix(was, long) {
			t.Errorf("%q stands for %q", linux, was)
		}
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(names)), func(s string) bool { return strings.HasSuffix(s, ".txt") }) {
		t.Error("the extension is gone")
	}
	again := newDir("")
	put(t, again, "f plain x", "f "+long+".verylongextensionhere x", "d "+long, "f "+long+"/short x", "f "+long+"/"+long+".txt x")
	if diff := cmp.Diff(names, again.shorten()); diff != "" {
		t.Error("the names depend on the order: " + diff)
	}
}

func TestAShortNameThatIsTakenGetsMoreOfTheHash(t *testing.T) {
	long := strings.Repeat("a", 300) + ".txt"
	first := shortName(long, nil)
	n := newDir("")
	put(t, n, "f "+long+" x", "f "+strings.ToUpper(first)+" xx")
	n.shorten()
	got := list(n)
	if len(got) != 2 || got[0] != strings.ToUpper(first)+" xx" || strings.HasPrefix(got[1], first) {
		t.Errorf("got %q", got)
	}
}

func TestTargetsOfLinks(t *testing.T) {
	for _, c := range []struct{ link, target, want string }{
		{"a", `C:\Windows\System32`, "Windows/System32"},
		{"a", `c:\windows\SYSTEM32\x`, "Windows/System32/x"},
		{"a", `C:\`, "."},
		{"a", `C:`, "."},
		{"Windows/a", `C:\`, ".."},
		{"Windows/System32/a", `\??\C:\app\v1`, "../../app/v1"},
		{"Windows/a", `\\?\C:\APP`, "../app"},
		{"app/a", `v1`, "../app/v1"},
		{"app/a", `..\windows`, "../Windows"},
		{"app/a", `..\..\..\..\etc`, "../etc"},
		{"app/a", `\windows`, "../Windows"},
		{"app/a", `/windows/./x/../system32`, "../Windows/System32"},
		{"app/a", `none\Such`, "../app/none/Such"},
		// Nothing outside C: can be reached.
		{"app/a", `D:\x`, `D:\x`},
		{"app/a", `C:x`, `C:x`},
		{"app/a", `//server/share`, `\\server\share`},
		{"app/a", `\\?\Volume{1}\x`, `\\?\Volume{1}\x`},
		{"app/a", `/??/UNC/etc`, `\??\UNC\etc`},
	} {
		n := newDir("")
		put(t, n, "d Windows", "d Windows/System32", "d app", "f app/v1 x", "l "+c.link+" "+c.target)
		if err := n.relink(); err != nil {
			t.Fatal(err)
		}
		if got := n.find(c.link).target; got != c.want {
			t.Errorf("%s -> %s became %s, not %s", c.link, c.target, got, c.want)
		}
	}
}

func TestATargetThroughAShortenedFolder(t *testing.T) {
	long := strings.Repeat("ä", 200)
	n := newDir("")
	put(t, n, "d "+long, "f "+long+"/x y", `l a C:\`+strings.ToUpper(long)+`\X`)
	names := n.shorten()
	if err := n.relink(); err != nil {
		t.Fatal(err)
	}
	for short := range names {
		if got := n.find("a").target; got != short+"/x" {
			t.Errorf("the link leads to %q", got)
		}
	}
}

func TestTooLongATargetIsRefused(t *testing.T) {
	n := newDir("")
	put(t, n, "l a "+strings.Repeat("x", maxLink+1))
	if err := n.relink(); err == nil {
		t.Error("it was accepted")
	}
}

func FuzzLinuxTarget(f *testing.F) {
	for _, s := range []string{`C:\Windows`, `..\..\x`, `\??\C:\a`, `//./C:/../..`, "/etc/passwd", ""} {
		f.Add("a/b", s)
	}
	f.Fuzz(func(t *testing.T, dir, target string) {
		if strings.HasPrefix(dir, "/") || strings.Contains(dir, "..") || strings.Contains(dir, "//") || strings.HasSuffix(dir, "/") ||
			dir == "." || strings.HasPrefix(dir, "./") || strings.Contains(dir, "/.") || strings.Contains(dir, `\`) {
			t.Skip()
		}
		got := linuxTarget(newDir(""), dir, target)
		if strings.HasPrefix(got, "/") {
			t.Fatalf("%q leads to the host's %q", target, got)
		}
		depth := 0
		if dir != "" {
			depth = strings.Count(dir, "/") + 1
		}
		for part := range strings.SplitSeq(got, "/") {
			if part == ".." {
				depth--
			}
		}
		if depth < 0 {
			t.Fatalf("%q in %q leads out: %q", target, dir, got)
		}
	})
}

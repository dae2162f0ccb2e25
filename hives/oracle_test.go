package hives

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/internal/nt"
)

// trait is what a hive may have that not every oracle can read.
type trait uint

const (
	layered       trait = 1 << iota // a delta
	deletedValues                   // a delta with tombstones of values
	oddNames                        // half surrogate pairs, control characters
	wideNames                       // names that are not ASCII
)

func (x trait) String() string {
	if x == 0 {
		return "nothing"
	}
	names := []string{}
	for i, name := range []string{"delta", "deleted values", "odd names", "wide names"} {
		if x>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// oracle is a program by others that reads hives, with what it cannot judge. The same
// table is in docs/formats/hive.md.
type oracle struct {
	name, pkg string
	args      []string
	blind     trait // it fails on, or garbles, hives with any of these
	judge     func(t *testing.T, path string, root Key, out string)
}

func oracles() []oracle {
	return []oracle{
		// Fails on values without data, the form of deleted values.
		{"hivexml", "libhivex-bin", nil, deletedValues | oddNames, judgeXML},
		// With -k it goes on, but leaves out the rest of the key and, sometimes, an end tag.
		{"hivexml", "libhivex-bin", []string{"-k"}, oddNames, judgeNames},
		{"reglookup", "reglookup", []string{"-s", "-H"}, 0, judgeReglookup},
		// Aborts on some names that are not ASCII, and runs deleted values together.
		{"reged", "chntpw", []string{"-x"}, deletedValues | oddNames | wideNames, judgeReged},
	}
}

// traitsOf looks at what a hive has.
func traitsOf(t *testing.T, h *Hive) (x trait) {
	if h.IsDelta() {
		x |= layered
	}
	look := func(name string) {
		switch {
		case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0xFFFE || r == 0xFFFF }):
			x |= oddNames | wideNames
		case !isASCII(name):
			x |= wideNames
		}
	}
	for k, err := range h.Walk() {
		do(t, err)
		look(k.Name())
		for v, err := range k.Values() {
			do(t, err)
			look(v.Name())
			if v.Tombstone {
				x |= deletedValues
			}
		}
	}
	return x
}

// tempPath names a file that is gone after the test. t.TempDir cannot be taken away
// under Wine 8, which lacks the call that Go removes trees with.
func tempPath(t testing.TB) string {
	t.Helper()
	f, err := os.CreateTemp("", "hive")
	do(t, err)
	do(t, f.Close())
	t.Cleanup(func() {
		if err := os.Remove(f.Name()); err != nil {
			t.Error(err)
		}
	})
	return f.Name()
}

// judged holds a hive against every oracle that can judge it.
func judged(t *testing.T, file []byte) {
	t.Helper()
	h := openBytes(t, file)
	traits := traitsOf(t, h)
	path := tempPath(t)
	do(t, os.WriteFile(path, file, 0o600))
	for _, o := range oracles() {
		if o.blind&traits != 0 {
			continue
		}
		t.Run(strings.Join(append([]string{o.name}, o.args...), " "), func(t *testing.T) {
			args := append(slices.Clone(o.args), path)
			out := path + ".reg"
			t.Cleanup(func() { _ = os.Remove(out) }) // only reged writes it
			if o.name == "reged" {
				args = append(args, `HKLM\X`, `\`, out)
			}
			text := tool(t, o.name, o.pkg, args...)
			if o.name == "reged" {
				b, err := os.ReadFile(out)
				do(t, err)
				text = string(b)
			}
			o.judge(t, path, rootOf(t, h), text)
		})
	}
}

// documentedOracles holds the table against that of the documentation.
func documentedOracles(t *testing.T) {
	doc, err := os.ReadFile("../docs/formats/hive.md")
	do(t, err)
	for _, o := range oracles() {
		row := fmt.Sprintf("| `%s` | %s |", strings.Join(append([]string{o.name}, o.args...), " "), o.blind)
		if !strings.Contains(string(doc), row) {
			t.Errorf("the documentation lacks the row %s", row)
		}
	}
}

// TestOracles lets others read one hive of every kind that we write.
func TestOracles(t *testing.T) {
	documentedOracles(t)
	for name, file := range written(t) {
		t.Run(name, func(t *testing.T) {
			sound(t, file)
			judged(t, file)
		})
	}
}

// TestHivexsh reads what another writer makes of our hives. It leaves cells behind that
// nothing refers to, and nothing else that a tolerant check would mind.
func TestHivexsh(t *testing.T) {
	files := written(t)
	for _, name := range []string{"base", "delta", "software"} {
		path := tempPath(t)
		do(t, os.WriteFile(path, files[name], 0o600))
		script := path + ".txt"
		t.Cleanup(func() { _ = os.Remove(script) })
		do(t, os.WriteFile(script, []byte("cd \\\nadd Added\ncd Added\nsetval 2\nText\nstring:hello\nNumber\ndword:5\ncd \\\nadd Aaa\ncommit\n"), 0o600))
		tool(t, "hivexsh", "libhivex-bin", "-w", "-f", script, path)
		file, err := os.ReadFile(path)
		do(t, err)
		for _, f := range Tolerant.CheckBytes(file) {
			if !f.Warning {
				t.Errorf("%s: %v", name, f)
			}
		}
		k, err := rootOf(t, openBytes(t, file)).Subkey("ADDED")
		do(t, err)
		text, err := k.Value("text")
		do(t, err)
		number, err := k.Value("number")
		do(t, err)
		if n, _ := number.Uint(); n != 5 || text.Text() != "hello" {
			t.Errorf("%s: hivexsh wrote %v, %v", name, text, number)
		}
		judged(t, file)
	}
}

// written makes a hive in every way that there is.
func written(t *testing.T) map[string][]byte {
	base := sample(t, true)
	i, _ := base.root.find("Acme")
	acme := base.root.kids[i]
	acme.info.Class, acme.kids[0].info.Class = "class name", "Größe"
	do(t,
		base.Set(`Acme\types`, Value{Name: "big endian", Type: DWORDBigEndian, Data: []byte{1, 2, 3, 4}}),
		base.Set(`Acme\types`, Value{Name: "resources", Type: ResourceList, Data: []byte{1, 2, 3, 4, 5}}),
		base.Set(`Acme\types`, Value{Name: "odd string", Type: SZ, Data: []byte{1, 2, 3}}),
		base.Set(`Acme\types`, ExpandValue(`e/x,y"z%`, `%a%,"b"|c`)),
		base.Set(`Acme\link`, Value{Name: "SymbolicLinkValue", Type: Link, Data: nt.UTF16Bytes(`\REGISTRY\MACHINE\SOFTWARE`)}),
	)
	i, _ = acme.find("link")
	acme.kids[i].info.Symlink = true
	b := treeBytes(t, base)
	edit := func(f func(e *Edit)) []byte {
		e := NewEdit(newStack(t, b), Options{Time: newTime, Owner: nt.ContainerAdministrator})
		f(e)
		return deltaBytes(t, e)
	}
	keys := edit(func(e *Edit) {
		do(t,
			e.SetValue(`Acme`, DWORDValue("x", 1)), e.DeleteKey(`Secret`), e.SetValue(`New\k`, StringValue("a", "b")),
			e.DeleteKey(`Big`), e.SetValue(`Big\again`, BinaryValue("data", make([]byte, 40000))), e.SetClass(`Select`, "own"),
			e.Rename(`ControlSet001\Services`, "Moved"),
		)
	})
	values := edit(func(e *Edit) {
		do(t, e.DeleteValue(`Acme`, "Q"), e.DeleteValue(`Acme`, ""), e.SetValue(`Acme\new`, DWORDValue("y", 2)))
	})
	merged, err := Merge(newStack(t, b, keys, values), Options{})
	do(t, err)
	d, err := Diff(newStack(t, b), merged.Root(), Options{Time: newTime})
	do(t, err)
	return map[string][]byte{
		"empty": treeBytes(t, NewTree(Options{})), "base": b, "lone surrogates": treeBytes(t, sample(t, false)),
		"software": treeBytes(t, softwareTree(t, 8)), "delta": keys, "delta with deleted values": values, "empty delta": edit(func(*Edit) {}),
		"merged": treeBytes(t, merged), "difference": deltaFile(t, d), "squashed": squash(t, keys, values),
	}
}

// judgeReged compares the names of keys, in order, and how many values each has.
func judgeReged(t *testing.T, _ string, root Key, out string) {
	type section struct {
		path   string
		values int
	}
	var got, want []section
	for line := range strings.SplitSeq(out, "\r\n") {
		switch {
		case strings.HasPrefix(line, "["):
			got = append(got, section{path: strings.TrimSuffix(strings.TrimPrefix(line, `[HKLM\X`), "]")})
		case strings.HasPrefix(line, `"`) && strings.Contains(line, `"=`), strings.HasPrefix(line, "@="):
			got[len(got)-1].values++
		}
	}
	var walk func(path string, k Key)
	walk = func(path string, k Key) {
		s := section{path: path}
		for _, err := range k.Values() {
			do(t, err)
			s.values++
		}
		want = append(want, s)
		for c, err := range k.Subkeys() {
			do(t, err)
			walk(path+`\`+c.Name(), c)
		}
	}
	walk("", root)
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("reged sees %v, we %v", got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("reged sees %d keys, we %d", len(got), len(want))
	}
}

// tool runs a program that reads hives and is not ours.
func tool(t *testing.T, name, pkg string, args ...string) string {
	t.Helper()
	cmd := exec.Command(fixtures.Tool(t, name, pkg), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, args, err, stderr.String())
	}
	return string(out)
}

package hives

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
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

// judged holds a hive against every oracle that can judge it.
func judged(t *testing.T, file []byte) {
	t.Helper()
	h := openBytes(t, file)
	traits := traitsOf(t, h)
	path := filepath.Join(t.TempDir(), "hive")
	do(t, os.WriteFile(path, file, 0o600))
	for _, o := range oracles() {
		if o.blind&traits != 0 {
			continue
		}
		t.Run(strings.Join(append([]string{o.name}, o.args...), " "), func(t *testing.T) {
			args := append(slices.Clone(o.args), path)
			out := path + ".reg"
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
		path := filepath.Join(t.TempDir(), "hive")
		do(t, os.WriteFile(path, files[name], 0o600))
		script := path + ".txt"
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

// xmlKey is a key as hivexml prints it.
type xmlKey struct {
	Name   string     `xml:"name,attr"`
	Time   string     `xml:"mtime"`
	Keys   []xmlKey   `xml:"node"`
	Values []xmlValue `xml:"value"`
}

type xmlValue struct {
	Key      string   `xml:"key,attr"`
	Type     string   `xml:"type,attr"`
	Encoding string   `xml:"encoding,attr"`
	Value    string   `xml:"value,attr"`
	Strings  []string `xml:"string"`
}

func judgeXML(t *testing.T, _ string, root Key, out string) {
	var doc struct {
		Root xmlKey `xml:"node"`
	}
	do(t, xml.Unmarshal([]byte(out), &doc))
	sameXML(t, "", doc.Root, root)
}

// sameXML compares names, order, times, types and data with what hivexml saw.
func sameXML(t *testing.T, path string, x xmlKey, k Key) {
	info, err := k.Info()
	do(t, err)
	if want := info.LastWrite.Time().UTC().Format(time.RFC3339); info.LastWrite > 0 && x.Time != want {
		t.Errorf("%s: hivexml says it was written %s, we %s", path, x.Time, want)
	}
	i := 0
	for v, err := range k.Values() {
		do(t, err)
		if i >= len(x.Values) || x.Values[i].Key != v.Name {
			t.Fatalf("%s: hivexml does not see value %q as number %d", path, v.Name, i)
		}
		if why := sameXMLValue(x.Values[i], v); why != "" {
			t.Errorf("%s: value %q: hivexml %s", path, v.Name, why)
		}
		i++
	}
	if i != len(x.Values) {
		t.Errorf("%s: hivexml sees %d values, we %d", path, len(x.Values), i)
	}
	i = 0
	for c, err := range k.Subkeys() {
		do(t, err)
		if i >= len(x.Keys) || x.Keys[i].Name != c.Name() {
			t.Fatalf("%s: hivexml does not see %s as key %d", path, c.Name(), i)
		}
		sameXML(t, path+`\`+c.Name(), x.Keys[i], c)
		i++
	}
	if i != len(x.Keys) {
		t.Errorf("%s: hivexml sees %d keys, we %d", path, len(x.Keys), i)
	}
}

func sameXMLValue(x xmlValue, v Value) string {
	names := []string{"none", "string", "expand", "binary", "int32", "int32", "link", "string-list", "resource-list", "resource-description", "resource-requirements", "int64"}
	want := "unknown"
	if int64(v.Type) < int64(len(names)) {
		want = names[v.Type]
	}
	// Strings that are not UTF-16 are shown as bytes, and so is all that has no other form.
	if x.Encoding == "base64" {
		data, err := base64.StdEncoding.DecodeString(x.Value)
		if err != nil || !bytes.Equal(data, v.Data) {
			return fmt.Sprintf("has the data %x, we %x", data, v.Data)
		}
		return ""
	}
	if x.Type != want {
		return fmt.Sprintf("has type %s, we %s", x.Type, v.Type)
	}
	switch n, ok := v.Uint(); {
	case ok:
		got, err := strconv.ParseInt(x.Value, 10, 64)
		if err != nil || uint64(got) != n && uint32(got) != uint32(n) {
			return fmt.Sprintf("has %s, we %d", x.Value, n)
		}
	case v.Type == MultiSZ:
		if got := strings.Join(x.Strings, "\x00"); strings.Trim(got, "\x00") != strings.Trim(v.Text(), "\x00") && xmlText(v.Text()) {
			return fmt.Sprintf("has %q, we %q", got, v.Text())
		}
	case v.Type == SZ || v.Type == ExpandSZ || v.Type == Link:
		// It ends strings at the first NUL.
		if text, _, _ := strings.Cut(v.Text(), "\x00"); x.Value != text && xmlText(text) {
			return fmt.Sprintf("has %q, we %q", x.Value, text)
		}
	}
	return ""
}

// xmlText reports whether XML can carry a text unchanged.
func xmlText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != 0 || r == utf8.RuneError || r == 0xFFFE || r == 0xFFFF })
}

// judgeNames demands only that keys come with our names in our order.
func judgeNames(t *testing.T, _ string, root Key, out string) {
	var got []string
	for _, m := range regexp.MustCompile(`<node name="([^"]*)"`).FindAllStringSubmatch(out, -1) {
		got = append(got, html.UnescapeString(m[1]))
	}
	rest := got
	for _, name := range walkNames(t, root) {
		if len(rest) > 0 && rest[0] == name {
			rest = rest[1:]
		}
	}
	if len(got) == 0 || len(rest) > 0 {
		t.Errorf("hivexml sees keys that we do not: %q", rest)
	}
}

// walkNames lists the names of a key and all below it, depth first.
func walkNames(t *testing.T, k Key) []string {
	t.Helper()
	list := []string{k.Name()}
	for c, err := range k.Subkeys() {
		do(t, err)
		list = append(list, walkNames(t, c)...)
	}
	return list
}

// judgeReglookup compares names as stored, order, times, types, data, classes and what
// it says of security: owner, group and whom the DACL names.
func judgeReglookup(t *testing.T, _ string, root Key, out string) {
	r := &reglookup{t: t, lines: strings.Split(strings.TrimSuffix(out, "\n"), "\n")}
	r.key("", root)
	if len(r.lines) > 0 {
		t.Errorf("reglookup sees %d lines more, the first %.200s", len(r.lines), r.lines[0])
	}
}

type reglookup struct {
	t     *testing.T
	lines []string
}

// next takes a line and returns its fields.
func (r *reglookup) next(path string) []string {
	if len(r.lines) == 0 {
		r.t.Fatalf("reglookup ends before %s", path)
	}
	f := strings.Split(r.lines[0], ",")
	r.lines = r.lines[1:]
	if len(f) < 8 || f[0] != path {
		r.t.Fatalf("reglookup sees %.200q, want %s", f, path)
	}
	return f
}

// quoted is how reglookup prints a name: what is not ASCII as it is stored.
func quoted(name string) string {
	n := encode(name)
	var b strings.Builder
	for _, c := range n.b {
		if c < ' ' || c >= 0x7F || strings.IndexByte(`,"%/`, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func (r *reglookup) key(path string, k Key) {
	show := path
	if show == "" {
		show = "/"
	}
	f := r.next(show)
	info, err := k.Info()
	do(r.t, err)
	sd, err := nt.ParseSD(info.SD)
	do(r.t, err)
	if want := info.LastWrite.Time().UTC().Format(time.DateTime); f[1] != "KEY" || info.LastWrite > 0 && f[3] != want {
		r.t.Errorf("%s: reglookup says %q, want a key of %s", path, f[:4], want)
	}
	if f[4] != sd.Owner.String() || f[5] != sd.Group.String() {
		r.t.Errorf("%s: reglookup says it belongs to %s, %s, we %s, %s", path, f[4], f[5], sd.Owner, sd.Group)
	}
	if sd.DACL != nil {
		if got := strings.Split(f[7], "|"); len(sd.DACL.ACEs) > 0 && !namesSIDs(got, sd.DACL.ACEs) {
			r.t.Errorf("%s: reglookup says the DACL is %q, we %v", path, got, sd.DACL.ACEs)
		}
	}
	if isASCII(info.Class) && len(f) > 8 && f[8] != quoted(info.Class) {
		r.t.Errorf("%s: reglookup says the class is %q, we %q", path, f[8], info.Class)
	}
	for v, err := range k.Values() {
		do(r.t, err)
		f := r.next(show + "/" + quoted(v.Name))
		if why := sameLookup(f, v); why != "" {
			r.t.Errorf("%s: value %q: %s", path, v.Name, why)
		}
	}
	for c, err := range k.Subkeys() {
		do(r.t, err)
		r.key(path+"/"+quoted(c.Name()), c)
	}
}

func namesSIDs(got []string, want []nt.ACE) bool {
	return slices.EqualFunc(got, want, func(g string, a nt.ACE) bool { return strings.HasPrefix(g, a.SID.String()+":") })
}

func sameLookup(f []string, v Value) string {
	names := []string{"NONE", "SZ", "EXPAND_SZ", "BINARY", "DWORD", "DWORD_BE", "LINK", "MULTI_SZ", "RSRC_LIST", "RSRC_DESC", "RSRC_REQ_LIST", "QWORD"}
	name := fmt.Sprintf("0x%08X", uint32(v.Type))
	if int64(v.Type) < int64(len(names)) {
		name = names[v.Type]
	}
	if f[1] != name {
		return fmt.Sprintf("reglookup says type %s, we %s", f[1], name)
	}
	switch n, ok := v.Uint(); {
	case ok && v.Type == QWORD && f[2] != fmt.Sprintf("0x%016X", n), ok && v.Type != QWORD && f[2] != fmt.Sprintf("0x%08X", n):
		return fmt.Sprintf("reglookup says %s, we %#x", f[2], n)
	case v.Type == Binary && len(v.Data) > 0:
		if got := unquoted(f[2]); got != string(v.Data) {
			return fmt.Sprintf("reglookup has %d bytes, we %d, or others", len(got), len(v.Data))
		}
	case (v.Type == SZ || v.Type == ExpandSZ) && len(v.Data) > 0 && len(v.Data)%2 == 0:
		if text := v.Text(); isASCII(text) && !strings.Contains(text, "\x00") && unquoted(f[2]) != text {
			return fmt.Sprintf("reglookup says %s, we %q", f[2], text)
		}
	}
	return ""
}

func unquoted(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if n, err := strconv.ParseUint(s[min(i+1, len(s)):min(i+3, len(s))], 16, 8); s[i] == '%' && err == nil {
			b.WriteByte(byte(n))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
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

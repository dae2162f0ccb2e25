package hives

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mullion/mullion/internal/nt"
)

var (
	oldTime = nt.FiletimeOf(time.Date(2018, 9, 15, 0, 0, 0, 0, time.UTC))
	newTime = nt.FiletimeOf(time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC))
)

// sampleTree has every form of key, value and list that the writer makes.
func sampleTree(t testing.TB) *Tree {
	t.Helper()
	return sample(t, false)
}

// sample leaves out, if readable, the name with half a surrogate pair, which Windows
// allows and no tool can print.
func sample(t testing.TB, readable bool) *Tree {
	t.Helper()
	tree := NewTree(Options{Time: oldTime})
	set := func(path string, v Value) {
		t.Helper()
		if err := tree.Set(path, v); err != nil {
			t.Fatal(err)
		}
	}
	set(`Select`, DWORDValue("Current", 1))
	set(`ControlSet001\Control\Session Manager\Environment`, ExpandValue("Path", `%SystemRoot%\system32`))
	set(`ControlSet001\Services\XblGameSave`, DWORDValue("Start", 3))
	set(`Acme`, StringValue("", "default"))
	set(`Acme`, StringValue("Empty", ""))
	set(`Acme`, MultiValue("Many", "a", "b"))
	set(`Acme`, QWORDValue("Q", 1<<40))
	set(`Acme`, BinaryValue("Nothing", nil))
	set(`Acme`, Value{Name: "Odd", Type: 0xFFFF0012, Data: []byte{1, 2, 3}})
	set(`Acme\Größe`, StringValue("Übermaß", "é"))
	set("Acme\\Ж\U0001F600", StringValue("имя", "значение"))
	if !readable {
		set("Acme\\lone\xED\xA0\x80", DWORDValue("d", 1))
	}
	for _, n := range []int{4, 5, 16343, 16344, 16345, 2 * 16344, 81725} {
		set(`Big`, BinaryValue(fmt.Sprint(n), bytes.Repeat([]byte{0xA5}, n)))
	}
	for i := range 1200 {
		set(fmt.Sprintf(`Wide\k%04d`, i), DWORDValue("n", uint32(i)))
	}
	sd, err := nt.ParseSDDL("O:SYG:SYD:P(A;CI;KA;;;SY)")
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.SetSD(`Secret`, sd.Marshal()); err != nil {
		t.Fatal(err)
	}
	if err := tree.CreateKey(`Secret\Below`); err != nil {
		t.Fatal(err)
	}
	return tree
}

func treeBytes(t testing.TB, tree *Tree) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := tree.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteTo = %d, %v; %d bytes came", n, err, b.Len())
	}
	return b.Bytes()
}

func deltaBytes(t testing.TB, e *Edit) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := e.WriteDelta(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func openBytes(t testing.TB, b []byte) *Hive {
	t.Helper()
	h, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func sound(t testing.TB, b []byte) {
	t.Helper()
	for _, f := range Check(bytes.NewReader(b), int64(len(b))) {
		t.Errorf("finding: %s", f)
	}
}

// dump renders all keys below k with all they hold; times and security if full.
func dump(t testing.TB, k Key, full bool) string {
	t.Helper()
	var b strings.Builder
	dumpKey(t, &b, "", k, full)
	return b.String()
}

func dumpKey(t testing.TB, b *strings.Builder, path string, k Key, full bool) {
	t.Helper()
	info, err := k.Info()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(b, "[%s]", path)
	if full {
		fmt.Fprintf(b, " %d %x class=%q link=%v layer=%#x flags=%#x,%#x", info.LastWrite, info.SD, info.Class, info.Symlink, info.Layer, info.Flags, info.User)
	}
	b.WriteByte('\n')
	for v, err := range k.Values() {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(b, "%q %s %x", v.Name, v.Type, v.Data)
		if v.Tombstone {
			b.WriteString(" deleted")
		}
		b.WriteByte('\n')
		if one, err := k.Value(strings.ToUpper(v.Name)); nt.EqualFold(v.Name, strings.ToUpper(v.Name)) && !v.Tombstone &&
			(err != nil || one.Type != v.Type || !bytes.Equal(one.Data, v.Data)) {
			t.Fatalf("%s: value %q by name is %v, %v", path, v.Name, one, err)
		}
	}
	prev := ""
	for c, err := range k.Subkeys() {
		if err != nil {
			t.Fatal(err)
		}
		if prev != "" && nt.Compare(prev, c.Name()) >= 0 {
			t.Fatalf("%s: %q comes before %q", path, prev, c.Name())
		}
		prev = c.Name()
		if one, err := k.Subkey(nt.Fold(c.Name())); err != nil || one.Name() != c.Name() {
			t.Fatalf("%s: key %q by name is %v, %v", path, c.Name(), one, err)
		}
		dumpKey(t, b, path+`\`+c.Name(), c, full)
	}
}

func rootOf(t testing.TB, r interface{ Root() (Key, error) }) Key {
	t.Helper()
	k, err := r.Root()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

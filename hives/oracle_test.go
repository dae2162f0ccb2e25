package hives

import (
	"encoding/base64"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/internal/nt"
)

// tool runs a program that reads hives and is not ours.
func tool(t *testing.T, name, pkg string, args ...string) string {
	t.Helper()
	cmd := exec.Command(fixtures.Tool(t, name, pkg), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, args, err, stderr.String())
	}
	return string(out)
}

// oracleFiles writes a base hive, the smallest one, and a delta.
func oracleFiles(t *testing.T) (base, empty, delta string, merged Key) {
	t.Helper()
	b := treeBytes(t, sample(t, true))
	e := NewEdit(newStack(t, b), Options{Time: newTime, Owner: nt.ContainerAdministrator})
	do(t,
		e.SetValue(`Acme`, DWORDValue("x", 1)),
		e.DeleteValue(`Acme`, "Q"),
		e.DeleteValue(`Acme`, ""),
		e.DeleteKey(`Secret`),
		e.SetValue(`New\k`, StringValue("a", "b")),
		e.DeleteKey(`Big`),
		e.SetValue(`Big\again`, BinaryValue("data", make([]byte, 40000))),
	)
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		do(t, os.WriteFile(path, b, 0o644))
		return path
	}
	d := deltaBytes(t, e)
	return put("SYSTEM", b), put("EMPTY", treeBytes(t, NewTree(Options{}))), put("System_Delta", d), rootOf(t, openBytes(t, d))
}

// xmlKey is a key as hivexml prints it.
type xmlKey struct {
	Name   string   `xml:"name,attr"`
	Keys   []xmlKey `xml:"node"`
	Values []struct {
		Key      string `xml:"key,attr"`
		Encoding string `xml:"encoding,attr"`
		Value    string `xml:"value,attr"`
	} `xml:"value"`
}

func parseXML(t *testing.T, out string) xmlKey {
	t.Helper()
	var doc struct {
		Root xmlKey `xml:"node"`
	}
	do(t, xml.Unmarshal([]byte(out), &doc))
	return doc.Root
}

// sameKeys compares what hivexml saw with what we see: all names, all values by name.
func sameKeys(t *testing.T, path string, x xmlKey, k Key) {
	t.Helper()
	i := 0
	for c, err := range k.Subkeys() {
		do(t, err)
		if i >= len(x.Keys) || x.Keys[i].Name != c.Name() {
			t.Fatalf("%s: hivexml does not see %s as key %d", path, c.Name(), i)
		}
		sameKeys(t, path+`\`+c.Name(), x.Keys[i], c)
		i++
	}
	if i != len(x.Keys) {
		t.Errorf("%s: hivexml sees %d keys, we %d", path, len(x.Keys), i)
	}
	i = 0
	for v, err := range k.Values() {
		do(t, err)
		if v.Tombstone {
			continue
		}
		if i >= len(x.Values) || x.Values[i].Key != v.Name {
			t.Fatalf("%s: hivexml does not see value %q as number %d: %v", path, v.Name, i, x.Values)
		}
		if xv := x.Values[i]; xv.Encoding == "base64" {
			data, err := base64.StdEncoding.DecodeString(xv.Value)
			if err != nil || string(data) != string(v.Data) {
				t.Errorf("%s: value %q differs (%v)", path, v.Name, err)
			}
		} else if v.Type == SZ && utf8.ValidString(v.Text()) && xv.Value != v.Text() {
			t.Errorf("%s: value %q is %q, hivexml says %q", path, v.Name, v.Text(), xv.Value)
		}
		i++
	}
}

func TestHivexml(t *testing.T) {
	fixtures.Tool(t, "hivexml", "libhivex-bin")
	base, empty, delta, deltaRoot := oracleFiles(t)
	sameKeys(t, "", parseXML(t, tool(t, "hivexml", "libhivex-bin", base)), sample(t, true).Root())
	sameKeys(t, "", parseXML(t, tool(t, "hivexml", "libhivex-bin", empty)), NewTree(Options{}).Root())
	// In a key with deleted values hivexml forgets an end tag, so that only the order of
	// start tags can be trusted.
	out := tool(t, "hivexml", "libhivex-bin", "-k", delta)
	var got []string
	for _, m := range regexp.MustCompile(`<node name="([^"]*)"`).FindAllStringSubmatch(out, -1) {
		got = append(got, m[1])
	}
	if want := walkNames(t, deltaRoot); !slices.Equal(got, want) {
		t.Errorf("hivexml sees %q in the delta, want %q", got, want)
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

// TestReglookup also holds the security descriptors against another decoder.
func TestReglookup(t *testing.T) {
	fixtures.Tool(t, "reglookup", "reglookup")
	base, _, delta, _ := oracleFiles(t)
	out := tool(t, "reglookup", "reglookup", "-H", "-s", base)
	for _, want := range []string{
		`(?m)^/Select/Current,DWORD,0x00000001,`,
		`(?m)^/Acme/,SZ,default,`,
		`(?m)^/Acme/Many,MULTI_SZ,a\|b,`,
		`(?m)^/Acme/Q,QWORD,0x0000010000000000,`,
		`(?m)^/Wide/k1199/n,DWORD,0x000004AF,`,
		`(?m)^/Secret,KEY,,2018-09-15 00:00:00,S-1-5-18,S-1-5-18,,S-1-5-18:ALLOW:.*:CI,`,
		`(?m)^/Secret/Below,KEY,,2018-09-15 00:00:00,S-1-5-32-544,S-1-5-18,,S-1-5-18:ALLOW:.*:CI IA,`,
		`(?m)^/Big/81725,BINARY,` + strings.Repeat("(%A5){1000}", 81) + `(%A5){725},`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("reglookup does not show %s", want)
		}
	}
	if n, want := strings.Count(out, ",KEY,"), len(walkNames(t, sample(t, true).Root())); n != want {
		t.Errorf("reglookup sees %d keys, we %d", n, want)
	}
	out = tool(t, "reglookup", "reglookup", "-H", "-s", delta)
	for _, want := range []string{
		`(?m)^/Acme,KEY,,2024-01-02 03:04:05,S-1-5-32-544,S-1-5-18,`,
		`(?m)^/Acme/Q,NONE,`,
		`(?m)^/Secret,KEY,,19.0-01-01 00:00:00,S-1-5-18,S-1-5-18,`,
		`(?m)^/New/k,KEY,,2024-01-02 03:04:05,S-1-5-93-2-1,S-1-5-93-2-1,`,
		`(?m)^/New/k/a,SZ,b,`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("reglookup does not show %s in the delta:\n%s", want, out)
		}
	}
}

func TestReged(t *testing.T) {
	fixtures.Tool(t, "reged", "chntpw")
	base, _, delta, _ := oracleFiles(t)
	for file, want := range map[string][]string{
		base:  {"[HKLM\\SYSTEM\\Acme]\r\n", "\"Q\"=hex(b):00,00,00,00,00,01,00,00", "[HKLM\\SYSTEM\\Wide\\k1199]\r\n\"n\"=dword:000004af"},
		delta: {"[HKLM\\SYSTEM\\New\\k]\r\n\"a\"=\"b\"", "[HKLM\\SYSTEM\\Big\\again]", "\"x\"=dword:00000001"},
	} {
		out := filepath.Join(t.TempDir(), "out.reg")
		tool(t, "reged", "chntpw", "-x", file, `HKLM\SYSTEM`, `\`, out)
		b, err := os.ReadFile(out)
		do(t, err)
		for _, w := range want {
			if !strings.Contains(string(b), w) {
				t.Errorf("reged does not show %q in %s", w, filepath.Base(file))
			}
		}
	}
}

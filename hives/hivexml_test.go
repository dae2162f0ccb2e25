package hives

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"html"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

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

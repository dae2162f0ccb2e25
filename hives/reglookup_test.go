package hives

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mullion/mullion/internal/nt"
)

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

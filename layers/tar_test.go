package layers_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
)

// TestGNUTarReads: what Writer writes is a tar to the tar program too, with sane modes and owners.
func TestGNUTarReads(t *testing.T) {
	tool := fixtures.Tool(t, "tar", "tar")
	long := "Files/app/" + strings.Repeat("long-name-", 20)
	var layer bytes.Buffer
	w := layers.NewWriter(&layer)
	for _, e := range []*layers.Entry{
		{Name: "Files", Kind: layers.Dir},
		{Name: "Files/app", Kind: layers.Dir, SD: nt.DefaultDirSD()},
		{Name: "Files/app/old", Kind: layers.Whiteout},
		{Name: "Files/app/a.exe", Size: 3, EAs: []layers.EA{{Name: "A", Value: []byte("x")}}},
		{Name: "Files/app/a.exe:stream", Kind: layers.Stream, Size: 3},
		{Name: "Files/app/b.exe", Kind: layers.HardLink, Target: "Files/app/a.exe"},
		{Name: "Files/app/j", Kind: layers.Symlink, Target: `C:\app`, Junction: true, Attributes: layers.DefaultDirLink},
		{Name: long, Size: 3},
		{Name: "Hives", Kind: layers.Dir},
	} {
		e.Created, e.Modified, e.Accessed, e.Changed = day, day, day, day
		if err := w.WriteEntry(e, strings.NewReader("abc"[:e.Size])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tool, "--list", "--verbose", "--numeric-owner", "--warning=no-unknown-keyword", "--quoting-style=literal", "-f", "-")
	cmd.Env = append(cmd.Environ(), "TZ=UTC", "LC_ALL=C")
	cmd.Stdin = &layer
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		got = append(got, strings.Join(append(f[:3:3], f[5:]...), " "))
	}
	want := []string{
		"drwxr-xr-x 0/0 0 Files", "drwxr-xr-x 0/0 0 Files/app", "---------- 0/0 0 Files/app/.wh.old", "-rw-r--r-- 0/0 3 Files/app/a.exe",
		"-rw-r--r-- 0/0 3 Files/app/a.exe:stream", "hrw-r--r-- 0/0 0 Files/app/b.exe link to Files/app/a.exe", `lrwxrwxrwx 0/0 0 Files/app/j -> C:\app`,
		"-rw-r--r-- 0/0 3 " + long, "drwxr-xr-x 0/0 0 Hives",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

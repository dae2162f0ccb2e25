package regfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/hives"
)

// What we export of a hive is what hivexregedit exports of the same file.
func TestHivexregedit(t *testing.T) {
	hivexregedit := fixtures.Tool(t, "hivexregedit", "libwin-hivex-perl")
	path := filepath.Join(t.TempDir(), "hive")
	compare := func(tree *hives.Tree) error {
		var hive, ours, complaints bytes.Buffer
		if _, err := tree.WriteTo(&hive); err != nil {
			return err
		}
		if err := os.WriteFile(path, hive.Bytes(), 0o600); err != nil {
			return err
		}
		cmd := exec.Command(hivexregedit, "--export", path, `\`)
		cmd.Env = append(os.Environ(), "PERL_UNICODE=SO", "LC_ALL=C.UTF-8")
		cmd.Stderr = &complaints
		theirs, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("hivexregedit: %w\n%s", err, &complaints)
		}
		h, err := hives.OpenBytes(hive.Bytes())
		if err != nil {
			return err
		}
		root, err := h.Root()
		if err != nil {
			return err
		}
		if err := Write(&ours, Version5, Root{Key: root}); err != nil {
			return err
		}
		if diff := cmp.Diff(normal(string(theirs)), normal(textOf(ours.Bytes()))); diff != "" {
			return fmt.Errorf("hivexregedit and we differ:\n%s", diff)
		}
		return nil
	}

	tree := hives.NewTree(hives.Options{})
	for i, typ := range []hives.Type{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xFFFF0012} {
		for _, data := range []string{"", "x", "a\x00", "a\x00\x00\x00", "a\x00b\x00\x00\x00\x00\x00", "\x0a\x00\x00\x00", "1234", "12345678", strings.Repeat("z", 100), strings.Repeat("y", 40000)} {
			if err := tree.Set(fmt.Sprintf(`Types\%d`, i), hives.Value{Name: fmt.Sprintf(`n "\%d`, len(data)), Type: typ, Data: []byte(data)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 600 {
		if err := tree.Set(fmt.Sprintf(`Wide\[k%d] %c`, i, 'à'+i), hives.DWORDValue("Größe имя 😀", uint32(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := compare(tree); err != nil {
		t.Error(err)
	}
	trees := rapid.Custom(func(t *rapid.T) *hives.Tree {
		tree := hives.NewTree(hives.Options{})
		change(t, readableTarget{treeTarget{tree}}, false)
		return tree
	})
	for seed := range 8 { // each starts a Perl program
		if err := compare(trees.Example(seed)); err != nil {
			t.Errorf("tree %d: %v", seed, err)
		}
	}
}

// readableTarget replaces what no program but ours can print.
type readableTarget struct{ treeTarget }

var unreadable = regexp.MustCompile(`[^\x20-\x7e\xa1-\x{d7ff}\x{10000}-\x{10ffff}]`)

func (r readableTarget) CreateKey(path string) error {
	return r.treeTarget.CreateKey(unreadable.ReplaceAllString(path, "_"))
}

func (r readableTarget) SetValue(path string, v hives.Value) error {
	v.Name = unreadable.ReplaceAllString(v.Name, "_")
	return r.treeTarget.SetValue(unreadable.ReplaceAllString(path, "_"), v)
}

// textOf decodes a .reg file by other means than ours.
func textOf(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units[1:]))
}

var valueLine = regexp.MustCompile(`^(@|"(?:[^"\\]|\\.)*")=(.*)$`)

// normal is a file as a list of sections, with each value on one line and in bytes.
func normal(text string) []string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), ",\\\n  ", ",")
	sections := strings.Split(text, "\n\n")
	for i, s := range sections {
		lines := strings.Split(strings.Trim(s, "\n"), "\n")
		for j, line := range lines {
			m := valueLine.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			data := m[2]
			switch {
			case strings.HasPrefix(data, "hex:"):
				data = "hex(3):" + data[len("hex:"):]
			case strings.HasPrefix(data, `"`):
				s := strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(strings.Trim(data, `"`))
				if strings.HasSuffix(data, `\""`) {
					s += `"`
				}
				data = "hex(1):" + unitBytes(s+"\x00")
			}
			lines[j] = m[1] + "=" + data
		}
		slices.Sort(lines[min(1, len(lines)):])
		sections[i] = strings.Join(lines, "\n")
	}
	slices.Sort(sections) // hivexregedit has an order of keys of its own
	return slices.DeleteFunc(sections, func(s string) bool { return s == "" })
}

func unitBytes(s string) string {
	var list []string
	for _, u := range utf16.Encode([]rune(s)) {
		list = append(list, fmt.Sprintf("%02x,%02x", u&0xff, u>>8))
	}
	return strings.Join(list, ",")
}

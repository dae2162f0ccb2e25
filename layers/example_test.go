package layers_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
)

const day nt.Filetime = 133485408000000000 // 2024-01-01

// sampleLayer is a layer with two mistakes: it spells a directory in another case than the layers below it, and its
// registry delta is no hive.
func sampleLayer() io.Reader {
	var tar bytes.Buffer
	w := layers.NewWriter(&tar)
	for _, e := range []*layers.Entry{
		{Name: "Files", Kind: layers.Dir},
		{Name: "Files/windows", Kind: layers.Dir, SD: nt.DefaultDirSD()},
		{Name: "Hives", Kind: layers.Dir},
		{Name: "Hives/System_Delta", Size: 5},
	} {
		e.Created, e.Modified, e.Accessed, e.Changed = day, day, day, day
		if err := w.WriteEntry(e, strings.NewReader("hello"[:e.Size])); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return &tar
}

// Judge a layer together with what only others know: the layers below it, and what a registry hive must be.
func ExampleValidation() {
	check := layers.Validation{
		Lower: func(name string) *layers.Entry { // a View's Lookup, in earnest
			if nt.EqualFold(name, "Files/Windows") {
				return &layers.Entry{Name: "Files/Windows", Kind: layers.Dir, Attributes: layers.DefaultDir, SD: nt.DefaultDirSD()}
			}
			return nil
		},
		Hive: func(name string, size int64, content io.Reader) ([]layers.Finding, error) {
			b, err := io.ReadAll(content)
			if err != nil {
				return nil, err
			}
			var found []layers.Finding
			for _, f := range hives.Check(bytes.NewReader(b), size) {
				found = append(found, layers.Finding{Severity: layers.Error, Rule: "hive", Problem: f.Message, Remedy: "write a sound hive"})
			}
			return found, nil
		},
	}
	found, err := check.Run(sampleLayer())
	if err != nil {
		panic(err)
	}
	for _, f := range found {
		fmt.Println(f.Severity, f.Rule, f.Entry)
	}
	// Output:
	// warning case-differs Files/windows
	// error hive Hives/System_Delta
	// warning partial-deltas Hives
}

package reg

import (
	"slices"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/regfile"
)

// Apply carries out a .reg file. The roots above the hives, which stand in an export of
// all, are there already.
func Apply(r *hives.Registry, sections []regfile.Section) error {
	return regfile.Apply(r, slices.DeleteFunc(slices.Clone(sections), func(s regfile.Section) bool {
		return len(s.Values) == 0 && !s.Delete && !strings.Contains(s.Path, `\`)
	}))
}

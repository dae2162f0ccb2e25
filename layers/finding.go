package layers

import (
	"fmt"
	"maps"
	"slices"
)

// Severity grades a Finding.
type Severity uint8

// The severities.
const (
	Warning Severity = iota // Windows accepts it, but not as its author will expect
	Error                   // Windows refuses it, or drops or changes something
)

// String returns "warning" or "error".
func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// Finding is one thing that is wrong with a layer.
type Finding struct {
	Severity Severity
	Rule     string // a short stable name, such as "missing-parent"
	Entry    string // the tar name of the entry, empty if the layer as a whole is meant
	Problem  string // what is wrong, in lower case
	Remedy   string // what to do about it
}

// String returns the finding as one line.
func (f Finding) String() string {
	where := f.Entry
	if where == "" {
		where = "layer"
	}
	return fmt.Sprintf("%s: %s: %s (%s): %s", f.Severity, where, f.Problem, f.Rule, f.Remedy)
}

// findings collects what is found, at most perRule of each rule: a layer can have a million entries with one mistake.
type findings struct {
	list  []Finding
	count map[string]int
}

const (
	perRule      = 100
	maxEntryText = 1024 // bytes of a name that a finding keeps
)

func (f *findings) add(severity Severity, rule, entry, problem, remedy string) {
	if f.count == nil {
		f.count = map[string]int{}
	}
	if f.count[rule]++; f.count[rule] <= perRule {
		f.list = append(f.list, Finding{severity, rule, clip(entry, maxEntryText), problem, remedy})
	}
}

// all returns the findings, and one more for each rule that had too many.
func (f *findings) all() []Finding {
	list := slices.Clone(f.list)
	for _, rule := range slices.Sorted(maps.Keys(f.count)) {
		if more := f.count[rule] - perRule; more > 0 {
			first := list[slices.IndexFunc(list, func(x Finding) bool { return x.Rule == rule })]
			list = append(list, Finding{first.Severity, rule, "", fmt.Sprintf("%d more like %q", more, first.Entry), first.Remedy})
		}
	}
	return list
}

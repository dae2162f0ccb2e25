package view

import (
	"cmp"
	"slices"
	"sync"

	"github.com/mullion/mullion/layers"
)

// maxFindings bounds the findings that are kept of one View.
const maxFindings = 1000

// Finding is one thing in a layer that a View had to leave out or guess.
type Finding struct {
	Layer int // counted from the base
	layers.Finding
	item int32
}

// findings collects them as directories are merged, which several goroutines may cause.
type findings struct {
	mu   sync.Mutex
	list []Finding
}

func (f *findings) add(layer int, item int32, e *layers.Entry, severity layers.Severity, rule, problem, remedy string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) < maxFindings {
		one := layers.Finding{Severity: severity, Rule: rule, Entry: e.Name, Problem: problem, Remedy: remedy}
		f.list = append(f.list, Finding{layer, one, item})
	}
}

// find adds an error about an item.
func (m *merge) find(layer int, item int32, rule, problem, remedy string) {
	m.found.add(layer, item, &m.layers[layer].items[item].Entry, layers.Error, rule, problem, remedy)
}

// Findings returns what was left out or guessed, at most a thousand, in the order of the layers and of what they hold.
// It merges the whole tree.
func (v *View) Findings() []Finding {
	_ = v.Walk(func(*File) error { return nil })
	v.merged.found.mu.Lock()
	defer v.merged.found.mu.Unlock()
	list := slices.Clone(v.merged.found.list)
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.item, b.item), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Problem, b.Problem))
	})
	return list
}

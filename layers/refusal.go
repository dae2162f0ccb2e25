package layers

import (
	"errors"
	"fmt"
)

// Refusal is the error of an entry that no layer may hold: its name leads out of the layer or cannot be on a Windows
// volume, or its data cannot be what they claim. Who wants a good layer stops at it; Validate lists it and goes on.
type Refusal struct{ Finding }

// Error names the entry, what is wrong with it and the way out.
func (r *Refusal) Error() string {
	return fmt.Sprintf("layer entry %q: %s; %s", r.Entry, r.Problem, r.Remedy)
}

func refuse(rule, remedy, format string, args ...any) error {
	return &Refusal{Finding{Severity: Error, Rule: rule, Problem: fmt.Sprintf(format, args...), Remedy: remedy}}
}

// named gives a Refusal the name of the entry it is about.
func named(err error, name string) error {
	if r, ok := errors.AsType[*Refusal](err); ok {
		r.Entry = shorten(name)
		return r
	}
	return fmt.Errorf("layer entry %q: %w", shorten(name), err)
}

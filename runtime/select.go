package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ParseIsolation reads the value of an --isolation flag; "" and "default" are
// docker's names for [AutoIsolation].
func ParseIsolation(s string) (Isolation, error) {
	switch Isolation(s) {
	case ProcessIsolation, HyperVIsolation, AutoIsolation:
		return Isolation(s), nil
	case "", "default":
		return AutoIsolation, nil
	}
	return "", fmt.Errorf("isolation %q: want process, hyperv or auto", s)
}

// Select picks the Runtime that starts a container with the isolation want, and
// says in a few words why it is that one. [AutoIsolation] takes process isolation if its
// Probe passes, else hyperv. When none fits, the error holds the sentence of
// every Probe asked.
func Select(ctx context.Context, want Isolation, have ...Runtime) (Runtime, string, error) {
	order := []Isolation{want}
	if want == AutoIsolation {
		order = []Isolation{ProcessIsolation, HyperVIsolation}
	}
	var refused []error
	for _, iso := range order {
		for _, r := range have {
			if r.Isolation() != iso {
				continue
			}
			err := r.Probe(ctx)
			if err == nil {
				return r, reason(want, r, refused), nil
			}
			if ctx.Err() != nil {
				return nil, "", ctx.Err()
			}
			refused = append(refused, fmt.Errorf("%s isolation (%s): %w", iso, r.Name(), err))
		}
	}
	if len(have) == 0 {
		return nil, "", errors.New("containers start on Linux and Windows only; here Mullion builds, pushes and pulls")
	}
	if len(refused) == 0 {
		return nil, "", fmt.Errorf("no runtime for %s isolation on this system", want)
	}
	return nil, "", errors.Join(refused...)
}

func reason(want Isolation, r Runtime, refused []error) string {
	if want != AutoIsolation {
		return fmt.Sprintf("%s isolation by %s, as asked", r.Isolation(), r.Name())
	}
	why := "its requirements are met"
	if len(refused) > 0 {
		why = "because " + strings.ReplaceAll(errors.Join(refused...).Error(), "\n", "; ")
	}
	return fmt.Sprintf("%s isolation by %s: %s", r.Isolation(), r.Name(), why)
}

package container

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Restart says when a supervisor starts its program again after it has ended by
// itself. A program that somebody stopped or killed stays so, and a supervisor that
// is killed, or ends with the machine, starts nothing.
type Restart struct {
	// Policy is "" or "no", "on-failure" or "always".
	Policy string `json:"policy,omitempty"`
	// Most is how often, with on-failure; 0 is without end.
	Most int `json:"most,omitempty"`
}

const (
	restartNo        = "no"
	restartOnFailure = "on-failure"
	restartAlways    = "always"
)

// ParseRestart reads the value of a --restart flag: no, on-failure[:N], always, or
// docker's unless-stopped, which without a daemon is the same as always.
func ParseRestart(s string) (Restart, error) {
	policy, most, has := strings.Cut(s, ":")
	r := Restart{Policy: policy}
	if has {
		n, err := strconv.Atoi(most)
		if err != nil || n < 0 || policy != restartOnFailure {
			return Restart{}, fmt.Errorf("restart %q: a number goes with on-failure only, as in on-failure:3", s)
		}
		r.Most = n
	}
	switch policy {
	case "", restartNo:
		return Restart{}, nil
	case "unless-stopped":
		r.Policy = restartAlways
	case restartAlways, restartOnFailure:
	default:
		return Restart{}, fmt.Errorf("restart %q: want no, on-failure[:N] or always", s)
	}
	return r, nil
}

// again tells whether a program is started again that has ended so, after it was
// as often as done.
func (r Restart) again(exit *uint32, done int) bool {
	switch r.Policy {
	case restartAlways:
		return true
	case restartOnFailure:
		return (exit == nil || *exit != 0) && (r.Most == 0 || done < r.Most)
	}
	return false
}

// Between two starts passes a tenth of a second at first, doubled each time up to a
// minute; a program that had run for a while begins anew.
const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = time.Minute
	longRun    = 10 * time.Second
)

func nextDelay(last, ran time.Duration) time.Duration {
	if last == 0 || ran >= longRun {
		return firstDelay
	}
	return min(2*last, lastDelay)
}

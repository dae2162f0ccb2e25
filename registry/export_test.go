package registry

import (
	"context"
	"time"
)

// Pauses is how often a request is tried again at most.
var Pauses = len(pauses())

// ParseContentRange is parseContentRange.
var ParseContentRange = parseContentRange

// NewForTest makes a client that does not wait between tries, but tells slept
// how long it would have, and that gives up stalled requests after stall.
func NewForTest(o Options, stall time.Duration, slept func(time.Duration)) *Client {
	c := New(o)
	c.stall = stall
	c.sleep = func(ctx context.Context, d time.Duration) error {
		if slept != nil {
			slept(d)
		}
		return ctx.Err()
	}
	return c
}

package store

import (
	"context"
	"fmt"
	"time"

	"github.com/gofrs/flock"
)

// lockMode is how the lock of the store is held.
type lockMode bool

const (
	shared    lockMode = false // blobs and leases come
	exclusive lockMode = true  // index.json changes, or blobs go
)

// lockPoll is how often a taken lock is tried again.
const lockPoll = 5 * time.Millisecond

// lock takes the lock of the store against other processes and other goroutines. It is held briefly by all but Prune.
func (s *Store) lock(ctx context.Context, mode lockMode) (unlock func(), err error) {
	l := flock.New(s.path(lockFile), flock.SetPermissions(0o644))
	if mode == exclusive {
		_, err = l.TryLockContext(ctx, lockPoll)
	} else {
		_, err = l.TryRLockContext(ctx, lockPoll)
	}
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("lock store %s: %w", s.dir, err)
	}
	if err := adopt(s.path(lockFile)); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("lock store %s: %w", s.dir, err)
	}
	return func() { _ = l.Unlock() }, nil
}

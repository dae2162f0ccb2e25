package store

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
)

// A lease is two files: ID.lock, locked as long as its Store lives, and ID with a line for each shielded digest. They
// are two because Windows does not let a locked file be written to.
const leaseLock = ".lock"

// lease is a Store's own. The zero value is one not taken yet.
type lease struct {
	mu     sync.Mutex
	id     string
	lock   *flock.Flock
	list   *os.File
	has    map[digest.Digest]bool
	serial int // of the files in ingest
}

// take makes the files of the lease. The caller holds mu and the shared lock, so that Prune sees all of it or nothing.
func (l *lease) take(s *Store) error {
	if l.lock != nil {
		return nil
	}
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	id := hex.EncodeToString(random[:])
	path := s.path(leaseDir, id)
	lock := flock.New(path+leaseLock, flock.SetPermissions(0o644))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return fmt.Errorf("take lease: %w", errors.Join(err, lock.Close()))
	}
	list, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err == nil {
		err = errors.Join(adopt(path), adopt(path+leaseLock))
	}
	if err != nil {
		return fmt.Errorf("take lease: %w", errors.Join(err, lock.Close()))
	}
	l.id, l.lock, l.list, l.has = id, lock, list, map[digest.Digest]bool{}
	return nil
}

// add shields d. The caller holds the shared lock.
func (l *lease) add(s *Store, d digest.Digest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.has[d] {
		return nil
	}
	if err := l.take(s); err != nil {
		return err
	}
	if _, err := l.list.WriteString(string(d) + "\n"); err != nil {
		return fmt.Errorf("extend lease: %w", err)
	}
	l.has[d] = true
	return nil
}

func (l *lease) shields(d digest.Digest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.has[d]
}

// file names a new file in ingest that belongs to the lease.
func (l *lease) file(s *Store) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.take(s); err != nil {
		return "", err
	}
	l.serial++
	return s.path(ingestDir, fmt.Sprintf("%s-%d", l.id, l.serial)), nil
}

func (l *lease) end() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lock == nil {
		return nil
	}
	path := strings.TrimSuffix(l.lock.Path(), leaseLock)
	err := errors.Join(l.list.Close(), l.lock.Close(), os.Remove(path), os.Remove(path+leaseLock))
	l.id, l.lock, l.list, l.has = "", nil, nil, nil
	return err
}

// temp makes a file in ingest, which Prune removes if the process dies.
func (s *Store) temp(ctx context.Context) (*os.File, error) {
	unlock, err := s.lock(ctx, shared)
	if err != nil {
		return nil, err
	}
	defer unlock()
	name, err := s.lease.file(s)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := adopt(name); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(name))
	}
	return f, nil
}

// leases returns what living processes shield, and which leases are alive and dead. The caller holds the exclusive lock.
func (s *Store) leases() (shielded []digest.Digest, alive, dead []string, err error) {
	names, err := os.ReadDir(s.path(leaseDir))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read leases: %w", err)
	}
	for _, name := range names {
		id, ok := strings.CutSuffix(name.Name(), leaseLock)
		if !ok {
			continue
		}
		probe := flock.New(s.path(leaseDir, name.Name()))
		free, err := probe.TryLock()
		if err != nil {
			return nil, nil, nil, fmt.Errorf("read lease: %w", errors.Join(err, probe.Close()))
		}
		if err := probe.Close(); err != nil {
			return nil, nil, nil, fmt.Errorf("read lease: %w", err)
		}
		if free {
			dead = append(dead, id)
			continue
		}
		alive = append(alive, id)
		list, err := readLease(s.path(leaseDir, id))
		if err != nil {
			return nil, nil, nil, fmt.Errorf("read lease: %w", err)
		}
		shielded = append(shielded, list...)
	}
	return shielded, alive, dead, nil
}

func readLease(path string) ([]digest.Digest, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // its end has begun
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []digest.Digest
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		list = append(list, digest.Digest(lines.Text()))
	}
	return list, lines.Err()
}

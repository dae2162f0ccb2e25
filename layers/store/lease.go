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
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
)

// A lease is two files: ID.lock, locked as long as its Store lives, and ID with a line for each shielded digest or path
// of derived data. They are two because Windows does not let a locked file be written to.
const leaseLock = ".lock"

// derivedLine begins the line of a path of derived data.
const derivedLine = derivedDir + "/"

// maxPaths is how many paths of a kind of derived data a lease lists; then it shields the kind as a whole.
const maxPaths = 1024

// lease is a Store's own. The zero value is one not taken yet.
type lease struct {
	mu     sync.Mutex
	id     string
	lock   *flock.Flock
	list   *os.File
	has    map[string]bool // the lines
	paths  map[string]int  // by kind, how many of them are paths of derived data
	serial int             // of the files in ingest
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
	file := s.path(leaseDir, id)
	lock := flock.New(file+leaseLock, flock.SetPermissions(0o644))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return fmt.Errorf("take lease: %w", errors.Join(err, lock.Close()))
	}
	list, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err == nil {
		err = errors.Join(adopt(file), adopt(file+leaseLock))
	}
	if err != nil {
		return fmt.Errorf("take lease: %w", errors.Join(err, lock.Close()))
	}
	l.id, l.lock, l.list, l.has, l.paths = id, lock, list, map[string]bool{}, map[string]int{}
	return nil
}

// add shields d. The caller holds the shared lock.
func (l *lease) add(s *Store, d digest.Digest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write(s, string(d))
}

// write adds a line. The caller holds mu and the shared lock.
func (l *lease) write(s *Store, line string) error {
	if l.has[line] {
		return nil
	}
	if err := l.take(s); err != nil {
		return err
	}
	// The first line end closes a line that a full disk cut short.
	if _, err := l.list.WriteString("\n" + line + "\n"); err != nil {
		return fmt.Errorf("extend lease: %w", explainFull(s.dir, 0, err))
	}
	l.has[line] = true
	return nil
}

func (l *lease) shields(d digest.Digest) bool { return l.holds(string(d)) }

func (l *lease) holds(line string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.has[line]
}

// use shields a path of derived data.
func (l *lease) use(s *Store, kind string, elem ...string) error {
	whole := derivedLine + kind
	line := path.Join(append([]string{whole}, elem...)...)
	if l.holds(whole) || l.holds(line) {
		return nil
	}
	unlock, err := s.lock(context.Background(), shared)
	if err != nil {
		return err
	}
	defer unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paths[kind] >= maxPaths {
		line = whole
	}
	if err := l.write(s, line); err != nil {
		return err
	}
	l.paths[kind]++
	return nil
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
	file := strings.TrimSuffix(l.lock.Path(), leaseLock)
	err := errors.Join(l.list.Close(), l.lock.Close(), os.Remove(file), os.Remove(file+leaseLock))
	l.id, l.lock, l.list, l.has, l.paths = "", nil, nil, nil, nil
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

// leases are those of all processes.
type leases struct {
	digests     []digest.Digest // that living processes shield
	derived     []string        // paths of derived data, kind first, that they do
	alive, dead []string        // names
}

// leases reads the leases. The caller holds the exclusive lock.
func (s *Store) leases() (*leases, error) {
	names, err := os.ReadDir(s.path(leaseDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	all := &leases{}
	for _, name := range names {
		id, ok := strings.CutSuffix(name.Name(), leaseLock)
		if !ok {
			continue
		}
		probe := flock.New(s.path(leaseDir, name.Name()))
		free, err := probe.TryLock()
		if err = errors.Join(err, probe.Close()); err != nil {
			return nil, fmt.Errorf("read lease: %w", err)
		}
		if free {
			all.dead = append(all.dead, id)
			continue
		}
		all.alive = append(all.alive, id)
		if err := all.read(s.path(leaseDir, id)); err != nil {
			return nil, fmt.Errorf("read lease: %w", err)
		}
	}
	return all, nil
}

// read adds what a lease shields.
func (a *leases) read(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its end has begun
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if rel, ok := strings.CutPrefix(line, derivedLine); ok {
			a.derived = append(a.derived, rel)
		} else if d := digest.Digest(line); checkDigest(d) == nil {
			a.digests = append(a.digests, d)
		}
	}
	return lines.Err()
}

// uses reports whether a living process works with the derived data at rel, such as "wine/12ab": with it, what lies below
// it or a folder that it lies in.
func (a *leases) uses(rel string) bool {
	return slices.ContainsFunc(a.derived, func(x string) bool {
		return x == rel || strings.HasPrefix(rel, x+"/") || strings.HasPrefix(x, rel+"/")
	})
}

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// broken stands for the owner of the bytes of blobs whose coming was broken off.
const broken = "broken"

// Resume begins the blob want as Ingest does, with the bytes of it that came before somebody broke off, or was killed, and
// which they began by Resume too. They are hashed once more; have is how many they are. Prune removes such bytes.
func (s *Store) Resume(ctx context.Context, want ocispec.Descriptor) (i *Ingest, have int64, err error) {
	if err := checkDigest(want.Digest); err != nil {
		return nil, 0, err
	}
	if i, err = s.Ingest(ctx); err != nil {
		return nil, 0, err
	}
	if err := i.takeOver(want); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("go on with blob %s: %w", want.Digest, err), i.Abort())
	}
	return i, i.size, nil
}

// takeOver makes the longest of the abandoned beginnings of want this Ingest's file, and gives the file a name that tells
// others what it is the beginning of.
func (i *Ingest) takeOver(want ocispec.Descriptor) error {
	unlock, err := i.store.lock(i.ctx, exclusive)
	if err != nil {
		return err
	}
	defer unlock()
	old, err := i.store.abandoned(want)
	if err != nil {
		return err
	}
	i.part = "-" + want.Digest.Encoded()
	name := i.file.Name() + i.part
	if old == "" {
		// Windows renames no open file.
		if err := errors.Join(i.file.Close(), os.Rename(i.file.Name(), name)); err != nil {
			return err
		}
	} else if err := errors.Join(i.file.Close(), os.Rename(old, name), os.Remove(i.file.Name())); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	i.file = f
	i.size, err = io.Copy(i.hash, &contextReader{i.ctx, f})
	return err
}

// abandoned finds the longest file that holds the beginning of a blob and that no living process writes, "" for none. The
// caller holds the exclusive lock.
func (s *Store) abandoned(want ocispec.Descriptor) (path string, err error) {
	names, err := readDir(s.path(ingestDir))
	if err != nil {
		return "", err
	}
	names = slices.DeleteFunc(names, func(n fs.DirEntry) bool { return !strings.HasSuffix(n.Name(), "-"+want.Digest.Encoded()) })
	if len(names) == 0 {
		return "", nil
	}
	leases, err := s.leases()
	if err != nil {
		return "", err
	}
	var most int64
	for _, n := range names {
		owner, _, _ := strings.Cut(n.Name(), "-")
		info, err := n.Info()
		if err != nil || slices.Contains(leases.alive, owner) || !info.Mode().IsRegular() {
			continue
		}
		if info.Size() > most && info.Size() <= want.Size {
			most, path = info.Size(), s.path(ingestDir, n.Name())
		}
	}
	return path, nil
}

// Suspend ends the writing of what Resume began, for another Resume to go on with. Otherwise it is Abort.
func (i *Ingest) Suspend() error {
	if i.file == nil || i.part == "" || i.size == 0 {
		return i.Abort()
	}
	name := i.file.Name()
	err := i.file.Close()
	i.file = nil
	return errors.Join(err, os.Rename(name, i.store.path(ingestDir, broken+i.part)))
}

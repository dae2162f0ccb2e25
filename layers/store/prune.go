package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Prune removes the blobs that no tag, no living lease and no digest in keep leads to, the files of processes that died,
// and what is derived of removed layers. It returns the bytes freed; with dryRun it removes nothing and returns what it
// would free. It fails, with nothing removed, if an image cannot be read, as it may lead to more.
func (s *Store) Prune(ctx context.Context, dryRun bool, keep ...digest.Digest) (freed int64, err error) {
	unlock, err := s.lock(ctx, exclusive)
	if err != nil {
		return 0, err
	}
	defer unlock()
	shielded, alive, dead, err := s.leases()
	if err != nil {
		return 0, fmt.Errorf("prune: %w", err)
	}
	live, err := s.reachable(ctx, slices.Concat(shielded, keep))
	if err != nil {
		return 0, fmt.Errorf("prune: %w", err)
	}
	doomed, err := s.doomed(live, alive, dead)
	if err != nil {
		return 0, fmt.Errorf("prune: %w", err)
	}
	for _, path := range doomed {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return freed, fmt.Errorf("prune: %w", err)
		}
		if !dryRun {
			if err := os.Remove(path); err != nil {
				return freed, fmt.Errorf("prune: %w", err)
			}
		}
		freed += info.Size()
	}
	return freed, nil
}

// reachable returns all that the index and more lead to. Blobs that are not there lead nowhere; those of more may be of
// any kind.
func (s *Store) reachable(ctx context.Context, more []digest.Digest) (map[digest.Digest]bool, error) {
	index, err := s.index()
	if err != nil {
		return nil, err
	}
	live := map[digest.Digest]bool{}
	queue := index.Manifests
	for _, d := range more {
		queue = append(queue, ocispec.Descriptor{Digest: d, MediaType: s.typeOf(ctx, d)})
	}
	for len(queue) > 0 {
		d := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if live[d.Digest] {
			continue
		}
		live[d.Digest] = true
		d.Size = 0 // what the bytes lead to counts, whatever size another manifest claims
		children, err := s.children(ctx, d)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		queue = append(queue, children...)
	}
	return live, nil
}

// typeOf returns the media type of a blob if it is a manifest or an index.
func (s *Store) typeOf(ctx context.Context, d digest.Digest) string {
	b, err := s.ReadBlob(ctx, ocispec.Descriptor{Digest: d}, maxManifest)
	if err != nil {
		return ""
	}
	return manifestType(b)
}

// doomed returns the files that nothing needs.
func (s *Store) doomed(live map[digest.Digest]bool, alive, dead []string) ([]string, error) {
	var list []string
	add := func(dir string, gone func(name string) bool) error {
		names, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, n := range names {
			if n.Type().IsRegular() && gone(n.Name()) {
				list = append(list, filepath.Join(dir, n.Name()))
			}
		}
		return nil
	}
	unused := func(name string) bool { return !live[digest.NewDigestFromEncoded(digest.SHA256, name)] }
	err := errors.Join(
		add(s.path(blobDir), unused),
		add(s.path(derivedDir, "toc"), unused),
		add(s.path(derivedDir, "damaged"), unused),
		add(s.path(ingestDir), func(name string) bool {
			owner, _, _ := strings.Cut(name, "-")
			return !slices.Contains(alive, owner)
		}),
		add(s.path(leaseDir), func(name string) bool { return slices.Contains(dead, strings.TrimSuffix(name, leaseLock)) }),
	)
	return list, err
}

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The version of the store's own files. A store of another version is refused, not guessed at.
const (
	versionFile = "mullion-version"
	version     = "1"
)

// Folders and files of a store.
const (
	blobDir    = "blobs/sha256"
	ingestDir  = "ingest"
	leaseDir   = "leases"
	derivedDir = "derived"
	lockFile   = "lock"
)

// Store is a folder of images. Its methods may be used from many goroutines, and many processes may open one folder.
type Store struct {
	dir   string
	lease lease
}

// Open opens the store in dir and makes it if there is none. A folder of other things, or of another version of the
// store, is refused. A store that cannot be written to can be opened for reading.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{dir: dir}
	switch b, err := os.ReadFile(s.path(versionFile)); {
	case err == nil && strings.TrimSpace(string(b)) == version:
		return s, nil
	case err == nil:
		return nil, fmt.Errorf("open store %s: it has format version %.20q, and this program knows %s: use the program that made it, or another --store",
			dir, strings.TrimSpace(string(b)), version)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := s.create(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	return s, nil
}

// create makes a store of an empty or absent folder, or of an image layout that others made.
func (s *Store) create() error {
	names, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, err = os.Stat(s.path(ocispec.ImageLayoutFile))
	foreign := err == nil
	if !foreign && len(names) > 0 && !s.begun(names) {
		return errors.New("the folder holds other things and no image layout")
	}
	err = s.fill()
	if foreign && (errors.Is(err, fs.ErrPermission) || isReadOnly(err)) {
		return nil // it can be read as it is
	}
	return err
}

// begun reports whether names are but what another process makes at this moment.
func (s *Store) begun(names []os.DirEntry) bool {
	for _, n := range names {
		switch strings.TrimSuffix(n.Name(), newSuffix) {
		case "blobs", ingestDir, leaseDir, derivedDir, lockFile, ocispec.ImageIndexFile, ocispec.ImageLayoutFile, versionFile:
		default:
			return false
		}
	}
	return true
}

func (s *Store) fill() error {
	for _, d := range []string{blobDir, ingestDir, leaseDir, derivedDir} {
		if err := makeDirs(s.path(d)); err != nil {
			return err
		}
	}
	unlock, err := s.lock(context.Background(), exclusive)
	if err != nil {
		return err
	}
	defer unlock()
	layout, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	index, err := json.Marshal(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{},
	})
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{ocispec.ImageIndexFile, index}, {ocispec.ImageLayoutFile, layout}, {versionFile, []byte(version + "\n")}} {
		if _, err := os.Stat(s.path(f.name)); err == nil {
			continue
		}
		if err := replaceFile(s.path(f.name), f.data); err != nil {
			return err
		}
	}
	return nil
}

// Dir returns the absolute path of the store.
func (s *Store) Dir() string { return s.dir }

// Close ends the lease: what this Store put and nobody tagged is then free for Prune. The Store can be used on.
func (s *Store) Close() error { return s.lease.end() }

// Derived returns the path of data of the named kind, such as "toc" or "disk", that is kept beside the blobs; elem are
// joined to it. The folders leading to it are made, its last element is not, as it may be a file. The kind "containers"
// is for data that cannot be made again and lies outside of the derived data.
func (s *Store) Derived(kind string, elem ...string) string {
	path := s.path(derivedDir, kind)
	if kind == "containers" {
		path = s.path(kind)
	}
	dir := path
	if len(elem) > 0 {
		path = filepath.Join(append([]string{path}, elem...)...)
		dir = filepath.Dir(path)
	}
	// What cannot be made is reported by whoever opens a file there, with the path.
	_ = makeDirs(dir)
	return path
}

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

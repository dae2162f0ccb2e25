package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The version of the store's own files. A folder without the file is version 0: an image layout that others made, or an
// empty folder.
const (
	versionFile = "mullion-version"
	version     = 1
)

// Folders and files of a store.
const (
	blobDir    = "blobs/sha256"
	ingestDir  = "ingest"
	leaseDir   = "leases"
	derivedDir = "derived"
	remoteDir  = "remote"
	asideDir   = "aside"
	lockFile   = "lock"
)

// Store is a folder of images. Its methods may be used from many goroutines, and many processes may open one folder.
type Store struct {
	dir     string
	lease   lease
	fetcher Fetcher // nil: absent blobs stay absent
}

// Open opens the store in dir and makes it if there is none. A store of an older version is brought to this one, that of
// a newer one is refused, and so is a folder of other things. A store that cannot be written to can be opened for reading.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{dir: dir}
	has, err := s.version()
	switch {
	case err != nil:
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	case has > version:
		return nil, fmt.Errorf("open store %s: it has format version %d, and this program knows %d: use the newer program that made it, "+
			"or another --store, into which \"build load -i %s\" copies its images", dir, has, version, dir)
	case has < version:
		if err := s.upgrade(has); err != nil {
			return nil, fmt.Errorf("open store %s: %w", dir, explainFull(dir, 0, err))
		}
	}
	return s, nil
}

// version returns the format version of the store, 0 if it has none.
func (s *Store) version() (int, error) {
	b, err := os.ReadFile(s.path(versionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || v < 1 {
		return 0, fmt.Errorf("%s holds %.20q, which is no version: if a crash spoilt it, remove that file", versionFile, b)
	}
	return v, nil
}

// upgrade brings a store of an older version to this one. Each step bears being done again, as a process may die in it,
// and the last thing that a step writes is the version it leads to.
func (s *Store) upgrade(from int) error {
	steps := []func() error{s.create}
	for _, step := range steps[from:] {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
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
	if err := syncDir(s.path("blobs")); err != nil {
		return err
	}
	_ = syncDir(filepath.Dir(s.dir)) // which may not be ours to open
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
	}{{ocispec.ImageIndexFile, index}, {ocispec.ImageLayoutFile, layout}, {versionFile, fmt.Appendln(nil, version)}} {
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

// containersKind is the kind of data that is not derived but kept like it.
const containersKind = "containers"

// Derived returns the path of data of the named kind, such as "toc" or "disk", that is kept beside the blobs; elem are
// joined to it. The folders leading to it are made, its last element is not, as it may be a file. The lease of this Store
// shields what lies at and below the path from Prune. A file or folder there whose name begins with "tmp-" or a dot is
// taken for one being made, and for rubbish if no living process has asked for data of that kind. The kind "containers"
// is for data that cannot be made again and lies outside of the derived data.
func (s *Store) Derived(kind string, elem ...string) string {
	path := s.path(derivedDir, kind)
	if kind == containersKind {
		path = s.path(kind)
	}
	dir := path
	if len(elem) > 0 {
		path = filepath.Join(append([]string{path}, elem...)...)
		dir = filepath.Dir(path)
	}
	if kind != containersKind {
		// A store only to read from is one that nobody prunes.
		_ = s.lease.use(s, kind, elem...)
	}
	// What cannot be made is reported by whoever opens a file there, with the path.
	_ = makeDirs(dir)
	return path
}

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

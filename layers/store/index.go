package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxIndex bounds index.json; a hundred thousand tags need less.
const maxIndex = 64 << 20

// minPrefix is the least number of hexadecimal digits that may stand for a digest.
const minPrefix = 6

// Tagged is a descriptor and its name in the store, such as "hello:latest".
type Tagged struct {
	Name string
	Desc ocispec.Descriptor
}

// Tag gives d a name, taking it from whatever had it. The blob of d must be in the store, and all that it leads to there or
// recorded, but for images that an index merely lists and layers that lie at a URL: no name is ever one of half an image.
func (s *Store) Tag(ctx context.Context, name string, d ocispec.Descriptor) error {
	if name == "" || len(name) > 1024 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("tag %.100q: not a name", name)
	}
	if err := checkDigest(d.Digest); err != nil {
		return fmt.Errorf("tag %s: %w", name, err)
	}
	d.Annotations = maps.Clone(d.Annotations)
	if d.Annotations == nil {
		d.Annotations = map[string]string{}
	}
	d.Annotations[ocispec.AnnotationRefName] = name
	err := s.change(ctx, func(index *ocispec.Index) error {
		info, err := os.Stat(s.blobPath(d.Digest))
		if err != nil {
			return fmt.Errorf("blob %s is not in the store: %w", d.Digest, fs.ErrNotExist)
		}
		d.Size = info.Size()
		if err := s.usable(ctx, d); err != nil {
			return err
		}
		if i := slices.IndexFunc(index.Manifests, named(name)); i >= 0 {
			index.Manifests[i] = d
		} else {
			index.Manifests = append(index.Manifests, d)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("tag %s: %w", name, err)
	}
	return nil
}

// usable reports what of the image d is neither here nor recorded.
func (s *Store) usable(ctx context.Context, d ocispec.Descriptor) error {
	absent, err := s.Absent(ctx, d)
	if err != nil {
		return err
	}
	absent = slices.DeleteFunc(absent, func(a ocispec.Descriptor) bool { return s.knows(a.Digest) })
	if len(absent) > 0 {
		return &MissingError{Image: d.Digest, Blobs: absent}
	}
	return nil
}

// Untag removes a name. What it named stays until Prune. The error matches fs.ErrNotExist if nothing has the name.
func (s *Store) Untag(ctx context.Context, name string) error {
	err := s.change(ctx, func(index *ocispec.Index) error {
		before := len(index.Manifests)
		if index.Manifests = slices.DeleteFunc(index.Manifests, named(name)); len(index.Manifests) == before {
			return fmt.Errorf("not in the store: %w", fs.ErrNotExist)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("untag %s: %w", name, err)
	}
	return nil
}

func named(name string) func(ocispec.Descriptor) bool {
	return func(d ocispec.Descriptor) bool { return d.Annotations[ocispec.AnnotationRefName] == name }
}

// Tags returns all names, sorted.
func (s *Store) Tags(ctx context.Context) ([]Tagged, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	index, err := s.index()
	if err != nil {
		return nil, err
	}
	var list []Tagged
	for _, d := range index.Manifests {
		if name := d.Annotations[ocispec.AnnotationRefName]; name != "" {
			list = append(list, Tagged{name, untitled(d)})
		}
	}
	slices.SortStableFunc(list, func(a, b Tagged) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// untitled returns d without the annotation that names it here.
func untitled(d ocispec.Descriptor) ocispec.Descriptor {
	d.Annotations = maps.Clone(d.Annotations)
	delete(d.Annotations, ocispec.AnnotationRefName)
	if len(d.Annotations) == 0 {
		d.Annotations = nil
	}
	return d
}

// Resolve returns the descriptor of an image by its name, its digest, or at least six hexadecimal digits that only one
// image of the store begins with. What a digest names may be untagged. The error matches fs.ErrNotExist if there is none.
func (s *Store) Resolve(ctx context.Context, nameOrDigest string) (ocispec.Descriptor, error) {
	none := ocispec.Descriptor{}
	index, err := s.index()
	if err != nil {
		return none, err
	}
	if i := slices.IndexFunc(index.Manifests, named(nameOrDigest)); i >= 0 && nameOrDigest != "" {
		return untitled(index.Manifests[i]), nil
	}
	name := nameOrDigest
	if _, after, ok := strings.Cut(name, "@"); ok {
		name = after
	}
	if d := digest.Digest(name); checkDigest(d) == nil {
		return s.byDigest(ctx, index, d)
	}
	if hex := strings.TrimPrefix(name, "sha256:"); len(hex) >= minPrefix && strings.Trim(hex, "0123456789abcdef") == "" {
		return s.byPrefix(ctx, index, hex)
	}
	return none, fmt.Errorf("image %.200q is not in the store: %w", nameOrDigest, fs.ErrNotExist)
}

func (s *Store) byDigest(ctx context.Context, index *ocispec.Index, d digest.Digest) (ocispec.Descriptor, error) {
	if i := slices.IndexFunc(index.Manifests, func(m ocispec.Descriptor) bool { return m.Digest == d }); i >= 0 {
		return untitled(index.Manifests[i]), nil
	}
	b, err := s.ReadBlob(ctx, ocispec.Descriptor{Digest: d}, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return ocispec.Descriptor{}, fmt.Errorf("image %s is not in the store: %w", d, fs.ErrNotExist)
	}
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	mediaType := manifestType(b)
	if mediaType == "" {
		return ocispec.Descriptor{}, fmt.Errorf("blob %s is no image: %w", d, fs.ErrNotExist)
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(b))}, nil
}

// byPrefix looks among the images of the index and those that its own indexes list.
func (s *Store) byPrefix(ctx context.Context, index *ocispec.Index, hex string) (ocispec.Descriptor, error) {
	found := map[digest.Digest]ocispec.Descriptor{}
	collect := func(list []ocispec.Descriptor) {
		for _, d := range list {
			if strings.HasPrefix(d.Digest.Encoded(), hex) && found[d.Digest].Digest == "" {
				found[d.Digest] = untitled(d)
			}
		}
	}
	for _, d := range index.Manifests {
		if checkDigest(d.Digest) != nil {
			continue
		}
		collect([]ocispec.Descriptor{d})
		if isIndex(d.MediaType) {
			children, err := s.children(ctx, d)
			if err != nil {
				return ocispec.Descriptor{}, err
			}
			collect(slices.DeleteFunc(children, func(d ocispec.Descriptor) bool { return !s.present(d.Digest) }))
		}
	}
	switch len(found) {
	case 0:
		return ocispec.Descriptor{}, fmt.Errorf("image %s is not in the store: %w", hex, fs.ErrNotExist)
	case 1:
		for _, d := range found {
			return d, nil
		}
	}
	return ocispec.Descriptor{}, fmt.Errorf("image %s: %d images begin so: give more digits", hex, len(found))
}

// index reads index.json.
func (s *Store) index() (*ocispec.Index, error) {
	f, err := os.Open(s.path(ocispec.ImageIndexFile))
	if err != nil {
		return nil, fmt.Errorf("read store: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxIndex+1))
	if err != nil {
		return nil, fmt.Errorf("read store: %w", err)
	}
	index := &ocispec.Index{}
	if len(b) > maxIndex {
		return nil, fmt.Errorf("read store: %s is longer than %d bytes", f.Name(), maxIndex)
	}
	if err := json.Unmarshal(b, index); err != nil {
		return nil, fmt.Errorf("read store: %s is damaged: %w", f.Name(), err)
	}
	return index, nil
}

// change replaces index.json by what edit makes of it.
func (s *Store) change(ctx context.Context, edit func(*ocispec.Index) error) error {
	unlock, err := s.lock(ctx, exclusive)
	if err != nil {
		return err
	}
	defer unlock()
	index, err := s.index()
	if err != nil {
		return err
	}
	if err := edit(index); err != nil {
		return err
	}
	return s.writeIndex(index)
}

// writeIndex replaces index.json. The caller holds the exclusive lock.
func (s *Store) writeIndex(index *ocispec.Index) error {
	b, err := json.Marshal(index)
	if err != nil {
		return err
	}
	return replaceFile(s.path(ocispec.ImageIndexFile), b)
}

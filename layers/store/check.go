package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Finding is one thing that is wrong with a store.
type Finding struct {
	Object  string // a tag or a digest
	Problem string
	Remedy  string
}

// String returns the finding as one line.
func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Object, f.Problem, f.Remedy) }

const pullAgain = "pull or build the image again"

// Check reads every blob and returns what is damaged, and what is missing of the tagged images. An image that an index
// lists and that was never pulled is not missing, nor are layers that lie at a URL.
func (s *Store) Check(ctx context.Context) ([]Finding, error) {
	found, err := s.checkBlobs(ctx)
	if err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	index, err := s.index()
	if err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	c := checker{store: s, ctx: ctx, seen: map[digest.Digest]bool{}}
	for _, d := range index.Manifests {
		name := d.Annotations[ocispec.AnnotationRefName]
		if name == "" {
			name = string(d.Digest)
		}
		if err := c.image(name, d); err != nil {
			return nil, fmt.Errorf("check store: %w", err)
		}
	}
	return append(found, c.found...), nil
}

// checkBlobs hashes every file in the folder of blobs.
func (s *Store) checkBlobs(ctx context.Context) ([]Finding, error) {
	names, err := os.ReadDir(s.path(blobDir))
	if err != nil {
		return nil, err
	}
	var found []Finding
	for _, n := range names {
		d := digest.NewDigestFromEncoded(digest.SHA256, n.Name())
		if checkDigest(d) != nil || !n.Type().IsRegular() {
			found = append(found, Finding{blobDir + "/" + n.Name(), "is no blob", "remove it"})
			continue
		}
		err := s.Verify(ctx, ocispec.Descriptor{Digest: d})
		var bad *CorruptError
		switch {
		case errors.As(err, &bad):
			found = append(found, Finding{string(d), "is damaged: " + bad.Problem, pullAgain})
		case err != nil && !errors.Is(err, fs.ErrNotExist): // Prune may run beside us
			return nil, err
		}
	}
	return found, nil
}

type checker struct {
	store *Store
	ctx   context.Context
	seen  map[digest.Digest]bool
	found []Finding
}

// image looks for what the tagged descriptor d leads to.
func (c *checker) image(name string, d ocispec.Descriptor) error {
	if c.seen[d.Digest] {
		return nil
	}
	c.seen[d.Digest] = true
	if err := checkDigest(d.Digest); err != nil {
		c.found = append(c.found, Finding{name, err.Error(), pullAgain})
		return nil
	}
	info, err := os.Stat(c.store.blobPath(d.Digest))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.found = append(c.found, Finding{name, fmt.Sprintf("its blob %s is missing", d.Digest), pullAgain})
		return nil
	case err != nil:
		return err
	case !c.store.present(d.Digest):
		return nil // checkBlobs has reported the damage
	case d.Size > 0 && info.Size() != d.Size:
		c.found = append(c.found, Finding{name, fmt.Sprintf("its blob %s has %d bytes, not %d", d.Digest, info.Size(), d.Size), pullAgain})
		return nil
	}
	children, err := c.store.children(c.ctx, d)
	if err != nil {
		c.found = append(c.found, Finding{name, strings.ReplaceAll(err.Error(), "\n", " "), pullAgain})
		return nil
	}
	children = slices.DeleteFunc(children, func(x ocispec.Descriptor) bool {
		return (isIndex(d.MediaType) || isForeign(x.MediaType)) && !c.store.present(x.Digest)
	})
	for _, child := range children {
		if err := c.image(name, child); err != nil {
			return err
		}
	}
	return nil
}

// Package transfer is where the store and registries meet: it shows a store to
// the registry packages, and finds, pulls and pushes images by what people type.
package transfer

import (
	"context"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/registry"
	"github.com/mullion/mullion/registry/serve"
)

// Store shows a store as registries want to see it.
type Store struct{ S *store.Store }

var (
	_ registry.Store = Store{}
	_ serve.Store    = Store{}
)

// Has reports whether a blob is in the store.
func (s Store) Has(d digest.Digest) bool { return s.S.Has(d) }

// Open opens a blob.
func (s Store) Open(ctx context.Context, d ocispec.Descriptor) (registry.Blob, error) {
	b, err := s.S.Blob(ctx, d)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Ingest begins a blob.
func (s Store) Ingest(ctx context.Context) (registry.Ingest, error) {
	in, err := s.S.Ingest(ctx)
	if err != nil {
		return nil, err
	}
	return in, nil
}

// Resume goes on with a blob.
func (s Store) Resume(ctx context.Context, d ocispec.Descriptor) (registry.Ingest, int64, error) {
	in, have, err := s.S.Resume(ctx, d)
	if err != nil {
		return nil, 0, err
	}
	return in, have, nil
}

// Tags lists every name.
func (s Store) Tags(ctx context.Context) (map[string]ocispec.Descriptor, error) {
	list, err := s.S.Tags(ctx)
	if err != nil {
		return nil, err
	}
	tags := make(map[string]ocispec.Descriptor, len(list))
	for _, t := range list {
		tags[t.Name] = t.Desc
	}
	return tags, nil
}

// Tag gives an image a name.
func (s Store) Tag(ctx context.Context, name string, d ocispec.Descriptor) error {
	return s.S.Tag(ctx, name, d)
}

// Untag takes a name away.
func (s Store) Untag(ctx context.Context, name string) error { return s.S.Untag(ctx, name) }

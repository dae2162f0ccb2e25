package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Docker's media types of what OCI has too.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
)

const (
	maxManifest = 4 << 20 // what registries accept for a manifest
	maxConfig   = 8 << 20 // bytes of the config of an image
	maxDepth    = 4       // of indexes in indexes
)

func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == dockerList
}

func isManifest(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageManifest || mediaType == dockerManifest
}

// isForeign tells layers that lie at a URL and that nobody must store.
func isForeign(mediaType string) bool {
	return strings.Contains(mediaType, ".nondistributable.") || strings.Contains(mediaType, ".foreign.")
}

// references are the fields of manifests and indexes that lead to other blobs.
type references struct {
	MediaType string               `json:"mediaType"`
	Manifests []ocispec.Descriptor `json:"manifests"`
	Config    *ocispec.Descriptor  `json:"config"`
	Layers    []ocispec.Descriptor `json:"layers"`
}

// manifestType returns the media type of a manifest or an index by its content, "" if b is neither.
func manifestType(b []byte) string {
	var r references
	switch err := json.Unmarshal(b, &r); {
	case err != nil:
		return ""
	case isManifest(r.MediaType) || isIndex(r.MediaType):
		return r.MediaType
	case r.Config != nil && r.Layers != nil:
		return ocispec.MediaTypeImageManifest
	case r.Manifests != nil:
		return ocispec.MediaTypeImageIndex
	}
	return ""
}

// children returns what the manifest or index d refers to, a config first, nothing for other blobs. It fetches nothing.
func (s *Store) children(ctx context.Context, d ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	if !isIndex(d.MediaType) && !isManifest(d.MediaType) {
		return nil, nil
	}
	b, err := s.readLocal(ctx, d, maxManifest)
	if err != nil {
		return nil, err
	}
	var r references
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", d.Digest, err)
	}
	list := r.Manifests
	if isManifest(d.MediaType) {
		list = r.Layers
		if r.Config != nil {
			list = append([]ocispec.Descriptor{*r.Config}, list...)
		}
	}
	for _, c := range list {
		if err := checkDigest(c.Digest); err != nil {
			return nil, fmt.Errorf("read manifest %s: %w", d.Digest, err)
		}
	}
	return list, nil
}

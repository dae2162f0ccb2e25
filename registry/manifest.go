package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The Docker image manifest, version 2 schema 2, and its list: same shape as
// OCI's, other names.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// Bounds of what one manifest may say.
const (
	// MaxManifest is the size limit of a manifest or index in bytes, the
	// distribution specification's recommendation.
	MaxManifest = 4 << 20
	// MaxBlob is the size limit of a blob in bytes.
	MaxBlob = 1 << 40

	maxReferences = 10_000
)

// Manifest is what a manifest or index says about other blobs.
type Manifest struct {
	MediaType string
	Manifests []ocispec.Descriptor // an index's manifests and indexes
	Blobs     []ocispec.Descriptor // config, then layers, bottom first
}

// IsManifest reports whether the media type is that of an image manifest or
// of an index.
func IsManifest(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageManifest || mediaType == dockerManifest || IsIndex(mediaType)
}

// IsIndex reports whether the media type is that of an index (Docker: list).
func IsIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == dockerList
}

// manifestTypes are the media types that a client takes, best first.
func manifestTypes() []string {
	return []string{ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageManifest, dockerList, dockerManifest}
}

// IsForeign reports whether a layer is one that registries need not hold,
// because its URLs say where it is.
func IsForeign(d ocispec.Descriptor) bool {
	switch d.MediaType {
	case "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd":
		return len(d.URLs) > 0
	}
	return false
}

// document is the union of an image manifest and an index.
type document struct {
	SchemaVersion int                  `json:"schemaVersion"`
	MediaType     string               `json:"mediaType"`
	Config        *ocispec.Descriptor  `json:"config"`
	Layers        []ocispec.Descriptor `json:"layers"`
	Manifests     []ocispec.Descriptor `json:"manifests"`
}

// DecodeManifest reads a manifest or index. With an empty mediaType the
// document's own word, or else its shape, decides which it is. A document that
// could be taken for both is refused: two readers would see two images.
func DecodeManifest(mediaType string, body []byte) (*Manifest, error) {
	if len(body) > MaxManifest {
		return nil, fmt.Errorf("manifest of %d bytes, the limit is %d", len(body), MaxManifest)
	}
	var doc document
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, fmt.Errorf("manifest is not valid JSON: %w", err)
	}
	if doc.SchemaVersion != 2 {
		return nil, fmt.Errorf("manifest has schema version %d, only 2 is understood: push the image again with a current tool", doc.SchemaVersion)
	}
	kind, err := doc.kind(mediaType)
	if err != nil {
		return nil, err
	}
	return doc.manifest(kind)
}

// kind settles the media type from what was promised, said and meant.
func (doc *document) kind(promised string) (string, error) {
	kind := promised
	if kind == "" {
		kind = doc.MediaType
	}
	if kind == "" {
		kind = ocispec.MediaTypeImageManifest
		if doc.Manifests != nil {
			kind = ocispec.MediaTypeImageIndex
		}
	}
	switch {
	case !IsManifest(kind):
		return "", fmt.Errorf("manifest of type %q is not one of an image", kind)
	case doc.MediaType != "" && doc.MediaType != kind:
		return "", fmt.Errorf("manifest calls itself %q, but came as %q", doc.MediaType, kind)
	case IsIndex(kind) && (doc.Config != nil || doc.Layers != nil):
		return "", errors.New("index has a config or layers, as only an image manifest may")
	case !IsIndex(kind) && doc.Manifests != nil:
		return "", errors.New("image manifest lists manifests, as only an index may")
	case !IsIndex(kind) && doc.Config == nil:
		return "", errors.New("image manifest names no config")
	}
	return kind, nil
}

func (doc *document) manifest(kind string) (*Manifest, error) {
	m := &Manifest{MediaType: kind}
	if IsIndex(kind) {
		for _, d := range doc.Manifests {
			if IsManifest(d.MediaType) {
				m.Manifests = append(m.Manifests, d)
			} else { // an index may name blobs of any type
				m.Blobs = append(m.Blobs, d)
			}
		}
	} else {
		m.Blobs = append([]ocispec.Descriptor{*doc.Config}, doc.Layers...)
	}
	if n := len(m.Manifests) + len(m.Blobs); n > maxReferences {
		return nil, fmt.Errorf("manifest names %d blobs, the limit is %d", n, maxReferences)
	}
	for _, d := range slices.Concat(m.Manifests, m.Blobs) {
		if err := checkDescriptor(d); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func checkDescriptor(d ocispec.Descriptor) error {
	if err := CheckDigest(string(d.Digest)); err != nil {
		return err
	}
	limit := int64(MaxBlob)
	if IsManifest(d.MediaType) {
		limit = MaxManifest
	}
	if d.Size < 0 || d.Size > limit {
		return fmt.Errorf("blob %s has size %d, allowed are 0 to %d", d.Digest, d.Size, limit)
	}
	return nil
}

// CheckDigest accepts sha256 digests, the only ones that the store knows.
func CheckDigest(s string) error {
	d := digest.Digest(s)
	if err := d.Validate(); err != nil {
		return fmt.Errorf("digest %.80q: %w", s, err)
	}
	if d.Algorithm() != digest.SHA256 {
		return fmt.Errorf("digest %.80q is not a sha256 one", s)
	}
	return nil
}

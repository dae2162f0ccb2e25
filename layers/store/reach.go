package store

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// root is where a walk over what is needed begins.
type root struct {
	desc ocispec.Descriptor
	why  string
}

// reached is what is needed: why by digest, and the tars that the configs of images name.
type reached struct {
	why     map[digest.Digest]string
	diffIDs map[digest.Digest]bool
}

// has reports whether a blob, or the layer with a diffID, is needed.
func (r *reached) has(d digest.Digest) bool { return r.why[d] != "" || r.diffIDs[d] }

// roots returns what must stay: what index.json lists, what living processes work with, and keep.
func (s *Store) roots(ctx context.Context, shielded, keep []digest.Digest) ([]root, error) {
	index, err := s.index()
	if err != nil {
		return nil, err
	}
	var list []root
	for _, d := range index.Manifests {
		why := "listed in index.json"
		if name := d.Annotations[ocispec.AnnotationRefName]; name != "" {
			why = "needed by " + name
		}
		list = append(list, root{d, why})
	}
	for _, d := range keep {
		list = append(list, root{ocispec.Descriptor{Digest: d}, "needed by a container"})
	}
	for _, d := range shielded {
		list = append(list, root{ocispec.Descriptor{Digest: d}, "a living process works with it"})
	}
	for i := range list {
		if list[i].desc.MediaType == "" {
			list[i].desc.MediaType = s.typeOf(ctx, list[i].desc.Digest)
		}
	}
	return list, nil
}

// reach follows the roots. Blobs that are not there lead nowhere.
func (s *Store) reach(ctx context.Context, roots []root) (*reached, error) {
	r := &reached{why: map[digest.Digest]string{}, diffIDs: map[digest.Digest]bool{}}
	for _, from := range roots {
		queue := []ocispec.Descriptor{from.desc}
		for len(queue) > 0 {
			d := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			if r.why[d.Digest] != "" {
				continue
			}
			r.why[d.Digest] = from.why
			d.Size = 0 // what the bytes lead to counts, whatever size another manifest claims
			children, err := s.children(ctx, d)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			queue = append(queue, children...)
			if isManifest(d.MediaType) && len(children) > 0 {
				s.addDiffIDs(ctx, r.diffIDs, children[0])
			}
		}
	}
	return r, nil
}

// addDiffIDs adds the tars that a config names. One that cannot be read names none: only derived data hangs on it.
func (s *Store) addDiffIDs(ctx context.Context, to map[digest.Digest]bool, config ocispec.Descriptor) {
	if config.MediaType != ocispec.MediaTypeImageConfig && config.MediaType != dockerConfig {
		return
	}
	config.Size = 0
	b, err := s.readLocal(ctx, config, maxConfig)
	if err != nil {
		return
	}
	var img ocispec.Image
	if json.Unmarshal(b, &img) != nil {
		return
	}
	for _, d := range img.RootFS.DiffIDs {
		to[d] = true
	}
}

// typeOf returns the media type of a blob if it is a manifest or an index.
func (s *Store) typeOf(ctx context.Context, d digest.Digest) string {
	if !s.isText(d) {
		return ""
	}
	b, err := s.readLocal(ctx, ocispec.Descriptor{Digest: d}, maxManifest)
	if err != nil {
		return ""
	}
	return manifestType(b)
}

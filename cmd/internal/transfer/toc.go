package transfer

import (
	"bytes"
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/registry"
)

// Tables of contents travel as OCI artifacts that refer to the manifest of their image.
const (
	tocType  = "application/vnd.mullion.toc.v1" // of the artifact and of its blobs, one for a layer
	tocLayer = "org.mullion.layer"              // annotation of a blob: the digest of the layer
)

// maxBorrowed bounds a table of contents that others made, in bytes; that of a
// million files has about as much.
const maxBorrowed = 128 << 20

// PublishTOC attaches the tables of contents of an image's layers to the image in
// its registry, so that others can build on it without fetching a layer. Of an index
// that are all images that the store has. It returns the artifacts' manifests.
func PublishTOC(ctx context.Context, st *store.Store, ref string, o Options) ([]ocispec.Descriptor, error) {
	r, err := remote(ref)
	if err != nil {
		return nil, err
	}
	_, d, err := Resolve(ctx, st, r.String())
	if err != nil {
		return nil, err
	}
	body, err := registry.ReadManifest(ctx, Store{st}, d)
	if err != nil {
		return nil, err
	}
	m, err := registry.DecodeManifest(d.MediaType, body)
	if err != nil {
		return nil, err
	}
	images := []ocispec.Descriptor{d}
	if registry.IsIndex(m.MediaType) {
		images = m.Manifests
	}
	var published []ocispec.Descriptor
	for _, i := range images {
		if !st.Has(i.Digest) || i.Platform != nil && i.Platform.OS != "windows" {
			continue
		}
		p, err := publish(ctx, st, r.Name, i.Digest, o)
		if err != nil {
			return nil, fmt.Errorf("publish tables of contents: %w", err)
		}
		published = append(published, p)
	}
	return published, nil
}

func publish(ctx context.Context, st *store.Store, repository string, of digest.Digest, o Options) (d ocispec.Descriptor, err error) {
	img, err := image.Load(ctx, st, of.String(), image.Platform{})
	if err != nil {
		return d, err
	}
	var blobs []ocispec.Descriptor
	for _, l := range img.Manifest.Layers {
		// Not one that somebody else claims to be the layer's.
		if _, err := st.Blob(ctx, l); err != nil {
			return d, err
		}
		toc, err := st.TOC(ctx, l)
		if err != nil {
			return d, err
		}
		var b bytes.Buffer
		if err := toc.Encode(&b); err != nil {
			return d, err
		}
		blob, err := st.Put(ctx, tocType, b.Bytes())
		if err != nil {
			return d, err
		}
		blob.Annotations = map[string]string{tocLayer: l.Digest.String()}
		blobs = append(blobs, blob)
	}
	return o.client().Attach(ctx, Store{st}, repository, img.Desc, tocType, blobs)
}

// borrow takes the tables of contents that are attached to an image, for those of
// its layers that are not here. Where there are none, or no good ones, the layers
// will be fetched: that is no error.
func borrow(ctx context.Context, client *registry.Client, st *store.Store, repository string, of digest.Digest, layers []ocispec.Descriptor) {
	absent := map[string]bool{}
	for _, l := range layers {
		if !st.Has(l.Digest) {
			absent[l.Digest.String()] = true
		}
	}
	if len(absent) == 0 {
		return
	}
	artifacts, err := client.Attached(ctx, repository, of, tocType)
	if err != nil {
		return
	}
	for _, a := range artifacts {
		for _, blob := range a.Layers {
			l := blob.Annotations[tocLayer]
			if !absent[l] || blob.Size > maxBorrowed || client.Fetch(ctx, Store{st}, repository, blob) != nil {
				continue
			}
			b, err := st.ReadBlob(ctx, blob, maxBorrowed)
			if err != nil {
				continue
			}
			toc, err := pack.DecodeTOC(bytes.NewReader(b))
			if err == nil && toc.Digest.String() == l && st.BorrowTOC(toc) == nil {
				delete(absent, l)
			}
		}
	}
}

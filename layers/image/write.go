package image

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Write puts the configuration and the manifest of an image into the store and returns the manifest's descriptor with
// the platform in it. The layers must be there already. cfg is not changed; its diff IDs are taken from chain, and its
// history must have one entry for each layer, besides those of empty steps.
func Write(ctx context.Context, st *store.Store, cfg Config, chain []view.Layer) (ocispec.Descriptor, error) {
	desc, err := write(ctx, st, cfg, chain)
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("write image: %w", err)
	}
	return desc, nil
}

func write(ctx context.Context, st *store.Store, cfg Config, chain []view.Layer) (ocispec.Descriptor, error) {
	var none ocispec.Descriptor
	if n := historyLayers(cfg.History); n != len(chain) && len(cfg.History) > 0 {
		return none, fmt.Errorf("history speaks of %d layers, there are %d", n, len(chain))
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Layers:    make([]ocispec.Descriptor, len(chain)),
	}
	cfg.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: make([]digest.Digest, len(chain))}
	for i, l := range chain {
		d := l.Desc
		m.Layers[i] = ocispec.Descriptor{MediaType: ociType(d.MediaType), Digest: d.Digest, Size: d.Size, URLs: d.URLs}
		cfg.RootFS.DiffIDs[i] = l.DiffID
	}
	var err error
	if m.Config, err = putJSON(ctx, st, ocispec.MediaTypeImageConfig, cfg); err != nil {
		return none, err
	}
	desc, err := putJSON(ctx, st, ocispec.MediaTypeImageManifest, m)
	if err != nil {
		return none, err
	}
	desc.Platform = &cfg.Image.Platform
	return desc, nil
}

func historyLayers(history []ocispec.History) int {
	n := 0
	for _, h := range history {
		if !h.EmptyLayer {
			n++
		}
	}
	return n
}

// ociType names the OCI form of a layer's media type: layers of a Docker base keep their bytes in an OCI manifest.
func ociType(mediaType string) string {
	switch mediaType {
	case "application/vnd.docker.image.rootfs.diff.tar.gzip":
		return ocispec.MediaTypeImageLayerGzip
	case "application/vnd.docker.image.rootfs.diff.tar.zstd":
		return ocispec.MediaTypeImageLayerZstd
	case "application/vnd.docker.image.rootfs.diff.tar":
		return ocispec.MediaTypeImageLayer
	case "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":
		return "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
	}
	return mediaType
}

func putJSON(ctx context.Context, st *store.Store, mediaType string, v any) (ocispec.Descriptor, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := st.Put(ctx, mediaType, b)
	return ocispec.Descriptor{MediaType: mediaType, Digest: d.Digest, Size: d.Size}, err
}

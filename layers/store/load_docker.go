package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/pack"
)

// docker returns the images of a Docker archive, for which it writes manifests.
func (l *loader) docker() ([]Tagged, error) {
	var images []dockerImage
	if err := json.Unmarshal(l.meta[dockerManifestFile], &images); err != nil {
		return nil, fmt.Errorf("%s: %w", dockerManifestFile, err)
	}
	var list []Tagged
	for _, image := range images {
		d, err := l.manifest(image)
		if err != nil {
			return nil, fmt.Errorf("image %.200q: %w", strings.Join(image.RepoTags, ", "), err)
		}
		for _, name := range image.RepoTags {
			list = append(list, Tagged{name, d})
		}
		if len(image.RepoTags) == 0 {
			list = append(list, Tagged{"", d})
		}
	}
	return list, nil
}

func (l *loader) manifest(image dockerImage) (ocispec.Descriptor, error) {
	none := ocispec.Descriptor{}
	config, err := l.blob(image.Config)
	if err != nil {
		return none, err
	}
	config.MediaType = ocispec.MediaTypeImageConfig
	b, err := l.store.ReadBlob(l.ctx, config, maxConfig)
	if err != nil {
		return none, err
	}
	var settings ocispec.Image
	if err := json.Unmarshal(b, &settings); err != nil {
		return none, fmt.Errorf("config: %w", err)
	}
	if len(settings.RootFS.DiffIDs) != len(image.Layers) {
		return none, fmt.Errorf("%d layers, but its config lists %d", len(image.Layers), len(settings.RootFS.DiffIDs))
	}
	manifest := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{}}
	manifest.SchemaVersion = 2
	for i, name := range image.Layers {
		layer, err := l.layer(name, settings.RootFS.DiffIDs[i])
		if err != nil {
			return none, err
		}
		manifest.Layers = append(manifest.Layers, layer)
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		return none, err
	}
	return l.store.Put(l.ctx, manifest.MediaType, data)
}

// layer lists a layer to learn how it is compressed and that it is the one the config means.
func (l *loader) layer(name string, diffID digest.Digest) (ocispec.Descriptor, error) {
	d, err := l.blob(name)
	if err != nil {
		return d, err
	}
	b, err := l.store.Blob(l.ctx, d)
	if err != nil {
		return d, err
	}
	defer b.Close()
	res, toc, err := pack.Scan(&contextReader{l.ctx, b}, "")
	if err != nil {
		return d, fmt.Errorf("layer %.200q: %w", name, err)
	}
	if res.DiffID != diffID {
		return d, fmt.Errorf("layer %.200q: its content is %s, not %s as the config says", name, res.DiffID, diffID)
	}
	d.MediaType = res.MediaType
	return d, l.store.PutTOC(toc)
}

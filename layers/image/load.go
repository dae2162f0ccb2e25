package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	maxManifest = 4 << 20 // what registries accept
	maxConfig   = 16 << 20
	maxIndexes  = 4 // an index may lead to an index, but not for ever
)

// Image is one image of the store: a manifest for one platform and its configuration.
type Image struct {
	Desc     ocispec.Descriptor // of the manifest
	Manifest ocispec.Manifest
	Config   Config
}

// Load finds an image by name or digest. Out of an index it takes the Windows image that fits p: with the version asked
// for, else with the highest build and revision; one without a version comes last. An image for another OS or platform
// is an error that says what it is for.
func Load(ctx context.Context, st *store.Store, nameOrDigest string, p Platform) (*Image, error) {
	desc, err := st.Resolve(ctx, nameOrDigest)
	if err != nil {
		return nil, fmt.Errorf("load image: %w", err)
	}
	l := loader{st: st, want: windows(p)}
	img, err := l.load(ctx, desc, maxIndexes)
	if err != nil {
		return nil, fmt.Errorf("load image %s: %w", nameOrDigest, err)
	}
	return img, nil
}

// windows fills in the OS.
func windows(p Platform) Platform {
	if p.OS == "" {
		p.OS = "windows"
	}
	return p
}

type loader struct {
	st   *store.Store
	want Platform
}

// anyManifest is a manifest or an index, whichever its fields say it is.
type anyManifest struct {
	MediaType string               `json:"mediaType"`
	Manifests []ocispec.Descriptor `json:"manifests"`
}

func (l *loader) load(ctx context.Context, desc ocispec.Descriptor, depth int) (*Image, error) {
	b, err := l.st.ReadBlob(ctx, desc, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	var m anyManifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", desc.Digest, err)
	}
	if m.Manifests != nil {
		if depth == 0 {
			return nil, fmt.Errorf("index %s: more than %d indexes inside each other", desc.Digest, maxIndexes)
		}
		next, err := l.choose(m.Manifests)
		if err != nil {
			return nil, err
		}
		return l.load(ctx, next, depth-1)
	}
	img := &Image{Desc: desc}
	if img.Desc.MediaType == "" {
		img.Desc.MediaType = m.MediaType
	}
	if err := json.Unmarshal(b, &img.Manifest); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", desc.Digest, err)
	}
	return img, l.loadConfig(ctx, img)
}

func (l *loader) loadConfig(ctx context.Context, img *Image) error {
	if img.Manifest.Config.Digest == "" {
		return fmt.Errorf("manifest %s has no config: it is no image", img.Desc.Digest)
	}
	b, err := l.st.ReadBlob(ctx, img.Manifest.Config, maxConfig)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if err := json.Unmarshal(b, &img.Config); err != nil {
		return fmt.Errorf("config %s: %w", img.Manifest.Config.Digest, err)
	}
	have := img.Config.Platform()
	switch {
	case have.OS != "windows":
		return fmt.Errorf("it is an image for %s: Mullion takes only Windows images", have)
	case !l.want.accepts(have):
		return fmt.Errorf("it is an image for %s, not for %s", have, l.want)
	case len(img.Manifest.Layers) != len(img.Config.RootFS.DiffIDs):
		return fmt.Errorf("the manifest has %d layers, the config %d: %w",
			len(img.Manifest.Layers), len(img.Config.RootFS.DiffIDs), store.ErrCorrupt)
	}
	for _, id := range img.Config.RootFS.DiffIDs {
		if err := id.Validate(); err != nil {
			return fmt.Errorf("config %s: diff ID: %w", img.Manifest.Config.Digest, err)
		}
	}
	return nil
}

// Choose picks the entry of an index that is best for p, whether the store has it or not. Like Load it takes only
// Windows images.
func Choose(entries []ocispec.Descriptor, p Platform) (ocispec.Descriptor, error) {
	fit, err := fitting(entries, windows(p))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return fit[0], nil
}

// fitting lists the entries of an index that are images for want, the best first.
func fitting(entries []ocispec.Descriptor, want Platform) ([]ocispec.Descriptor, error) {
	var fit []ocispec.Descriptor
	var names []string
	for _, d := range entries {
		if d.Platform == nil {
			if len(entries) == 1 {
				return entries, nil // the config will tell
			}
			continue
		}
		p := platformOf(*d.Platform)
		if p.OS == "unknown" {
			continue // an attestation of BuildKit, not an image
		}
		names = append(names, p.String())
		if want.accepts(p) {
			fit = append(fit, d)
		}
	}
	if len(fit) == 0 {
		return nil, fmt.Errorf("no image for %s: the index has %s", want, orNone(names))
	}
	slices.SortStableFunc(fit, func(a, b ocispec.Descriptor) int {
		return compareVersions(b.Platform.OSVersion, a.Platform.OSVersion)
	})
	return fit, nil
}

// choose picks the best entry of an index that the store has.
func (l *loader) choose(entries []ocispec.Descriptor) (ocispec.Descriptor, error) {
	fit, err := fitting(entries, l.want)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	// An entry without a platform is one whose config will tell.
	if i := slices.IndexFunc(fit, func(d ocispec.Descriptor) bool { return d.Platform == nil || l.st.Has(d.Digest) }); i >= 0 {
		return fit[i], nil
	}
	return ocispec.Descriptor{}, fmt.Errorf("the image for %s is not in the store, only the index: pull it: %w",
		platformOf(*fit[0].Platform), fs.ErrNotExist)
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no images"
	}
	return strings.Join(names, ", ")
}

// Chain returns the layers, the base first.
func (i *Image) Chain() []view.Layer {
	chain := make([]view.Layer, len(i.Manifest.Layers))
	for n, desc := range i.Manifest.Layers {
		chain[n] = view.Layer{Desc: desc, DiffID: i.Config.RootFS.DiffIDs[n]}
	}
	return chain
}

// View opens the merged tree and registry of the image.
func (i *Image) View(ctx context.Context, st *store.Store) (*view.View, error) {
	return view.Open(ctx, st, i.Chain())
}

// History is that of the configuration, made to fit the layers: not every tool keeps one.
func (i *Image) History() []ocispec.History {
	if historyLayers(i.Config.History) == len(i.Manifest.Layers) {
		return slices.Clone(i.Config.History)
	}
	list := make([]ocispec.History, len(i.Manifest.Layers))
	for n := range list {
		list[n].CreatedBy = fmt.Sprintf("layer %d of the base image", n+1)
	}
	return list
}

package image_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func writeImage(t *testing.T, st *store.Store, p image.Platform, chain ...view.Layer) ocispec.Descriptor {
	t.Helper()
	cfg := image.NewConfig(p)
	cfg.Created = &epoch
	for range chain {
		cfg.History = append(cfg.History, ocispec.History{Created: &epoch, CreatedBy: "layer"})
	}
	cfg.History = append(cfg.History, ocispec.History{CreatedBy: "ENV X=1", EmptyLayer: true})
	desc, err := image.Write(t.Context(), st, cfg, chain)
	if err != nil {
		t.Fatal(err)
	}
	return desc
}

func putJSON(t *testing.T, st *store.Store, mediaType string, v any) ocispec.Descriptor {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	desc, err := st.Put(t.Context(), mediaType, b)
	if err != nil {
		t.Fatal(err)
	}
	return desc
}

func tag(t *testing.T, st *store.Store, name string, d ocispec.Descriptor) {
	t.Helper()
	if err := st.Tag(t.Context(), name, d); err != nil {
		t.Fatal(err)
	}
}

var amd64 = image.Platform{OS: "windows", Arch: "amd64"}

func TestWriteAndLoad(t *testing.T) {
	st := newStore(t)
	lower := base(t, st)
	s := newScratch(t, t, openView(t, t, st, lower), epoch)
	if err := write(s, "app/x.txt", "text"); err != nil {
		t.Fatal(err)
	}
	chain := []view.Layer{lower, commit(t, t, st, s)}
	p := image.Platform{OS: "windows", Arch: "amd64", OSVersion: "10.0.20348.2700"}
	desc := writeImage(t, st, p, chain...)
	if desc.MediaType != ocispec.MediaTypeImageManifest || desc.Platform == nil || desc.Platform.OSVersion != p.OSVersion {
		t.Errorf("wrote %+v", desc)
	}
	tag(t, st, "hello:latest", desc)

	img, err := image.Load(t.Context(), st, "hello:latest", amd64)
	if err != nil {
		t.Fatal(err)
	}
	if img.Desc.Digest != desc.Digest || img.Config.Platform() != p || len(img.Config.History) != 3 {
		t.Errorf("loaded %+v", img)
	}
	for i, l := range img.Chain() {
		if l.DiffID != chain[i].DiffID || l.Desc.Digest != chain[i].Desc.Digest || l.Desc.Size != chain[i].Desc.Size {
			t.Errorf("layer %d is %+v, want %+v", i, l, chain[i])
		}
	}
	v, err := img.View(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	f, err := v.Lookup("APP/X.TXT")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := readAll(v, f); err != nil || text != "text" {
		t.Errorf("x.txt holds %q, %v", text, err)
	}
	if again := writeImage(t, st, p, chain...); again.Digest != desc.Digest {
		t.Errorf("the same image is %s, then %s", desc.Digest, again.Digest)
	}
}

func TestWriteChecksTheHistory(t *testing.T) {
	st := newStore(t)
	cfg := image.NewConfig(amd64)
	cfg.History = []ocispec.History{{CreatedBy: "one"}}
	if _, err := image.Write(t.Context(), st, cfg, nil); err == nil || !strings.Contains(err.Error(), "speaks of 1 layers, there are 0") {
		t.Error(err)
	}
}

// Layers of a Docker base keep their bytes and get OCI's name for their type.
func TestWriteNamesLayersAsOCI(t *testing.T) {
	st := newStore(t)
	l := base(t, st)
	for docker, oci := range map[string]string{
		"application/vnd.docker.image.rootfs.diff.tar.gzip":         ocispec.MediaTypeImageLayerGzip,
		"application/vnd.docker.image.rootfs.diff.tar.zstd":         ocispec.MediaTypeImageLayerZstd,
		"application/vnd.docker.image.rootfs.diff.tar":              ocispec.MediaTypeImageLayer,
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		ocispec.MediaTypeImageLayerGzip:                             ocispec.MediaTypeImageLayerGzip,
	} {
		l.Desc.MediaType, l.Desc.URLs = docker, []string{"https://example.com/layer"}
		tag(t, st, "x", writeImage(t, st, amd64, l))
		img, err := image.Load(t.Context(), st, "x", amd64)
		if err != nil {
			t.Fatal(err)
		}
		if got := img.Manifest.Layers[0]; got.MediaType != oci || !slices.Equal(got.URLs, l.Desc.URLs) {
			t.Errorf("%s became %+v", docker, got)
		}
	}
}

func TestLoadFromAnIndex(t *testing.T) {
	st := newStore(t)
	put := func(arch, version string) ocispec.Descriptor {
		return writeImage(t, st, image.Platform{OS: "windows", Arch: arch, OSVersion: version})
	}
	absent := put("amd64", "10.0.26100.1")
	absent.Digest, absent.Platform = digest.FromString("absent"), &ocispec.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.99999.1"}
	entries := []ocispec.Descriptor{
		{Digest: digest.FromString("attestation"), Size: 1, Platform: &ocispec.Platform{OS: "unknown", Architecture: "unknown"}},
		{Digest: digest.FromString("linux"), Size: 1, Platform: &ocispec.Platform{OS: "linux", Architecture: "amd64"}},
		{Digest: digest.FromString("nameless"), Size: 1},
		put("amd64", ""),
		put("amd64", "10.0.17763.5000"),
		put("amd64", "10.0.20348.999"),
		put("amd64", "10.0.20348.1000"),
		put("arm64", "10.0.26100.1"),
		absent,
	}
	inner := putJSON(t, st, ocispec.MediaTypeImageIndex, ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: entries})
	inner.Platform = nil
	outer := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{inner}}
	tag(t, st, "multi", inner)
	tag(t, st, "nested", putJSON(t, st, ocispec.MediaTypeImageIndex, outer))

	tests := []struct{ platform, want string }{
		{"windows/amd64", "10.0.20348.1000"}, // numbers, not strings; and the higher build is not in the store
		{"ltsc2019", "10.0.17763.5000"},
		{"windows/amd64:10.0.20348.999", "10.0.20348.999"},
		{"arm64", "10.0.26100.1"},
		{"windows/amd64:10.0.14393", ""}, // only the one without a version fits
	}
	for _, name := range []string{"multi", "nested"} {
		for _, test := range tests {
			p, err := image.ParsePlatform(test.platform)
			if err != nil {
				t.Fatal(err)
			}
			img, err := image.Load(t.Context(), st, name, p)
			if err != nil {
				t.Errorf("%s for %s: %v", name, test.platform, err)
				continue
			}
			if got := img.Config.OSVersion; got != test.want {
				t.Errorf("%s for %s: got %s, want %s", name, test.platform, got, test.want)
			}
		}
	}
	best, err := image.Choose(entries, image.Platform{Arch: "amd64"})
	if err != nil || best.Digest != absent.Digest {
		t.Errorf("chose %v, %v: want what a pull would take", best.Platform, err)
	}
	_, err = image.Load(t.Context(), st, "multi", image.Platform{Arch: "amd64", OSVersion: "10.0.99999.1"})
	if err != nil {
		t.Errorf("the image without a version fits, but: %v", err)
	}
	only := putJSON(t, st, ocispec.MediaTypeImageIndex, ocispec.Index{Manifests: []ocispec.Descriptor{absent}})
	tag(t, st, "only", only)
	if _, err := image.Load(t.Context(), st, "only", amd64); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "pull it") {
		t.Errorf("absent: %v", err)
	}
}

// foreignTag names an image as another program would that writes into the layout: without a look at what it leads to.
func foreignTag(t *testing.T, st *store.Store, name string, desc ocispec.Descriptor) {
	t.Helper()
	path := filepath.Join(st.Dir(), ocispec.ImageIndexFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var index ocispec.Index
	if err := json.Unmarshal(b, &index); err != nil {
		t.Fatal(err)
	}
	desc.Annotations = map[string]string{ocispec.AnnotationRefName: name}
	index.Manifests = append(index.Manifests, desc)
	if b, err = json.Marshal(index); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoadErrors(t *testing.T) {
	st := newStore(t)
	config := func(text string) ocispec.Descriptor {
		c := putJSON(t, st, ocispec.MediaTypeImageConfig, json.RawMessage(text))
		return putJSON(t, st, ocispec.MediaTypeImageManifest, ocispec.Manifest{Config: c})
	}
	loop := putJSON(t, st, ocispec.MediaTypeImageIndex, ocispec.Index{Manifests: []ocispec.Descriptor{writeImage(t, st, amd64)}})
	for range 5 {
		loop.Platform = nil
		loop = putJSON(t, st, ocispec.MediaTypeImageIndex, ocispec.Index{Manifests: []ocispec.Descriptor{loop}})
	}
	linux := ocispec.Descriptor{Digest: digest.FromString("x"), Size: 1, Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64"}}
	tests := []struct {
		name string
		desc ocispec.Descriptor
		want string
	}{
		{"linux", config(`{"os":"linux","architecture":"amd64"}`), "it is an image for linux/amd64: Mullion takes only Windows images"},
		{"arm", config(`{"os":"windows","architecture":"arm64"}`), "for windows/arm64, not for windows/amd64"},
		{"layers", config(`{"os":"windows","architecture":"amd64","rootfs":{"diff_ids":["sha256:00"]}}`), "the manifest has 0 layers, the config 1"},
		{"broken", config(`{"os":1}`), "config sha256:"},
		{"noimage", putJSON(t, st, ocispec.MediaTypeImageManifest, ocispec.Manifest{}), "it is no image"},
		{"text", putJSON(t, st, ocispec.MediaTypeImageManifest, "text"), "manifest"},
		{"deep", loop, "indexes inside each other"},
		{"others", putJSON(t, st, ocispec.MediaTypeImageIndex, ocispec.Index{Manifests: []ocispec.Descriptor{linux, linux}}),
			"no image for windows/amd64: the index has linux/arm64, linux/arm64"},
		{"empty", putJSON(t, st, ocispec.MediaTypeImageIndex, ocispec.Index{Manifests: []ocispec.Descriptor{}}), "the index has no images"},
	}
	for _, test := range tests {
		foreignTag(t, st, test.name, test.desc)
		_, err := image.Load(t.Context(), st, test.name, amd64)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v\nwant %s", test.name, err, test.want)
		}
	}
	if _, err := image.Load(t.Context(), st, "nothing", amd64); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unknown name: %v", err)
	}
}

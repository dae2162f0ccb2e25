package store

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// dockerManifestFile lists the images of a Docker archive.
const dockerManifestFile = "manifest.json"

// dockerImage is one image of a Docker archive; the paths are inside of the archive.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// Save writes the named images as one tar that is both an OCI layout and a Docker archive. The same images give the same
// bytes. Every blob of them must be in the store, but for layers that lie at a URL.
func (s *Store) Save(ctx context.Context, w io.Writer, names ...string) error {
	if len(names) == 0 {
		return errors.New("save: no image is named")
	}
	a := archive{store: s, ctx: ctx, blobs: map[digest.Digest]ocispec.Descriptor{}}
	for _, name := range names {
		d, err := s.Resolve(ctx, name)
		if err == nil {
			err = a.image(name, d)
		}
		if err != nil {
			return fmt.Errorf("save %s: %w", name, err)
		}
	}
	if err := a.write(w); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return nil
}

// archive collects what Save writes.
type archive struct {
	store  *Store
	ctx    context.Context
	index  []ocispec.Descriptor
	docker []dockerImage
	blobs  map[digest.Digest]ocispec.Descriptor
}

func (a *archive) image(name string, d ocispec.Descriptor) error {
	tags := []string{}
	if named := !strings.Contains(name, "@") && strings.Contains(name, ":") && checkDigest(digest.Digest(name)) != nil; named {
		tags = append(tags, name)
		d.Annotations = map[string]string{ocispec.AnnotationRefName: name}
	}
	if slices.ContainsFunc(a.index, func(x ocispec.Descriptor) bool {
		return x.Digest == d.Digest && x.Annotations[ocispec.AnnotationRefName] == d.Annotations[ocispec.AnnotationRefName]
	}) {
		return nil
	}
	a.index = append(a.index, d)
	return a.collect(d, tags)
}

// collect adds d and what it leads to. The tags go to the first image, as Docker's form knows no index.
func (a *archive) collect(d ocispec.Descriptor, tags []string) error {
	a.blobs[d.Digest] = d
	children, err := a.store.children(a.ctx, d)
	if err != nil {
		return err
	}
	if isManifest(d.MediaType) {
		a.list(children, tags)
	}
	for _, c := range children {
		switch present := a.store.present(c.Digest); {
		case present && isIndex(d.MediaType):
			if err := a.collect(c, tags); err != nil {
				return err
			}
			tags = nil
		case present:
			a.blobs[c.Digest] = c
		case !isForeign(c.MediaType):
			return fmt.Errorf("blob %s of it is not in the store, pull the whole image first: %w", c.Digest, fs.ErrNotExist)
		}
	}
	return nil
}

// list adds an image to Docker's list; the first of its blobs is the config. What has no layers of the usual kind, such
// as an attestation, is no image for Docker.
func (a *archive) list(blobs []ocispec.Descriptor, tags []string) {
	if len(blobs) == 0 || !strings.Contains(blobs[0].MediaType, "image") {
		return
	}
	config := archivePath(blobs[0].Digest)
	if i := slices.IndexFunc(a.docker, func(x dockerImage) bool { return x.Config == config }); i >= 0 {
		a.docker[i].RepoTags = append(a.docker[i].RepoTags, tags...)
		return
	}
	image := dockerImage{Config: config, RepoTags: append([]string{}, tags...), Layers: []string{}}
	for _, l := range blobs[1:] {
		if !strings.Contains(l.MediaType, "layer") && !strings.Contains(l.MediaType, "rootfs") {
			return
		}
		image.Layers = append(image.Layers, archivePath(l.Digest))
	}
	a.docker = append(a.docker, image)
}

func archivePath(d digest.Digest) string { return blobDir + "/" + d.Encoded() }

func (a *archive) write(w io.Writer) error {
	t := tar.NewWriter(w)
	layout := ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: a.index}
	docker := a.docker
	if docker == nil {
		docker = []dockerImage{}
	}
	for _, f := range []struct {
		name  string
		value any
	}{{ocispec.ImageLayoutFile, layout}, {ocispec.ImageIndexFile, index}, {dockerManifestFile, docker}} {
		b, err := json.Marshal(f.value)
		if err != nil {
			return err
		}
		if err := t.WriteHeader(archiveHeader(f.name, int64(len(b)))); err != nil {
			return err
		}
		if _, err := t.Write(b); err != nil {
			return err
		}
	}
	for _, dir := range []string{"blobs/", blobDir + "/"} {
		h := archiveHeader(dir, 0)
		h.Typeflag, h.Mode = tar.TypeDir, 0o755
		if err := t.WriteHeader(h); err != nil {
			return err
		}
	}
	digests := make([]digest.Digest, 0, len(a.blobs))
	for d := range a.blobs {
		digests = append(digests, d)
	}
	slices.Sort(digests)
	for _, d := range digests {
		if err := a.blob(t, a.blobs[d]); err != nil {
			return err
		}
	}
	return t.Close()
}

// blob copies a blob and verifies it on the way.
func (a *archive) blob(t *tar.Writer, d ocispec.Descriptor) error {
	b, err := a.store.Blob(a.ctx, d)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := t.WriteHeader(archiveHeader(archivePath(d.Digest), b.Size())); err != nil {
		return err
	}
	v := d.Digest.Verifier()
	if _, err := io.Copy(io.MultiWriter(t, v), &contextReader{a.ctx, b}); err != nil {
		return err
	}
	if !v.Verified() {
		return a.store.corrupt(d.Digest, "its bytes have another digest")
	}
	return nil
}

func archiveHeader(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0)}
}

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Format is what Save writes.
type Format int

// The formats of archives. An OCI layout holds indexes and manifests, and all digests stay; a Docker archive holds configs
// and layers only, and whoever loads it makes new manifests.
const (
	Both   Format = iota // an OCI layout that is a Docker archive too
	OCI                  // an OCI layout
	Docker               // a Docker archive
)

// dockerManifestFile lists the images of a Docker archive.
const dockerManifestFile = "manifest.json"

// dockerImage is one image of a Docker archive; the paths are inside of the archive.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// Save writes the named images as one tar. The same images give the same bytes. Blobs of them that are only recorded are
// fetched first; that one is not to be had is a MissingError. Left are the images that a saved index lists and that are not
// in the store: they are left out.
func (s *Store) Save(ctx context.Context, w io.Writer, f Format, names ...string) (left []ocispec.Descriptor, err error) {
	t := newTarSink(w)
	left, err = s.save(ctx, t, f, names)
	if err == nil {
		err = t.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("save: %w", err)
	}
	return left, nil
}

// SaveDir is Save into a folder that becomes an OCI layout; it must be empty or absent, and appears whole or not at all.
func (s *Store) SaveDir(ctx context.Context, dir string, names ...string) (left []ocispec.Descriptor, err error) {
	dir = filepath.Clean(dir)
	if has, err := readDir(dir); err != nil || len(has) > 0 {
		return nil, errors.Join(fmt.Errorf("save: %s is there and no empty folder", dir), err)
	}
	parent := filepath.Dir(dir)
	tmp, err := os.MkdirTemp(parent, tempPrefix+"*")
	if err != nil {
		return nil, fmt.Errorf("save: %w", explainFull(parent, 0, err))
	}
	left, err = s.save(ctx, dirSink(tmp), OCI, names)
	if err == nil {
		err = errors.Join(os.Chmod(tmp, 0o755), adopt(tmp), syncDir(filepath.Join(tmp, filepath.FromSlash(blobDir))), syncDir(tmp))
	}
	if err == nil {
		err = ignoreAbsent(os.Remove(dir))
	}
	if err == nil {
		err = os.Rename(tmp, dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("save: %w", explainFull(parent, 0, err)), os.RemoveAll(tmp))
	}
	return left, syncDir(parent)
}

func (s *Store) save(ctx context.Context, to sink, f Format, names []string) (left []ocispec.Descriptor, err error) {
	if len(names) == 0 {
		return nil, errors.New("no image is named")
	}
	a := archive{store: s, ctx: ctx, blobs: map[digest.Digest]ocispec.Descriptor{}}
	for _, name := range names {
		d, err := s.Resolve(ctx, name)
		if err == nil {
			err = s.Complete(ctx, d)
		}
		if err == nil {
			err = a.image(name, d)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if f == Docker {
		if err := a.onlyDocker(); err != nil {
			return nil, err
		}
	}
	return a.left, a.write(to, f)
}

// archive collects what Save writes.
type archive struct {
	store  *Store
	ctx    context.Context
	index  []ocispec.Descriptor
	docker []dockerImage
	blobs  map[digest.Digest]ocispec.Descriptor
	left   []ocispec.Descriptor
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
		case isIndex(d.MediaType):
			a.left = append(a.left, c)
		case !isForeign(c.MediaType):
			return fmt.Errorf("blob %s has gone meanwhile: %w", c.Digest, fs.ErrNotExist)
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

// onlyDocker drops the blobs that Docker's list does not name.
func (a *archive) onlyDocker() error {
	if len(a.docker) == 0 {
		return errors.New("there is no image that a Docker archive can hold: save it as an OCI layout")
	}
	named := map[string]bool{}
	for _, i := range a.docker {
		named[i.Config] = true
		for _, l := range i.Layers {
			named[l] = true
		}
	}
	for d := range a.blobs {
		if !named[archivePath(d)] {
			delete(a.blobs, d)
		}
	}
	return nil
}

func archivePath(d digest.Digest) string { return blobDir + "/" + d.Encoded() }

// write writes the lists and then the blobs, in the order of their digests.
func (a *archive) write(to sink, f Format) error {
	layout := ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: a.index}
	docker := a.docker
	if docker == nil {
		docker = []dockerImage{}
	}
	for _, file := range []struct {
		name  string
		value any
		in    bool
	}{{ocispec.ImageLayoutFile, layout, f != Docker}, {ocispec.ImageIndexFile, index, f != Docker}, {dockerManifestFile, docker, f != OCI}} {
		if !file.in {
			continue
		}
		b, err := json.Marshal(file.value)
		if err != nil {
			return err
		}
		if err := to.file(file.name, int64(len(b)), strings.NewReader(string(b))); err != nil {
			return err
		}
	}
	for _, dir := range []string{"blobs", blobDir} {
		if err := to.dir(dir); err != nil {
			return err
		}
	}
	digests := make([]digest.Digest, 0, len(a.blobs))
	for d := range a.blobs {
		digests = append(digests, d)
	}
	slices.Sort(digests)
	for _, d := range digests {
		if err := a.blob(to, a.blobs[d]); err != nil {
			return err
		}
	}
	return nil
}

// blob copies a blob and verifies it on the way.
func (a *archive) blob(to sink, d ocispec.Descriptor) error {
	b, err := a.store.Blob(a.ctx, d)
	if err != nil {
		return err
	}
	defer b.Close()
	v := d.Digest.Verifier()
	if err := to.file(archivePath(d.Digest), b.Size(), io.TeeReader(&contextReader{a.ctx, b}, v)); err != nil {
		return err
	}
	if !v.Verified() {
		return a.store.corrupt(d.Digest, "its bytes have another digest")
	}
	return nil
}

package store

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/pack"
)

// maxMembers bounds the members of an archive.
const maxMembers = 1 << 16

// Load puts the images of a tar that is an OCI layout or a Docker archive, or both, compressed or not, into the store and
// tags them as it says. It returns the images; those without a name have none in the store either, and the next Prune
// takes them. Blobs are verified, but those that the store has, which are not read; after an error no tag has changed that
// the error does not speak of.
func (s *Store) Load(ctx context.Context, r io.Reader) ([]Tagged, error) {
	plain, err := pack.Decompress(&contextReader{ctx, r}, "")
	if err != nil {
		return nil, fmt.Errorf("load images: %w", err)
	}
	defer plain.Close()
	return s.load(ctx, func(l *loader) error { return l.tar(tar.NewReader(plain)) })
}

// LoadDir is Load for a folder that is an OCI layout, such as another store. Links that lead out of it are not followed.
func (s *Store) LoadDir(ctx context.Context, dir string) ([]Tagged, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("load images: %w", err)
	}
	defer root.Close()
	return s.load(ctx, func(l *loader) error { return l.dir(root) })
}

func (s *Store) load(ctx context.Context, read func(*loader) error) ([]Tagged, error) {
	l := &loader{store: s, ctx: ctx, meta: map[string][]byte{}, blobs: map[string]ocispec.Descriptor{}, links: map[string]string{}}
	images, err := l.images(read)
	if err != nil {
		return nil, fmt.Errorf("load images: %w", err)
	}
	for _, t := range images {
		if t.Name == "" {
			continue
		}
		if err := s.Tag(ctx, t.Name, t.Desc); err != nil {
			return nil, fmt.Errorf("load images: %w", err)
		}
	}
	return images, nil
}

// loader is one archive being read. Everything but the two lists goes to the store as a blob at once, as the lists may
// come last; what they do not name is left to Prune.
type loader struct {
	store *Store
	ctx   context.Context
	meta  map[string][]byte             // the lists, by name
	blobs map[string]ocispec.Descriptor // by name in the archive; no media type yet
	links map[string]string             // name -> name
}

// images reads the archive and returns what it says it holds.
func (l *loader) images(read func(*loader) error) ([]Tagged, error) {
	if err := read(l); err != nil {
		return nil, err
	}
	switch {
	case l.meta[ocispec.ImageIndexFile] != nil:
		return l.oci()
	case l.meta[dockerManifestFile] != nil:
		return l.docker()
	}
	return nil, errors.New("the archive has neither index.json nor manifest.json")
}

// dir reads the two lists and the blobs of a folder; what else is in it is none of our business.
func (l *loader) dir(root *os.Root) error {
	for _, name := range []string{ocispec.ImageIndexFile, dockerManifestFile} {
		if err := l.open(root, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	blobs, err := fs.ReadDir(root.FS(), blobDir)
	if err != nil {
		return fmt.Errorf("read image layout: %w", err)
	}
	for _, b := range blobs {
		if err := l.open(root, blobDir+"/"+b.Name()); err != nil {
			return fmt.Errorf("%s/%.200s: %w", blobDir, b.Name(), err)
		}
	}
	return nil
}

func (l *loader) open(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("is no regular file")
	}
	return l.file(name, info.Size(), io.LimitReader(f, info.Size()))
}

func (l *loader) tar(t *tar.Reader) error {
	for n := 0; ; n++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // names are keys here, not paths
			return fmt.Errorf("read archive: %w", err)
		}
		if n > maxMembers {
			return fmt.Errorf("the archive has more than %d members", maxMembers)
		}
		if err := l.member(h, t); err != nil {
			return fmt.Errorf("member %.200q: %w", h.Name, err)
		}
	}
}

func (l *loader) member(h *tar.Header, r io.Reader) error {
	name := path.Clean(h.Name)
	switch h.Typeflag {
	case tar.TypeSymlink:
		l.links[name] = path.Join(path.Dir(name), h.Linkname)
		return nil
	case tar.TypeLink:
		l.links[name] = path.Clean(h.Linkname)
		return nil
	case tar.TypeReg:
	default:
		return nil
	}
	return l.file(name, h.Size, r)
}

// file takes in a file of the archive.
func (l *loader) file(name string, size int64, r io.Reader) error {
	if name == ocispec.ImageIndexFile || name == dockerManifestFile {
		if size > maxIndex {
			return fmt.Errorf("is longer than %d bytes", maxIndex)
		}
		b, err := io.ReadAll(r)
		l.meta[name] = b
		return err
	}
	want := ocispec.Descriptor{}
	if hex, ok := strings.CutPrefix(name, blobDir+"/"); ok {
		want.Digest, want.Size = digest.NewDigestFromEncoded(digest.SHA256, hex), size
		if err := checkDigest(want.Digest); err != nil {
			return err
		}
		if l.store.Has(want.Digest) {
			l.blobs[name] = want
			return nil
		}
	}
	i, err := l.store.Ingest(l.ctx)
	if err != nil {
		return err
	}
	if _, err := io.Copy(i, r); err != nil {
		return errors.Join(err, i.Abort())
	}
	l.blobs[name], err = i.Commit(want)
	return err
}

// blob returns what the archive has under a name, following links as old archives have for repeated layers.
func (l *loader) blob(name string) (ocispec.Descriptor, error) {
	clean := path.Clean(name)
	for range 8 {
		if d, ok := l.blobs[clean]; ok {
			return d, nil
		}
		target, ok := l.links[clean]
		if !ok {
			break
		}
		clean = target
	}
	return ocispec.Descriptor{}, fmt.Errorf("%.200q is not in the archive", name)
}

// oci returns the images of an OCI layout.
func (l *loader) oci() ([]Tagged, error) {
	var index ocispec.Index
	if err := json.Unmarshal(l.meta[ocispec.ImageIndexFile], &index); err != nil {
		return nil, fmt.Errorf("%s: %w", ocispec.ImageIndexFile, err)
	}
	names := l.dockerNames()
	var list []Tagged
	for _, d := range index.Manifests {
		if err := checkDigest(d.Digest); err != nil {
			return nil, err
		}
		if err := l.complete(d, 0); err != nil {
			return nil, err
		}
		list = append(list, Tagged{imageName(d.Annotations, names), untitled(d)})
	}
	return list, nil
}

// dockerNames returns the names in Docker's list, if the archive has one too.
func (l *loader) dockerNames() []string {
	var images []dockerImage
	if json.Unmarshal(l.meta[dockerManifestFile], &images) != nil {
		return nil
	}
	var names []string
	for _, i := range images {
		names = append(names, i.RepoTags...)
	}
	return names
}

// containerdName is the annotation with the full name, beside which the usual one holds only the tag.
const containerdName = "io.containerd.image.name"

func imageName(annotations map[string]string, names []string) string {
	ref := annotations[ocispec.AnnotationRefName]
	if strings.ContainsAny(ref, ":/") {
		return ref
	}
	full := annotations[containerdName]
	for _, n := range names { // Docker writes docker.io/library/hello:latest there and hello:latest here
		if full == n || strings.HasSuffix(full, "/"+n) {
			return n
		}
	}
	if full != "" {
		return full
	}
	return ref
}

// complete checks that what d leads to is there: of an index, one image at least.
func (l *loader) complete(d ocispec.Descriptor, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("index %s is nested too deeply", d.Digest)
	}
	if !l.store.present(d.Digest) {
		return fmt.Errorf("image %s is not in the archive", d.Digest)
	}
	children, err := l.store.children(l.ctx, d)
	if err != nil {
		return err
	}
	some := false
	for _, c := range children {
		switch present := l.store.present(c.Digest); {
		case present && isIndex(d.MediaType):
			some = true
			if err := l.complete(c, depth+1); err != nil {
				return err
			}
		case !present && isManifest(d.MediaType) && !isForeign(c.MediaType):
			return fmt.Errorf("blob %s of image %s is not in the archive", c.Digest, d.Digest)
		}
	}
	if isIndex(d.MediaType) && !some {
		return fmt.Errorf("no image of index %s is in the archive", d.Digest)
	}
	return nil
}

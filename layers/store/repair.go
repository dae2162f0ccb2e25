package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// setAside moves a file of the store into the folder "aside", under a name of its own, and says so.
func (s *Store) setAside(file string) (done string, err error) {
	if err := makeDirs(s.path(asideDir)); err != nil {
		return "", err
	}
	name := filepath.Base(file)
	for n := 1; ; n++ {
		if _, err := os.Lstat(s.path(asideDir, name)); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return "", err
		}
		name = fmt.Sprintf("%s-%d", filepath.Base(file), n)
	}
	err = os.Rename(file, s.path(asideDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "it has gone meanwhile", nil
	}
	if err == nil {
		err = errors.Join(syncDir(s.path(asideDir)), syncDir(filepath.Dir(file)))
	}
	return "moved to " + asideDir + "/" + name, err
}

// entry returns what replaces an entry of index.json by right or, if that is nil, takes it out. An entry taken out is kept
// as a file in "aside".
func (c *checker) entry(wrong ocispec.Descriptor, right *ocispec.Descriptor) func() (string, error) {
	return func() (string, error) {
		index, err := c.store.index()
		if err != nil {
			return "", err
		}
		// The last one: of entries that are equal in name, the first counts.
		at := -1
		for i, d := range index.Manifests {
			if reflect.DeepEqual(d, wrong) {
				at = i
			}
		}
		if at < 0 {
			return "it was changed meanwhile", nil
		}
		done := "its entry was put right"
		if right != nil {
			index.Manifests[at] = *right
		} else {
			index.Manifests = slices.Delete(index.Manifests, at, at+1)
			if done, err = c.keepEntry(wrong); err != nil {
				return "", err
			}
		}
		return done, c.store.writeIndex(index)
	}
}

// keepEntry writes an entry that is taken out of index.json to a file.
func (c *checker) keepEntry(d ocispec.Descriptor) (done string, err error) {
	b, err := json.Marshal(d)
	if err != nil {
		return "", err
	}
	if err := makeDirs(c.store.path(asideDir)); err != nil {
		return "", err
	}
	name := "entry-" + digest.FromBytes(b).Encoded()[:12] + ".json"
	return "the name was taken away, and its entry put into " + asideDir + "/" + name, replaceFile(c.store.path(asideDir, name), b)
}

// rebuildIndex replaces an index.json that cannot be read by one that lists every image of the store that no other image
// leads to. Their names are lost.
func (c *checker) rebuildIndex() (string, error) {
	names, err := readDir(c.store.path(blobDir))
	if err != nil {
		return "", err
	}
	images := map[digest.Digest]ocispec.Descriptor{}
	for _, n := range names {
		d := digest.NewDigestFromEncoded(digest.SHA256, n.Name())
		if checkDigest(d) != nil || c.bad[d] {
			continue
		}
		info, err := n.Info()
		if t := c.store.typeOf(c.ctx, d); t != "" && err == nil {
			images[d] = ocispec.Descriptor{MediaType: t, Digest: d, Size: info.Size()}
		}
	}
	led := map[digest.Digest]bool{}
	for _, d := range images {
		children, err := c.store.children(c.ctx, d)
		if err != nil {
			continue // it is listed, so that a later check reports it
		}
		for _, child := range children {
			led[child.Digest] = true
		}
	}
	index := &ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	for _, n := range names { // in an order that does not change
		d := digest.NewDigestFromEncoded(digest.SHA256, n.Name())
		if image, ok := images[d]; ok && !led[d] {
			index.Manifests = append(index.Manifests, image)
		}
	}
	done, err := c.store.setAside(c.store.path(ocispec.ImageIndexFile))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, a new one lists %d images without names", done, len(index.Manifests)), c.store.writeIndex(index)
}

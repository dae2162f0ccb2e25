package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/store"
)

// What may be read of a layout's lists, and how deep indexes may lead to indexes.
const (
	maxLayoutIndex    = 64 << 20
	maxLayoutManifest = 4 << 20
	maxLayoutDepth    = 4
)

// cutLayout tells whether an argument is the path of an OCI image layout, alone or
// followed by : or @ and the name of an image in it.
func cutLayout(arg string) (dir, ref string, ok bool) {
	if isLayout(arg) {
		return arg, "", true
	}
	for i := len(arg) - 1; i > 0; i-- {
		if (arg[i] == ':' || arg[i] == '@') && isLayout(arg[:i]) {
			return arg[:i], arg[i+1:], true
		}
	}
	return "", "", false
}

func isLayout(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, ocispec.ImageLayoutFile))
	return err == nil && info.Mode().IsRegular()
}

// layout is an image layout of others, which is only read.
type layout struct {
	ctx  context.Context
	root *os.Root
	st   *store.Store
}

// bringLayout copies an image of a layout into the store, where it has no name: Prune
// takes it away again. What the store has already is not copied.
func bringLayout(ctx context.Context, st *store.Store, dir, ref string) (digest.Digest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	l := &layout{ctx, root, st}
	b, err := l.read(ocispec.ImageIndexFile, maxLayoutIndex)
	if err != nil {
		return "", err
	}
	var index ocispec.Index
	if err := json.Unmarshal(b, &index); err != nil {
		return "", fmt.Errorf("%s: %w", ocispec.ImageIndexFile, err)
	}
	d, err := chooseInLayout(index.Manifests, ref)
	if err != nil {
		return "", err
	}
	return d.Digest, l.bring(d, 0)
}

// chooseInLayout finds an image by its name, its tag or its digest; without any of them
// the only one.
func chooseInLayout(list []ocispec.Descriptor, ref string) (ocispec.Descriptor, error) {
	var names []string
	var exact, tagged []ocispec.Descriptor
	for _, d := range list {
		name := d.Annotations[ocispec.AnnotationRefName]
		switch {
		case name != "" && (name == ref || name == ref+":latest") || d.Digest.String() == ref:
			exact = append(exact, d)
		case ref == "" || strings.HasSuffix(name, ":"+ref):
			tagged = append(tagged, d)
		}
		if name == "" {
			name = d.Digest.String()
		}
		names = append(names, name)
	}
	switch {
	case len(exact) > 0:
		return exact[0], nil
	case len(tagged) == 1:
		return tagged[0], nil
	case len(tagged) > 1:
		return ocispec.Descriptor{}, fmt.Errorf("it holds several images: add : and one of %q", names)
	case ref == "":
		return ocispec.Descriptor{}, errors.New("it holds no image")
	}
	return ocispec.Descriptor{}, fmt.Errorf("it has no image %q, only %q", ref, names)
}

func (l *layout) read(name string, limit int64) ([]byte, error) {
	f, err := l.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return b, err
}

// bring copies a manifest or an index and what it leads to. Of an index, images that the
// layout lacks are left out.
func (l *layout) bring(d ocispec.Descriptor, depth int) error {
	if depth > maxLayoutDepth {
		return fmt.Errorf("index %s is nested too deeply", d.Digest)
	}
	if err := l.copy(d); err != nil {
		return err
	}
	b, err := l.st.ReadBlob(l.ctx, d, maxLayoutManifest)
	if err != nil {
		return err
	}
	var m struct {
		Manifests []ocispec.Descriptor `json:"manifests"`
		Config    ocispec.Descriptor   `json:"config"`
		Layers    []ocispec.Descriptor `json:"layers"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	for _, child := range m.Manifests {
		if err := l.bring(child, depth+1); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if m.Manifests != nil {
		return nil
	}
	for _, blob := range append([]ocispec.Descriptor{m.Config}, m.Layers...) {
		if err := l.copy(blob); err != nil {
			return err
		}
	}
	return nil
}

// copy puts a blob into the store, which holds it against its digest.
func (l *layout) copy(d ocispec.Descriptor) (err error) {
	if err := d.Digest.Validate(); err != nil {
		return fmt.Errorf("digest %.100q: %w", d.Digest, err)
	}
	if l.st.Has(d.Digest) {
		return nil
	}
	f, err := l.root.Open("blobs/" + d.Digest.Algorithm().String() + "/" + d.Digest.Encoded())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("it lacks the blob %s: %w", d.Digest, fs.ErrNotExist)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return ingest(l.ctx, l.st, f, d)
}

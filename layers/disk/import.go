package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"

	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
)

// lockPoll is how often a wait for another process looks again.
const lockPoll = 100 * time.Millisecond

// importer brings the layers of a chain into the form of the Windows container
// storage. The two functions are Windows' own; all that decides is here.
type importer struct {
	st   *store.Store
	root string // the folder of all imported layers
	// layer imports one tar into the folder dir over parents, the nearest first.
	layer func(ctx context.Context, tar io.Reader, dir string, parents []string) error
	// destroy takes a layer's folder apart.
	destroy func(dir string) error
}

// imported is one layer's place in the container storage. Its folder is called
// after the chain that it ends: Windows makes a layer's identity of that name and
// writes it into every layer above, so that the folder can never be renamed and
// the same layer over other parents needs another one.
type imported struct {
	layer   view.Layer
	dir     string
	parents []string // the nearest first
}

// plan lists where the layers of a chain go, base first.
func plan(root string, chain []view.Layer) []imported {
	ids := make([]digest.Digest, len(chain))
	for i, l := range chain {
		ids[i] = l.DiffID
	}
	var list []imported
	for i, id := range identity.ChainIDs(ids) {
		l := imported{layer: chain[i], dir: filepath.Join(root, id.Encoded())}
		for _, below := range slices.Backward(list) {
			l.parents = append(l.parents, below.dir)
		}
		list = append(list, l)
	}
	return list
}

// run imports what is not there yet and returns the layers' folders, base first.
// One process at a time does it, because imports that share a base change it.
func (im *importer) run(ctx context.Context, chain []view.Layer) ([]string, error) {
	if err := os.MkdirAll(im.root, 0o755); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(im.root, "lock"))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("wait for another import: %w", err)
	}
	defer lock.Close()
	var dirs []string
	for _, l := range plan(im.root, chain) {
		if err := im.ensure(ctx, l); err != nil {
			return nil, fmt.Errorf("import layer %s: %w", l.layer.DiffID, err)
		}
		dirs = append(dirs, l.dir)
	}
	return dirs, nil
}

// ensure imports a layer unless its mark says that it is complete. What a killed
// import has left is destroyed first.
func (im *importer) ensure(ctx context.Context, l imported) error {
	mark := l.dir + ".complete"
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	if _, err := os.Lstat(l.dir); err == nil {
		if err := im.destroy(l.dir); err != nil {
			return fmt.Errorf("remove an unfinished one: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := im.stream(ctx, l); err != nil {
		if _, serr := os.Lstat(l.dir); serr == nil {
			err = errors.Join(err, im.destroy(l.dir))
		}
		return err
	}
	return store.WriteFile(mark, func(*os.File) error { return nil })
}

// stream imports a layer from its blob. The tar is read to its very end, behind
// which Windows does not look, and hashed: a damaged blob leaves no layer.
func (im *importer) stream(ctx context.Context, l imported) (err error) {
	blob, err := im.st.Blob(ctx, l.layer.Desc)
	if err != nil {
		return err
	}
	defer blob.Close()
	tar, err := pack.Decompress(blob, l.layer.Desc.MediaType)
	if err != nil {
		return err
	}
	defer tar.Close()
	sum := digest.SHA256.Digester()
	hashed := io.TeeReader(tar, sum.Hash())
	if err := im.layer(ctx, hashed, l.dir, l.parents); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, hashed); err != nil {
		return err
	}
	if got := sum.Digest(); got != l.layer.DiffID {
		return fmt.Errorf("%w: its content is %s", store.ErrCorrupt, got)
	}
	return nil
}

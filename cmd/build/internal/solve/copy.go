package solve

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/cache"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/view"
)

// item is one file or folder that a COPY takes.
type item struct {
	name       string // relative to the destination folder, slash-separated; "" for the folder itself
	from       string // the source, for messages
	dir        bool
	size       int64
	digest     [32]byte
	id         cache.FileID // of a file of the context that keeps its digest as long as it has this identity; else zero
	attributes uint32       // of a file of an image, or that a file is to get
	link       *link        // of a symbolic link
	open       func() (io.ReadCloser, error)
}

// link is where a symbolic link leads.
type link struct {
	target string // a Windows path, as written
	dir    bool   // to a directory
}

// copy makes the layer of a COPY or ADD.
func (s *solver) copy(p *plan.Stage, st *state, step *plan.Step) (view.Layer, How, error) {
	c := step.Copy
	items, dir, err := s.sources(p, c)
	if err != nil {
		return view.Layer{}, Empty, fmt.Errorf("%s: %w", verb(c), err)
	}
	h := s.key("copy", st)
	h.Field("dest", c.Dest)
	h.Field("dir", strconv.FormatBool(dir))
	h.Field("owner", c.Owner)
	var text []byte
	for i := range items {
		text = items[i].describe(text[:0])
		h.Field("item", string(text))
		if l := items[i].link; l != nil {
			h.Field("link", fmt.Sprintf("%t %s", l.dir, l.target))
		}
	}
	layer, how, err := s.cached(st.fresh, h, func() (view.Layer, error) { return s.copyItems(st, c, items, dir) })
	if err != nil {
		return layer, how, fmt.Errorf("%s: %w", verb(c), err)
	}
	return layer, how, nil
}

// describe appends what a layer gets of the item, but for a link's target. There may be many of them.
func (it *item) describe(b []byte) []byte {
	b = append(strconv.AppendBool(b, it.dir), ' ')
	b = append(strconv.AppendInt(b, it.size, 10), ' ')
	b = append(strconv.AppendUint(b, uint64(it.attributes), 10), ' ')
	b = append(b, it.digest[:]...)
	return append(b, it.name...)
}

func verb(c *plan.Copy) string {
	if c.Add {
		return "ADD"
	}
	return "COPY"
}

// content is a file whose text stands in the Containerfile.
func content(name, text string) item {
	return item{name: name, from: "<<" + name, size: int64(len(text)), digest: sha256.Sum256([]byte(text)), open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	}}
}

// twins refuses names that are the same for Windows but differ here.
func twins(items []item) error {
	seen := map[string]string{}
	for _, it := range items {
		key := nt.Fold(it.name)
		if other, ok := seen[key]; ok && other != it.name {
			return fmt.Errorf("%s and %s are the same name on Windows", other, it.name)
		}
		seen[key] = it.name
	}
	return nil
}

// copyItems writes the layer. A Scratch works out its entries: which spelling a
// directory has below, what is to be replaced, which rights a new file gets. The
// contents go from the source straight into the layer.
func (s *solver) copyItems(st *state, c *plan.Copy, items []item, dir bool) (l view.Layer, err error) {
	owner := nt.SID("")
	if c.Owner != "" {
		if owner, err = nt.ParseSID(c.Owner); err != nil {
			return view.Layer{}, err
		}
	}
	sc, err := s.scratch(st, owner)
	if err != nil {
		return view.Layer{}, err
	}
	defer func() { err = errors.Join(err, sc.Close()) }()
	if f, err := sc.Resolve(c.Dest); err == nil && f.IsDir() {
		dir = true
	}
	p := placing{sc: sc, dest: c.Dest, dir: dir, content: make(map[string]*item, len(items))}
	for i := range items {
		if err := s.ctx.Err(); err != nil {
			return view.Layer{}, err
		}
		if err := p.place(&items[i]); err != nil {
			return view.Layer{}, err
		}
	}
	changes := sc.Changes()
	if len(changes) == 0 {
		return view.Layer{}, nil
	}
	return s.writeLayer(func(w *pack.Writer) error { return writeChanges(w, changes, sc.Time(), p.content) })
}

// writeLayer makes a layer out of chunks that earlier layers have, as far as it can.
func (s *solver) writeLayer(fill func(*pack.Writer) error) (l view.Layer, err error) {
	chunks, err := s.Cache.Chunks(s.ctx)
	if err != nil {
		return view.Layer{}, err
	}
	defer func() { err = errors.Join(err, chunks.Close()) }()
	var packed *pack.Writer
	l, err = image.WriteLayer(s.ctx, s.Store, compression, func(w *pack.Writer) error {
		packed = w
		w.Reuse(chunks.Get)
		return fill(w)
	})
	if err != nil {
		return view.Layer{}, err
	}
	return l, s.Cache.KeepChunks(l.Desc.Digest, packed.Chunks())
}

// placing puts items into a Scratch.
type placing struct {
	sc      *view.Scratch
	dest    string
	dir     bool             // dest is a directory
	content map[string]*item // of the files, by their paths
	made    string           // the directory that the last file went into, which the next most often does too
}

// place makes the entry of one item; of files the content is kept for later.
func (p *placing) place(it *item) error {
	if err := checkNames(it); err != nil {
		return err
	}
	sc, to := p.sc, p.dest
	if p.dir {
		to = strings.Trim(path.Join(p.dest, it.name), "/")
	}
	if it.dir {
		return sc.MkdirAll(to)
	}
	if i := strings.LastIndexByte(to, '/'); i > 0 && to[:i] != p.made {
		if err := sc.MkdirAll(to[:i]); err != nil {
			return err
		}
		p.made = to[:i]
	}
	old, err := sc.Lookup(to)
	switch {
	case err == nil && old.IsDir():
		return fmt.Errorf("%s: the image has a directory %s", it.from, nt.Win(old.Path))
	case err == nil:
		err = sc.Remove(to)
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return err
	}
	if it.link != nil {
		return sc.Symlink(it.link.target, to, it.link.dir)
	}
	f, err := sc.Create(to, it.attributes)
	if err != nil {
		return err
	}
	p.content[f.Path] = it
	return nil
}

// checkNames refuses names that Windows cannot have.
func checkNames(it *item) error {
	if it.name == "" {
		return nil
	}
	for name := range strings.SplitSeq(it.name, "/") {
		if err := nt.ValidateName(name); err != nil {
			return fmt.Errorf("%s: %w", it.from, err)
		}
	}
	return nil
}

// writeChanges writes the entries with their contents, and the empty Hives.
func writeChanges(w *pack.Writer, changes []view.Change, t nt.Filetime, content map[string]*item) error {
	for _, change := range changes {
		e := *change.Entry
		if e.Kind != layers.File {
			if err := w.WriteEntry(&e, nil); err != nil {
				return err
			}
			continue
		}
		it, ok := content[change.File.Path]
		if !ok {
			return fmt.Errorf("write %s: its content is not known", nt.Win(change.File.Path))
		}
		e.Size = it.size
		if err := it.write(w, &e); err != nil {
			return fmt.Errorf("%s: %w", it.from, err)
		}
	}
	return w.WriteEntry(&layers.Entry{Name: "Hives", Kind: layers.Dir, Attributes: layers.DefaultDir, Created: t, Modified: t, Accessed: t, Changed: t}, nil)
}

// write streams a file into the layer and makes sure that it is still the one
// whose digest the cache goes by.
func (it *item) write(w *pack.Writer, e *layers.Entry) error {
	r, err := it.open()
	if err != nil {
		return err
	}
	defer r.Close()
	if f, ok := r.(*os.File); ok && it.unchanged(f) {
		if err := w.WriteKnown(e, io.LimitReader(f, it.size), it.digest); err != nil {
			return err
		}
		if !it.unchanged(f) {
			return errChanged
		}
		return nil
	}
	h := &hashing{r, sha256.New()}
	if err := w.WriteKnown(e, io.LimitReader(h, it.size), it.digest); err != nil {
		return err
	}
	if !bytes.Equal(h.h.Sum(nil), it.digest[:]) {
		return errChanged
	}
	return nil
}

var errChanged = errors.New("the file has changed during the build")

// unchanged reports whether an open file is sure to hold what the item's digest is
// of, without reading it.
func (it *item) unchanged(f *os.File) bool {
	id, ok := identify(f)
	return ok && id == it.id
}

// hashing hashes what is read through it.
type hashing struct {
	r io.Reader
	h hash.Hash
}

func (h *hashing) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.h.Write(p[:n])
	return n, err
}

package solve

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mullion/mullion/layers/cache"
)

// walking lists a part of the context: first everything by name and identity, then the digests of those files that are
// not known to be what they were.
type walking struct {
	c    *Context
	list []item
	todo []int // of list, the files to read
}

// walk lists what COPY takes from a file or folder. A folder stands for what is in it.
func (c *Context) walk(name string) ([]item, error) {
	info, err := c.root.Stat(name)
	if err != nil {
		return nil, outside(name, err)
	}
	w := &walking{c: c}
	if info.IsDir() {
		w.list = append(w.list, item{dir: true})
		err = w.folder(name, "")
	} else {
		err = w.file(name, path.Base(name), info)
	}
	if err != nil {
		return nil, err
	}
	if err := w.read(); err != nil {
		return nil, err
	}
	return w.list, nil
}

// folder lists what is in a folder of the context.
func (w *walking) folder(name, rel string) error {
	entries, err := w.c.readDir(name)
	if err != nil {
		return outside(name, err)
	}
	for _, d := range entries {
		p, r := path.Join(name, d.Name()), strings.TrimPrefix(rel+"/"+d.Name(), "/")
		skip, err := w.c.ignored(p)
		if err != nil {
			return err
		}
		switch {
		case skip && (!d.IsDir() || !w.c.ignore.Exclusions()):
			continue
		case d.IsDir():
			if !skip {
				w.list = append(w.list, item{name: r, from: p, dir: true})
			}
			err = w.folder(p, r)
		default:
			err = w.entry(p, r, d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readDir lists a folder, sorted by name. What is in it has been looked at already, which os.Root does for its folders.
func (c *Context) readDir(name string) ([]fs.DirEntry, error) {
	f, err := c.root.Open(name)
	if err != nil {
		return nil, err
	}
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, errors.Join(err, f.Close())
}

// entry lists a file, or a link, which counts as the file it leads to.
func (w *walking) entry(name, rel string, d fs.DirEntry) error {
	info, err := d.Info()
	if err == nil && d.Type() == fs.ModeSymlink {
		info, err = w.c.root.Stat(name)
	}
	if err != nil {
		return outside(name, err)
	}
	return w.file(name, rel, info)
}

func (w *walking) file(name, rel string, info fs.FileInfo) error {
	if info.IsDir() {
		return fmt.Errorf("%s: links to folders are not supported yet", name)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is neither a file nor a folder (%s)", name, info.Mode().Type())
	}
	it := item{name: rel, from: name, size: info.Size(), open: func() (io.ReadCloser, error) { return w.c.opener.open(name) }}
	known := false
	if id, ok := cache.IDOf(info); ok && w.c.files != nil {
		if it.digest, known = w.c.files.Digest(name, id); known {
			it.id = id
		}
	}
	if !known {
		w.todo = append(w.todo, len(w.list))
	}
	w.list = append(w.list, it)
	return nil
}

// batch is how many files one goroutine reads at a time: neighbours, which lie in one folder.
const batch = 32

// read computes the digests that are not known, on all cores, and remembers them.
func (w *walking) read() error {
	if len(w.todo) == 0 {
		return nil
	}
	var next atomic.Int64
	var g errgroup.Group
	for range min(runtime.GOMAXPROCS(0), (len(w.todo)+batch-1)/batch) {
		g.Go(func() error {
			o := opener{root: w.c.root}
			defer o.close()
			buf := make([]byte, 256<<10)
			for {
				from := int(next.Add(batch)) - batch
				if from >= len(w.todo) {
					return nil
				}
				for _, i := range w.todo[from:min(from+batch, len(w.todo))] {
					if err := w.c.sum(&w.list[i], &o, buf); err != nil {
						return err
					}
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if w.c.files == nil {
		return nil
	}
	return w.c.files.Save()
}

// sum reads a file for its size and digest.
func (c *Context) sum(it *item, o *opener, buf []byte) error {
	f, err := o.open(it.from)
	if err != nil {
		return outside(it.from, err)
	}
	defer f.Close()
	start := time.Now()
	before, ok := identify(f)
	h := sha256.New()
	if it.size, err = io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, buf); err != nil {
		return outside(it.from, err)
	}
	h.Sum(it.digest[:0])
	if after, _ := identify(f); ok && after == before && before.Settled(start) {
		it.id = before
		if c.files != nil {
			c.files.Put(it.from, before, start, it.digest)
		}
	}
	return nil
}

// identify returns the identity of an open file, if it has one.
func identify(f *os.File) (cache.FileID, bool) {
	info, err := f.Stat()
	if err != nil {
		return cache.FileID{}, false
	}
	return cache.IDOf(info)
}

// opener opens files of the context. It keeps the folder of the last one open, because the next is most often its
// neighbour and os.Root goes down from the root step by step.
type opener struct {
	root *os.Root

	mu     sync.Mutex
	name   string
	folder *folderHandle // nil for none
}

// open opens a file. After an error there is none to close.
func (o *opener) open(name string) (*os.File, error) {
	dir, base := path.Split(name)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.folder == nil || o.name != dir {
		o.drop()
		sub, err := openFolder(o.root, path.Clean(dir))
		if err != nil {
			return nil, err
		}
		o.name, o.folder = dir, sub
	}
	f, err := o.folder.open(base)
	if err != nil { // a link may lead out of the folder
		return o.root.Open(name)
	}
	return f, nil
}

func (o *opener) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop()
}

func (o *opener) drop() {
	if o.folder != nil {
		_ = o.folder.close() // nothing was written through it
		o.folder = nil
	}
}

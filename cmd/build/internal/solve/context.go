package solve

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// Context is the folder that COPY reads from. Nothing outside of it can be
// reached, not even through links.
type Context struct {
	root   *os.Root
	ignore *patternmatcher.PatternMatcher
	source string // the name of the ignore file, "" if there is none
}

// maxIgnore bounds the text of an ignore file, in bytes.
const maxIgnore = 1 << 20

// OpenContext opens a build context. ignoreFiles are the candidates for the ignore
// file, best first: each is a path in the context, or opened by the function that
// goes with it.
func OpenContext(dir string, ignoreFiles ...IgnoreFile) (*Context, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the build context: %w", err)
	}
	c := &Context{root: root}
	for _, f := range ignoreFiles {
		found, err := c.readIgnore(f)
		if err != nil {
			return nil, errors.Join(err, root.Close())
		}
		if found {
			break
		}
	}
	return c, nil
}

// IgnoreFile is a candidate for the list of files that a build does not see.
type IgnoreFile struct {
	Name string
	// Open opens a file outside of the context; nil for one in it.
	Open func() (io.ReadCloser, error)
}

func (c *Context) readIgnore(f IgnoreFile) (found bool, err error) {
	open := f.Open
	if open == nil {
		open = func() (io.ReadCloser, error) { return c.root.Open(f.Name) }
	}
	r, err := open()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer r.Close()
	patterns, err := ignorefile.ReadAll(io.LimitReader(r, maxIgnore))
	if err != nil {
		return false, fmt.Errorf("read %s: %w", f.Name, err)
	}
	for i, p := range patterns {
		patterns[i] = strings.ReplaceAll(p, `\`, "/")
	}
	c.ignore, err = patternmatcher.New(patterns)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", f.Name, err)
	}
	c.source = f.Name
	return true, nil
}

// Close closes the context.
func (c *Context) Close() error { return c.root.Close() }

// ignored tells whether a file is not part of the context.
func (c *Context) ignored(name string) (bool, error) {
	if c.ignore == nil || name == "." {
		return false, nil
	}
	return c.ignore.MatchesOrParentMatches(name)
}

// find lists what a source names: a file or folder, or the matches of a pattern,
// sorted.
func (c *Context) find(source string) ([]string, error) {
	if source == "" {
		return []string{"."}, nil
	}
	names := []string{source}
	if _, err := c.root.Lstat(source); err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			return nil, outside(source, err)
		}
		if names, err = fs.Glob(c.root.FS(), source); err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
	}
	var list []string
	for _, name := range names {
		skip, err := c.ignored(name)
		if err != nil {
			return nil, err
		}
		// An ignored folder may hold files that an exception of the ignore file names.
		if info, err := c.root.Stat(name); skip && (err != nil || !info.IsDir() || !c.ignore.Exclusions()) {
			continue
		}
		list = append(list, name)
	}
	switch {
	case len(names) > 0 && len(list) == 0:
		return nil, fmt.Errorf("%s is left out of the build context by %s", source, c.source)
	case len(list) == 0:
		return nil, &notFoundError{source, "the build context"}
	}
	return list, nil
}

// outside explains os.Root's refusal.
func outside(name string, err error) error {
	if strings.Contains(err.Error(), "escapes") {
		return fmt.Errorf("%s leads out of the build context", name)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// walk lists what COPY takes from a file or folder. A folder stands for what is
// in it.
func (c *Context) walk(name string) ([]item, error) {
	info, err := c.root.Stat(name)
	if err != nil {
		return nil, outside(name, err)
	}
	if !info.IsDir() {
		it, err := c.item(name, path.Base(name))
		return []item{it}, err
	}
	var list []item
	err = fs.WalkDir(c.root.FS(), name, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return outside(p, err)
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(p, name), "/")
		if name == "." {
			rel = p
		}
		if p == name {
			list = append(list, item{dir: true})
			return nil
		}
		skip, err := c.ignored(p)
		if err != nil {
			return err
		}
		if skip {
			if d.IsDir() && !c.ignore.Exclusions() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			list = append(list, item{name: rel, from: p, dir: true})
			return nil
		}
		it, err := c.item(p, rel)
		list = append(list, it)
		return err
	})
	return list, err
}

// item describes a file of the context. A link counts as the file it leads to.
func (c *Context) item(name, rel string) (item, error) {
	info, err := c.root.Stat(name)
	if err != nil {
		return item{}, outside(name, err)
	}
	if info.IsDir() {
		return item{}, fmt.Errorf("%s: links to folders are not supported yet", name)
	}
	if !info.Mode().IsRegular() {
		return item{}, fmt.Errorf("%s is neither a file nor a folder (%s)", name, info.Mode().Type())
	}
	it := item{name: rel, from: name, size: info.Size(), open: func() (io.ReadCloser, error) {
		f, err := c.root.Open(name)
		if err != nil {
			return nil, err
		}
		return f, nil
	}}
	it.digest, it.head, err = sum(it.open)
	return it, err
}

// sum reads a file for its digest and the bytes it starts with.
func sum(open func() (io.ReadCloser, error)) (digest [32]byte, head []byte, err error) {
	r, err := open()
	if err != nil {
		return digest, nil, err
	}
	defer r.Close()
	h := sha256.New()
	head = make([]byte, 512)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return digest, nil, err
	}
	h.Write(head[:n])
	if _, err := io.Copy(h, r); err != nil {
		return digest, nil, err
	}
	h.Sum(digest[:0])
	return digest, head[:n], nil
}

package solve

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/mullion/mullion/layers/cache"
)

// Context is the folder that COPY reads from. Nothing outside of it can be
// reached, not even through links.
type Context struct {
	root   *os.Root
	dir    string // its absolute path, by which its files are remembered
	opener opener
	files  *cache.Files // nil: nothing is remembered
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
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the build context: %w", err), root.Close())
	}
	c := &Context{root: root, dir: abs, opener: opener{root: root}}
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
func (c *Context) Close() error {
	c.opener.close()
	return c.root.Close()
}

// remember makes the context read only those files again that are not known to be what they were.
func (c *Context) remember(all *cache.Cache) {
	if c.files == nil {
		c.files = all.Files(c.dir)
	}
}

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

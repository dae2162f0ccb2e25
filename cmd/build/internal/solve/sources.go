package solve

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/moby/patternmatcher"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
)

// maxItems bounds the number of files and folders of one COPY or ADD.
const maxItems = 4 << 20

// tree is where COPY reads from: a folder, or the files of an image.
type tree interface {
	find(source string) ([]string, error)
	walk(name string) ([]item, error)
}

// notFoundError is that of a source that names nothing.
type notFoundError struct{ source, where string }

func (e *notFoundError) Error() string { return e.source + ": not found in " + e.where }

// notFound reports whether err is that of a pattern that matches nothing, which is no
// error if another source is there.
func notFound(src string, err error) bool {
	var e *notFoundError
	return strings.ContainsAny(src, "*?[") && errors.As(err, &e)
}

// sources lists what is to be copied, and says whether it goes into a directory.
func (s *solver) sources(p *plan.Stage, c *plan.Copy) (items []item, dir bool, err error) {
	g := &gathering{s: s, c: c, dir: c.Dir}
	if len(c.Exclude) > 0 {
		if g.exclude, err = patternmatcher.New(c.Exclude); err != nil {
			return nil, false, containerfile.Mark("--exclude", fmt.Errorf("--exclude: %w", err))
		}
	}
	for _, src := range c.Sources {
		if err := g.source(p, src); err != nil {
			return nil, false, containerfile.Mark(src, containerfile.Mark(path.Base(src), err))
		}
	}
	for _, text := range c.Contents {
		g.matches, g.files = g.matches+1, g.files+1
		g.items = append(g.items, content(text.Name, text.Data))
	}
	if g.matches == 0 {
		return nil, false, containerfile.Mark(path.Base(c.Sources[0]), fmt.Errorf("%s: not found in %s", strings.Join(c.Sources, " "), where(c)))
	}
	if g.matches > 1 && g.files > 0 && !c.Dir {
		return nil, false, fmt.Errorf(`%d sources match; the destination must then end with a slash`, g.matches)
	}
	if c.ReadOnly {
		for i := range g.items {
			if it := &g.items[i]; !it.dir {
				it.attributes = it.attributes&^layers.AttrNormal | layers.AttrArchive | layers.AttrReadOnly
			}
		}
	}
	return g.items, g.dir, twins(g.items)
}

// where names the place that sources are looked for in.
func where(c *plan.Copy) string {
	if c.FromStage != nil || c.FromImage != "" {
		return "the image to copy from"
	}
	return "the build context"
}

// gathering collects the items of a COPY.
type gathering struct {
	s       *solver
	c       *plan.Copy
	exclude *patternmatcher.PatternMatcher
	dir     bool // the destination is a directory
	matches int
	files   int // matches that are files
	items   []item
}

// source adds what one source names.
func (g *gathering) source(p *plan.Stage, src string) error {
	switch {
	case g.c.Add && plan.GitSource(src):
		return g.git(src)
	case g.c.Add && plan.Remote(src):
		return g.download(src)
	}
	t, err := g.s.tree(p, g.c)
	if err != nil {
		return err
	}
	if g.c.Parents {
		return g.parents(t, src)
	}
	names, err := t.find(src)
	if err != nil {
		if notFound(src, err) {
			return nil
		}
		return err
	}
	for _, name := range names {
		list, err := t.walk(name)
		if err != nil {
			return err
		}
		if err := g.add(list); err != nil {
			return err
		}
	}
	return nil
}

// add takes a file, or a folder and what is in it.
func (g *gathering) add(list []item) error {
	if len(list) == 0 {
		return nil
	}
	g.matches++
	switch {
	case list[0].dir:
		g.dir = true
	case g.c.Add && !g.c.Whole:
		members, err := g.unpack(&list[0])
		if err != nil {
			return err
		}
		if members != nil {
			g.dir = true
			return g.keep(members)
		}
		g.files++
	default:
		g.files++
	}
	return g.keep(list)
}

// keep adds those items that are not excluded.
func (g *gathering) keep(list []item) error {
	if g.exclude == nil {
		if g.items == nil {
			g.items = list // which is most often all
		} else {
			g.items = append(g.items, list...)
		}
		return g.bound()
	}
	for _, it := range list {
		if it.name != "" {
			out, err := g.exclude.MatchesOrParentMatches(it.name)
			if err != nil {
				return err
			}
			if out {
				continue
			}
		}
		g.items = append(g.items, it)
	}
	return g.bound()
}

func (g *gathering) bound() error {
	if len(g.items) > maxItems {
		return fmt.Errorf("more than %d files", maxItems)
	}
	return nil
}

// parents adds what a source names under its folders: all of them, or those after
// "/./". A component "**" stands for any number of folders.
func (g *gathering) parents(t tree, src string) error {
	root, rest, pivot := strings.Cut(src, "/./")
	if !pivot {
		root, rest = "", src
	}
	depth := 0
	if root != "" {
		depth = strings.Count(root, "/") + 1
	}
	parts := strings.Split(strings.TrimPrefix(root+"/"+rest, "/"), "/")
	fixed := len(parts)
	for i, part := range parts {
		if part == "**" {
			fixed = i
			break
		}
	}
	names, err := t.find(strings.Join(parts[:fixed], "/"))
	if err != nil {
		if notFound(src, err) {
			return nil
		}
		return err
	}
	for _, name := range names {
		list, err := t.walk(name)
		if err != nil {
			return err
		}
		list, err = below(list, name, depth, parts[fixed:])
		if err != nil {
			return err
		}
		if len(list) == 0 {
			continue
		}
		g.matches++
		if err := g.keep(list); err != nil {
			return err
		}
	}
	return nil
}

// below puts items under the folders of name, but for the first depth of them, and
// leaves out those that do not match the pattern.
func below(list []item, name string, depth int, pattern []string) ([]item, error) {
	parts := strings.Split(strings.TrimPrefix(name, "."), "/")
	prefix := strings.Join(parts[min(depth, len(parts)):], "/")
	var match *patternmatcher.PatternMatcher
	if len(pattern) > 0 {
		var err error
		if match, err = patternmatcher.New([]string{nt.Fold(strings.Join(pattern, "/"))}); err != nil {
			return nil, err
		}
	}
	single := len(list) == 1 && !list[0].dir // its name is the last component of prefix
	var out []item
	for _, it := range list {
		if match != nil {
			ok, err := match.MatchesOrParentMatches(nt.Fold(it.name))
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
		}
		if single {
			it.name = prefix
		} else {
			it.name = strings.Trim(path.Join(prefix, it.name), "/")
		}
		if single && prefix == "" {
			it.name = path.Base(name)
		}
		out = append(out, it)
	}
	return out, nil
}

// tree gives the place that COPY reads from.
func (s *solver) tree(p *plan.Stage, c *plan.Copy) (tree, error) {
	switch {
	case c.FromStage != nil:
		v, err := s.open(s.result(*c.FromStage))
		return files{v}, err
	case c.FromImage != "":
		img, err := s.image(c.FromImage, p.Base.Platform)
		if err != nil {
			return nil, err
		}
		v, err := img.View(s.ctx, s.Store)
		return files{v}, err
	case c.FromContext != "":
		if f, ok := s.Contexts[c.FromContext]; ok {
			return f, nil
		}
		return nil, fmt.Errorf("there is no build context %s", c.FromContext)
	case s.Context == nil:
		return nil, errors.New("there is no build context")
	}
	return s.Context, nil
}

// head reads the first bytes of a file.
func head(it *item) ([]byte, error) {
	r, err := it.open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b := make([]byte, 512)
	n, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return b[:n], err
}

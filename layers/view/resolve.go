package view

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
)

// maxLinks is how many links Windows follows in one path.
const maxLinks = 63

var (
	errNotDir = errors.New("not a directory")
	errIsDir  = errors.New("is a directory")
	errNoFile = errors.New("is not a file")
	errLinks  = fmt.Errorf("more than %d links on the way", maxLinks)
)

// step is what resolve must know about a place: the spelling of its name and what stands there.
type step struct {
	name  string
	entry *layers.Entry
}

// resolve walks from root along path and returns where it ends and the path of that place with every link on the way
// replaced. It follows a link at the end only if final is set. child finds a name in a directory, in any case.
func resolve[P any](root P, child func(P, string) (P, step, bool), path string, final bool) (P, string, error) {
	var none P
	rest, at, here, links := path, "", root, 0
	dir := true
	for rest != "" {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if !dir {
			return none, "", fs.ErrNotExist
		}
		next, s, ok := child(here, name)
		if !ok {
			return none, "", fs.ErrNotExist
		}
		if s.entry.Kind == layers.Symlink && (rest != "" || final) {
			if links++; links > maxLinks {
				return none, "", errLinks
			}
			target, err := linkTarget(at, s.entry)
			if err != nil {
				return none, "", err
			}
			rest, at, here = joinRest(target, rest), "", root
			continue
		}
		at, here, dir = join(at, s.name), next, s.entry.IsDir()
	}
	return here, at, nil
}

func joinRest(target, rest string) string {
	if target == "" || rest == "" {
		return target + rest
	}
	return target + "/" + rest
}

// linkTarget turns what a link in dir says into a path below C:\. Targets outside are like missing ones.
func linkTarget(dir string, e *layers.Entry) (string, error) {
	target := e.Target
	for _, prefix := range []string{`\\?\`, `\??\`} {
		if t, ok := strings.CutPrefix(target, prefix); ok && !strings.HasPrefix(t, `UNC\`) {
			target = t
		}
	}
	path, err := nt.Rel(nt.Win(dir), target)
	if err != nil {
		return "", fmt.Errorf("link to %s: %w", e.Target, fs.ErrNotExist)
	}
	return path, nil
}

func pathError(op, path string, err error) error {
	return &fs.PathError{Op: op, Path: nt.Win(path), Err: err}
}

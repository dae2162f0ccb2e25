package cmdexe

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
)

// arguments takes a built-in's text apart: words without their quotes, and
// options, which start with a slash outside quotes, in lower case with the slash.
func arguments(text string) (words, options []string) {
	var b strings.Builder
	quoted, started := false, false
	flush := func() {
		if s := b.String(); started {
			if strings.HasPrefix(s, "/") {
				options = append(options, strings.ToLower(s))
			} else {
				words = append(words, unquote(s))
			}
		}
		b.Reset()
		started = false
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case !quoted && strings.IndexByte(delims, c) >= 0:
			flush()
			continue
		case !quoted && c == '/':
			flush()
		case c == '"':
			quoted = !quoted
		}
		b.WriteByte(c)
		started = true
	}
	flush()
	return words, options
}

// unquote removes all quotes.
func unquote(s string) string { return strings.ReplaceAll(s, `"`, "") }

// only reports whether every option is one of the allowed.
func only(options []string, allowed ...string) bool {
	for _, o := range options {
		known := false
		for _, a := range allowed {
			known = known || o == a
		}
		if !known {
			return false
		}
	}
	return true
}

// has reports whether an option was given.
func has(options []string, want string) bool {
	for _, o := range options {
		if o == want {
			return true
		}
	}
	return false
}

// find looks a file or directory up. What cannot be a path in the image is not
// there.
func (s *shell) find(path string) (*view.File, bool) {
	cpath, err := s.p.Path(path)
	if err != nil {
		return nil, false
	}
	f, err := s.p.Files.Resolve(cpath)
	return f, err == nil
}

// glob lists what a path with * and ? in its last component names, in the order
// of the directory; dir is false if there is no such directory.
func (s *shell) glob(pattern string) (found []*view.File, dir bool) {
	parent, last := "", pattern
	if i := strings.LastIndexAny(pattern, `\/:`); i >= 0 {
		parent, last = pattern[:i+1], pattern[i+1:]
	}
	if strings.ContainsAny(parent, "*?") {
		return nil, false
	}
	if parent == "" {
		parent = "."
	}
	f, ok := s.find(parent)
	if !ok || !f.IsDir() {
		return nil, false
	}
	list, err := s.p.Files.ReadDir(f.Path)
	if err != nil {
		return nil, false
	}
	for _, f := range list {
		if match(nt.Fold(last), nt.Fold(f.Name())) {
			found = append(found, f)
		}
	}
	return found, true
}

// match holds a name against a pattern of * and ?, both folded. As on Windows,
// "*.*" is everything and a final ".*" or "." also stands for no ending.
func match(pattern, name string) bool {
	if pattern == "*.*" {
		return true
	}
	if !strings.Contains(name, ".") {
		for _, end := range []string{".*", "."} {
			if cut, ok := strings.CutSuffix(pattern, end); ok && wild(cut, name) {
				return true
			}
		}
	}
	return wild(pattern, name)
}

// wild is match without the rules about dots. It never looks back further than
// the last star, so it is linear in practice and quadratic at worst.
func wild(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(n) {
		switch {
		case i < len(p) && (p[i] == '?' || p[i] == n[j]) && p[i] != '*':
			i, j = i+1, j+1
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && (p[i] == '*' || p[i] == '?') {
		i++
	}
	return i == len(p)
}

// failed turns an error of the file system into what a command prints and its
// return code 1. An error that is not the command's fault comes back as it is.
func (s *shell) failed(err error, notFound string) (uint32, error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.p.Complain("%s", notFound)
	case errors.Is(err, fs.ErrExist):
		s.p.Complain("Cannot create a file when that file already exists.")
	case errors.Is(err, fs.ErrPermission):
		s.p.Complain("Access is denied.")
	case errors.Is(err, fs.ErrInvalid):
		s.p.Complain("The filename, directory name, or volume label syntax is incorrect.")
	case errors.Is(err, view.ErrNotEmpty):
		s.p.Complain("The directory is not empty.")
	default:
		return 0, err
	}
	return 1, nil
}

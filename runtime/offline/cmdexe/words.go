package cmdexe

import (
	"errors"
	"io/fs"
	"strings"

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

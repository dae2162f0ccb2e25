package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/cmd/build/internal/solve"
	"github.com/mullion/mullion/cmd/internal/cli"
)

// source is what a build reads: the folder of the context, and the Containerfile.
type source struct {
	dir  string // the context; "" if there is none
	temp string // a folder to remove in the end; "" if there is none
	name string // of the Containerfile, for messages
	path string // of the Containerfile; "" if text has it
	text io.Reader
}

// openSource finds the context and the Containerfile. A context is a folder, a git
// repository, an address of an archive or a Containerfile, or - for one of these two
// on standard input.
func (a *app) openSource(ctx context.Context, where, file string) (s *source, err error) {
	s = &source{}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	switch {
	case where == "-" && file == "-":
		return nil, cli.Usagef("the context and the Containerfile cannot both come from standard input")
	case where == "-":
		err = s.stream(ctx, a.env.Stdin)
	case plan.GitSource(where):
		if err = s.makeTemp(); err == nil {
			s.dir, err = solve.FetchGit(ctx, s.temp, where, "")
		}
		if err == nil {
			err = os.RemoveAll(filepath.Join(s.dir, ".git"))
		}
	case plan.Remote(where):
		err = s.fetch(ctx, where)
	default:
		if info, err := os.Stat(where); err != nil {
			return nil, fmt.Errorf("open the build context: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("open the build context: %s is not a folder", where)
		}
		s.dir = where
	}
	if err != nil {
		return nil, fmt.Errorf("open the build context: %w", err)
	}
	return s, s.find(a, file)
}

// Close removes what was made for the build.
func (s *source) Close() error {
	if s == nil || s.temp == "" {
		return nil
	}
	return os.RemoveAll(s.temp)
}

func (s *source) makeTemp() (err error) {
	s.temp, err = os.MkdirTemp("", "mullion-context-")
	return err
}

// fetch reads an archive or a Containerfile from an address.
func (s *source) fetch(ctx context.Context, address string) error {
	r, w := io.Pipe()
	go func() {
		_, err := solve.Download(ctx, address, w)
		w.CloseWithError(err)
	}()
	defer r.Close()
	return s.stream(ctx, r)
}

// stream takes an archive as the context, or any other text as a Containerfile
// without one.
func (s *source) stream(ctx context.Context, r io.Reader) error {
	if err := s.makeTemp(); err != nil {
		return err
	}
	b := bufio.NewReaderSize(r, 1<<16)
	archive, err := solve.IsArchive(b)
	if err != nil {
		return err
	}
	s.dir = filepath.Join(s.temp, "context")
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return err
	}
	if archive {
		return solve.Extract(ctx, b, s.dir)
	}
	text, err := io.ReadAll(io.LimitReader(b, 4<<20+1))
	s.name, s.text = "Containerfile", strings.NewReader(string(text))
	return err
}

// find finds the Containerfile: standard input, the file of a flag, or that of the
// context. In a context that is no folder of this machine a name is one of the context.
func (s *source) find(a *app, file string) error {
	if s.text != nil {
		return nil
	}
	if file == "-" {
		s.name, s.text = "Containerfile", a.env.Stdin
		return nil
	}
	if file != "" {
		s.name, s.path = file, file
		if s.temp != "" {
			if !filepath.IsLocal(filepath.FromSlash(file)) {
				return fmt.Errorf("%s: is outside the build context", file)
			}
			s.path = filepath.Join(s.dir, filepath.FromSlash(file))
		}
		return nil
	}
	for _, name := range []string{"Containerfile", "Dockerfile"} {
		path := filepath.Join(s.dir, name)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			s.name, s.path = name, path
			return err
		}
	}
	if s.temp != "" {
		return errors.New("the build context has neither Containerfile nor Dockerfile; name one with -f")
	}
	return fmt.Errorf("%s has neither Containerfile nor Dockerfile; name one with -f", s.dir)
}

// parse reads the Containerfile. The file is not nil if only its text is wrong.
func (s *source) parse() (*containerfile.File, error) {
	if s.text != nil {
		return containerfile.Parse(s.name, s.text)
	}
	r, err := s.open(s.path)
	if err != nil {
		return nil, fmt.Errorf("open the Containerfile: %w", err)
	}
	defer r.Close()
	return containerfile.Parse(s.name, r)
}

// open opens the Containerfile or what goes with it. In a context that others have
// made, links lead nowhere else.
func (s *source) open(path string) (*os.File, error) {
	if s.temp == "" {
		return os.Open(path)
	}
	name, err := filepath.Rel(s.dir, path)
	if err != nil {
		return nil, err
	}
	return os.OpenInRoot(s.dir, name)
}

// context opens the folder, seen through the ignore file: that of the Containerfile if
// it has one, else that of the folder.
func (s *source) context() (*solve.Context, error) {
	list := []solve.IgnoreFile{{Name: ".containerignore"}, {Name: ".dockerignore"}}
	if s.path != "" {
		own := solve.IgnoreFile{Name: s.name + ".dockerignore", Open: func() (io.ReadCloser, error) { return s.open(s.path + ".dockerignore") }}
		list = append([]solve.IgnoreFile{own}, list...)
	}
	return solve.OpenContext(s.dir, list...)
}

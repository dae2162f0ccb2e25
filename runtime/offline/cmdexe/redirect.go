package cmdexe

import (
	"bytes"
	"io"
	"strings"

	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// redirected runs f with the streams that the redirections make. A file that
// cannot be opened fails the command without running it.
func (s *shell) redirected(list []redirect, f func() (uint32, error)) (rc uint32, err error) {
	if len(list) == 0 {
		return f()
	}
	in, out, errOut := s.p.Stdin, s.p.Stdout, s.p.Stderr
	var files []*outFile
	defer func() {
		s.p.Stdin, s.p.Stdout, s.p.Stderr = in, out, errOut
		for _, file := range files {
			if ferr := file.flush(); err == nil {
				err = ferr
			}
		}
	}()
	for _, r := range list {
		if r.target, err = s.late(r.target); err != nil {
			return 0, err
		}
		file, ok, err := s.redirect(r)
		if file != nil {
			files = append(files, file)
		}
		if err != nil {
			return 0, err
		}
		if !ok {
			return 1, nil
		}
	}
	return f()
}

// redirect puts one redirection in place; ok is false after a complaint.
func (s *shell) redirect(r redirect) (file *outFile, ok bool, err error) {
	var w io.Writer
	switch {
	case r.op == "<":
		return nil, s.input(r.target), nil
	case r.op == ">&":
		w = s.p.Stdout
		if r.target == "2" {
			w = s.p.Stderr
		}
	case proc.IsNull(unquote(r.target)):
		w = io.Discard
	default:
		if file, ok, err = s.openOut(unquote(r.target), r.op == ">>"); err != nil || !ok {
			return nil, ok, err
		}
		w = file
	}
	switch r.handle {
	case 1:
		s.p.Stdout = w
	case 2:
		s.p.Stderr = w
	}
	return file, true, nil
}

// input opens a file for reading from; its bytes stay where they are until read.
func (s *shell) input(target string) bool {
	target = unquote(target)
	if proc.IsNull(target) {
		s.p.Stdin = strings.NewReader("")
		return true
	}
	f, ok := s.p.Find(target)
	if !ok || f.IsDir() {
		s.p.Complain("The system cannot find the file specified.")
		return false
	}
	s.p.Stdin = &lazyFile{s.p.Files, f, nil}
	return true
}

// lazyFile opens a file at the first read and closes it at its end.
type lazyFile struct {
	files *view.Scratch
	f     *view.File
	r     io.ReadCloser
}

func (l *lazyFile) Read(p []byte) (int, error) {
	if l.r == nil {
		r, err := l.files.Open(l.f)
		if err != nil {
			return 0, err
		}
		l.r = r
	}
	n, err := l.r.Read(p)
	if err != nil {
		l.r.Close()
	}
	return n, err
}

// outFile collects output for a file of the Scratch.
type outFile struct {
	files *view.Scratch
	path  string
	buf   bytes.Buffer
}

// openOut truncates or makes a file; ok is false after a complaint.
func (s *shell) openOut(target string, add bool) (*outFile, bool, error) {
	path, err := s.p.Path(target)
	if err != nil {
		s.p.Complain("The filename, directory name, or volume label syntax is incorrect. (%v)", err)
		return nil, false, nil
	}
	f, err := s.p.Files.Resolve(path)
	switch {
	case err == nil && (f.IsDir() || f.Entry.Attributes&layers.AttrReadOnly != 0):
		s.p.Complain("Access is denied.")
		return nil, false, nil
	case err == nil && add:
		return &outFile{files: s.p.Files, path: path}, true, nil
	}
	if err := s.p.Files.WriteFile(path, strings.NewReader("")); err != nil {
		_, err := s.failed(err, "The system cannot find the path specified.")
		return nil, false, err
	}
	return &outFile{files: s.p.Files, path: path}, true, nil
}

func (o *outFile) Write(p []byte) (int, error) {
	n, _ := o.buf.Write(p)
	if o.buf.Len() > 1<<20 {
		return n, o.flush()
	}
	return n, nil
}

func (o *outFile) flush() error {
	if o.buf.Len() == 0 {
		return nil
	}
	err := o.files.Append(o.path, &o.buf)
	o.buf.Reset()
	return err
}

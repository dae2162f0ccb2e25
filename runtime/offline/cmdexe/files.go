package cmdexe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// mkdir makes directories and those above them.
func (s *shell) mkdir(args string) (uint32, error) {
	words, options := arguments(args)
	if len(words) == 0 || len(options) > 0 {
		return s.syntax()
	}
	rc := uint32(0)
	for _, w := range words {
		path, err := s.p.Path(w)
		if err != nil {
			s.p.Complain("The filename, directory name, or volume label syntax is incorrect. (%v)", err)
			rc = 1
			continue
		}
		if _, err := s.p.Files.Lookup(path); err == nil {
			s.p.Complain("A subdirectory or file %s already exists.", w)
			rc = 1
			continue
		}
		if err := s.p.Files.MkdirAll(path); err != nil {
			if rc, err = s.failed(err, "The system cannot find the path specified."); err != nil {
				return 0, err
			}
		}
	}
	return rc, nil
}

// The return codes of rmdir, which are Windows' error numbers.
const (
	errFileNotFound = 2
	errPathNotFound = 3
	errSharing      = 32
	errDirNotEmpty  = 145
	errDirectory    = 267
)

// rmdir removes directories; with /s all that is in them too.
func (s *shell) rmdir(args string) (uint32, error) {
	words, options := arguments(args)
	if len(words) == 0 || !only(options, "/s", "/q") {
		return s.syntax()
	}
	rc := uint32(0)
	for _, w := range words {
		n, err := s.rmdirOne(w, has(options, "/s"), has(options, "/q"))
		if err != nil {
			return 0, err
		}
		if n != 0 {
			rc = n
		}
	}
	return rc, nil
}

func (s *shell) rmdirOne(word string, tree, quiet bool) (uint32, error) {
	path, err := s.p.Path(word)
	if err != nil {
		s.p.Complain("The system cannot find the path specified.")
		return errPathNotFound, nil
	}
	f, err := s.p.Files.Lookup(path)
	switch {
	case err != nil:
		if i := strings.LastIndexByte(path, '/'); i > 0 {
			if _, err := s.p.Files.Resolve(path[:i]); err != nil {
				s.p.Complain("The system cannot find the path specified.")
				return errPathNotFound, nil
			}
		}
		s.p.Complain("The system cannot find the file specified.")
		return errFileNotFound, nil
	case f.Entry.Attributes&layers.AttrDirectory == 0:
		s.p.Complain("The directory name is invalid.")
		return errDirectory, nil
	case f.Path == "" || s.inside(f.Path):
		s.p.Complain("The process cannot access the file because it is being used by another process.")
		return errSharing, nil
	}
	if tree && !quiet {
		fmt.Fprintf(s.p.Stdout, "%s, Are you sure (Y/N)? ", word)
		if !s.p.Confirm() {
			return 0, nil
		}
	}
	if tree {
		return 0, s.p.Files.RemoveAll(f.Path)
	}
	err = s.p.Files.Remove(f.Path)
	if errors.Is(err, view.ErrNotEmpty) {
		s.p.Complain("The directory is not empty.")
		return errDirNotEmpty, nil
	}
	return 0, err
}

// inside tells whether the working directory is path or below it.
func (s *shell) inside(path string) bool {
	cwd, err := nt.Rel(`C:\`, s.p.Cwd)
	if err != nil {
		return false
	}
	a, b := nt.Fold(cwd)+"/", nt.Fold(path)+"/"
	return strings.HasPrefix(a, b)
}

// del deletes files, never directories.
func (s *shell) del(args string) (uint32, error) {
	words, options := arguments(args)
	if len(words) == 0 {
		return s.syntax()
	}
	if !only(options, "/f", "/q", "/s") {
		return unsupported("del", args, "only the options /F, /Q and /S are known without Windows")
	}
	rc := uint32(0)
	for _, w := range words {
		n, err := s.delPattern(w, args, options)
		if err != nil {
			return 0, err
		}
		rc = max(rc, n)
	}
	return rc, nil
}

func (s *shell) delPattern(word, args string, options []string) (uint32, error) {
	pattern := word
	if f, ok := s.p.Find(word); ok && f.IsDir() {
		pattern = strings.TrimRight(word, `\/`) + `\*`
	}
	last := pattern[strings.LastIndexAny(pattern, `\/:`)+1:]
	if (last == "*" || last == "*.*") && !has(options, "/q") {
		fmt.Fprintf(s.p.Stdout, "%s, Are you sure (Y/N)? ", pattern)
		if !s.p.Confirm() {
			return 0, nil
		}
	}
	dirs := []string{strings.TrimSuffix(pattern, last)}
	if has(options, "/s") {
		dirs = s.subdirectories(dirs[0])
	}
	deleted := false
	for i, dir := range dirs {
		list, ok := s.p.Glob(dir + last)
		if !ok && i == 0 {
			s.p.Complain("The system cannot find the path specified.")
			return 1, nil
		}
		for _, f := range list {
			if f.IsDir() || f.Entry.Attributes&(layers.AttrHidden|layers.AttrSystem) != 0 {
				continue
			}
			if f.Entry.Attributes&layers.AttrReadOnly != 0 && !has(options, "/f") {
				return unsupported("del", args, nt.Win(f.Path)+" is read-only; use del /F")
			}
			if err := s.p.Files.Remove(f.Path); err != nil {
				return 0, err
			}
			deleted = true
		}
	}
	if !deleted && !strings.ContainsAny(last, "*?") {
		s.p.Complain("Could Not Find %s", s.full(pattern))
	}
	return 0, nil
}

// full is the absolute form of a path for messages.
func (s *shell) full(path string) string {
	if cpath, err := s.p.Path(path); err == nil {
		return nt.Win(cpath)
	}
	return path
}

// subdirectories lists dir, which is "" or ends with a separator, and all
// directories below it, each ending with a separator. Links are not followed.
func (s *shell) subdirectories(dir string) []string {
	list := []string{dir}
	for i := 0; i < len(list); i++ {
		found, _ := s.p.Glob(list[i] + "*")
		for _, f := range found {
			if f.IsDir() && f.Kind() == layers.Dir {
				list = append(list, nt.Win(f.Path)+`\`)
			}
		}
	}
	return list
}

// typeOut prints files.
func (s *shell) typeOut(args string) (uint32, error) {
	words, options := arguments(args)
	if len(words) == 0 || len(options) > 0 {
		return s.syntax()
	}
	rc := uint32(0)
	for _, w := range words {
		if proc.IsNull(w) {
			continue
		}
		files, _ := s.p.Glob(w)
		files = onlyFiles(files)
		if len(files) == 0 {
			s.p.Complain("The system cannot find the file specified.")
			rc = 1
		}
		for _, f := range files {
			if len(words) > 1 || strings.ContainsAny(w, "*?") {
				fmt.Fprintf(s.p.Stderr, "\r\n%s\r\n\r\n\r\n", f.Name())
			}
			if err := s.print(f, args); err != nil {
				return 0, err
			}
		}
	}
	return rc, nil
}

func onlyFiles(list []*view.File) []*view.File {
	var files []*view.File
	for _, f := range list {
		if !f.IsDir() && f.Entry.Attributes&layers.AttrDirectory == 0 {
			files = append(files, f)
		}
	}
	return files
}

// print copies a file to the output.
func (s *shell) print(f *view.File, args string) error {
	f, err := s.p.Files.Resolve(f.Path)
	if err != nil {
		return err
	}
	r, err := s.p.Files.Open(f)
	if err != nil {
		return err
	}
	defer r.Close()
	head := make([]byte, 2)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if bytes.Equal(head[:n], []byte{0xff, 0xfe}) {
		_, err := unsupported("type", args, f.Name()+" is UTF-16, which Windows prints in the console's code page")
		return err
	}
	_, err = io.Copy(s.p.Stdout, io.MultiReader(bytes.NewReader(head[:n]), r))
	return err
}

// isDir reports whether a path is a directory that is there.
func (s *shell) isDir(path string) bool {
	f, err := s.p.Files.Resolve(path)
	return err == nil && f.IsDir()
}

// notThere reports whether nothing is there under a path.
func (s *shell) notThere(path string) bool {
	_, err := s.p.Files.Lookup(path)
	return errors.Is(err, fs.ErrNotExist)
}

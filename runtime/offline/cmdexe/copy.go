package cmdexe

import (
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// odd are attributes whose fate in a copy is not known.
const odd = layers.AttrReadOnly | layers.AttrHidden | layers.AttrSystem

// copy copies files into a directory or one file to a name. It overwrites
// without asking, as in every shell started with /C.
func (s *shell) copy(args string) (uint32, error) {
	words, options := arguments(args)
	switch {
	case !only(options, "/y", "/b", "/v", "/n", "/z"):
		return unsupported("copy", args, "only the options /Y, /B, /V, /N and /Z are known without Windows")
	case strings.Contains(args, "+"):
		return unsupported("copy", args, "joining files with + is not known without Windows; use type a b > c")
	case len(words) == 0 || len(words) > 2:
		return s.syntax()
	}
	dest := "."
	if len(words) == 2 {
		dest = words[1]
	}
	if proc.IsNull(words[0]) {
		return s.copyNull(dest)
	}
	files, intoDir, rc, err := s.sources("copy", args, words[0], dest)
	if err != nil || rc != 0 {
		return rc, err
	}
	copied := 0
	for _, f := range files {
		if len(files) > 1 {
			s.p.Println("%s", s.folder(words[0])+f.Name())
		}
		n, err := s.copyOne(f, dest, intoDir, args)
		if err != nil {
			return 0, err
		}
		copied += n
	}
	s.p.Println("%9d file(s) copied.", copied)
	if copied < len(files) {
		return 1, nil
	}
	return 0, nil
}

// folder is the part of a source that comes before the names of its files, as
// written.
func (s *shell) folder(source string) string {
	if f, ok := s.p.Find(source); ok && f.IsDir() {
		return strings.TrimRight(source, `\/`) + `\`
	}
	return source[:strings.LastIndexAny(source, `\/:`)+1]
}

// copyNull makes an empty file.
func (s *shell) copyNull(dest string) (uint32, error) {
	path, err := s.p.Path(dest)
	if err != nil || s.isDir(path) {
		return s.syntax()
	}
	if err := s.p.Files.WriteFile(path, strings.NewReader("")); err != nil {
		return s.failed(err, "The system cannot find the path specified.")
	}
	s.p.Println("%9d file(s) copied.", 1)
	return 0, nil
}

// sources finds what a pattern names, for copy and move, and whether the
// destination is a directory. rc is not 0 after a complaint.
func (s *shell) sources(name, args, pattern, dest string) (files []*view.File, intoDir bool, rc uint32, err error) {
	if f, ok := s.p.Find(pattern); name == "copy" && ok && f.IsDir() {
		pattern = strings.TrimRight(pattern, `\/`) + `\*`
	}
	found, ok := s.p.Glob(pattern)
	if !ok {
		s.p.Complain("The system cannot find the path specified.")
		return nil, false, 1, nil
	}
	many := strings.ContainsAny(pattern, "*?")
	for _, f := range found {
		isDir := f.Entry.Attributes&layers.AttrDirectory != 0
		if many && (isDir || f.Entry.Attributes&(layers.AttrHidden|layers.AttrSystem) != 0) {
			continue
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		s.p.Complain("The system cannot find the file specified.")
		return nil, false, 1, nil
	}
	for _, all := range []string{`\*.*`, `\*`} {
		dest = strings.TrimSuffix(dest, all)
	}
	if strings.ContainsAny(dest, "*?") && dest != "*" && dest != "*.*" {
		_, err := unsupported(name, args, "a pattern as the destination is not known without Windows")
		return nil, false, 0, err
	}
	f, there := s.p.Find(dest)
	intoDir = there && f.IsDir()
	if !intoDir && many && len(files) > 1 {
		_, err := unsupported(name, args, "several files into one are not known without Windows; the destination is not a directory")
		return nil, false, 0, err
	}
	if !intoDir && strings.HasSuffix(dest, `\`) {
		s.p.Complain("The system cannot find the path specified.")
		return nil, false, 1, nil
	}
	return files, intoDir, 0, nil
}

// target is where a file goes.
func (s *shell) target(f *view.File, dest string, intoDir bool) (string, error) {
	for _, all := range []string{`\*.*`, `\*`} {
		dest = strings.TrimSuffix(dest, all)
	}
	path, err := s.p.Path(dest)
	if err != nil {
		return "", err
	}
	if !intoDir {
		return path, nil
	}
	return strings.TrimPrefix(path+"/"+f.Name(), "/"), nil
}

// copyOne copies a file and returns how many were copied: 1, or 0 after a
// complaint.
func (s *shell) copyOne(f *view.File, dest string, intoDir bool, args string) (int, error) {
	if f.Entry.Attributes&odd != 0 {
		_, err := unsupported("copy", args, nt.Win(f.Path)+" is read-only, hidden or a system file")
		return 0, err
	}
	to, err := s.target(f, dest, intoDir)
	if err != nil {
		s.p.Complain("The filename, directory name, or volume label syntax is incorrect. (%v)", err)
		return 0, nil
	}
	if old, err := s.p.Files.Resolve(to); err == nil {
		switch {
		case nt.EqualFold(old.Path, f.Path):
			s.p.Complain("The file cannot be copied onto itself.")
			return 0, nil
		case old.IsDir() || old.Entry.Attributes&layers.AttrReadOnly != 0:
			s.p.Complain("Access is denied.")
			return 0, nil
		}
	}
	src, err := s.p.Files.Resolve(f.Path)
	if err != nil {
		_, err = s.failed(err, "The system cannot find the file specified.")
		return 0, err
	}
	r, err := s.p.Files.Open(src)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if err := s.p.Files.WriteFile(to, r); err != nil {
		_, err = s.failed(err, "The system cannot find the path specified.")
		return 0, err
	}
	return 1, nil
}

// move moves files into a directory, or renames a file or directory.
func (s *shell) move(args string) (uint32, error) {
	words, options := arguments(args)
	if len(words) == 0 || len(words) > 2 || !only(options, "/y") {
		return s.syntax()
	}
	dest := "."
	if len(words) == 2 {
		dest = words[1]
	}
	files, intoDir, rc, err := s.sources("move", args, words[0], dest)
	if err != nil || rc != 0 {
		return rc, err
	}
	for _, f := range files {
		to, err := s.target(f, dest, intoDir)
		if err != nil {
			return s.syntax()
		}
		if rc, err := s.moveOne(f, to); err != nil || rc != 0 {
			return rc, err
		}
	}
	if files[0].IsDir() {
		s.p.Println("%9d dir(s) moved.", len(files))
	} else {
		s.p.Println("%9d file(s) moved.", len(files))
	}
	return 0, nil
}

func (s *shell) moveOne(f *view.File, to string) (uint32, error) {
	if f.IsDir() && s.inside(f.Path) {
		s.p.Complain("The process cannot access the file because it is being used by another process.")
		return 1, nil
	}
	if err := s.p.Files.Rename(f.Path, to); err != nil {
		return s.failed(err, "The system cannot find the path specified.")
	}
	return 0, nil
}

// rename gives one file or directory another name in the same place.
func (s *shell) rename(args string) (uint32, error) {
	words, options := arguments(args)
	if len(words) != 2 || len(options) > 0 || strings.ContainsAny(words[1], `\/:`) {
		return s.syntax()
	}
	if strings.ContainsAny(words[0]+words[1], "*?") {
		return unsupported("ren", args, "renaming by patterns is not known without Windows")
	}
	path, err := s.p.Path(words[0])
	if err != nil {
		return s.syntax()
	}
	f, err := s.p.Files.Lookup(path)
	if err != nil {
		return s.failed(err, "The system cannot find the file specified.")
	}
	to := strings.TrimPrefix(f.Path[:strings.LastIndexByte(f.Path, '/')+1]+words[1], "/")
	if !s.notThere(to) && !nt.EqualFold(to, f.Path) {
		s.p.Complain("A duplicate file name exists, or the file cannot be found.")
		return 1, nil
	}
	return s.moveOne(f, to)
}

package proc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/view"
)

// Find looks a file or directory up. What cannot be a path in the image is not
// there.
func (p *Process) Find(path string) (*view.File, bool) {
	cpath, err := p.Path(path)
	if err != nil {
		return nil, false
	}
	f, err := p.Files.Resolve(cpath)
	return f, err == nil
}

// CopyFile copies the content of a file, whose attributes come along, to a path.
// A file that is there is replaced.
func (p *Process) CopyFile(f *view.File, to string) error {
	src, err := p.Files.Resolve(f.Path)
	if err != nil {
		return err
	}
	r, err := p.Files.Open(src)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := p.Files.WriteFile(to, r); err != nil {
		return err
	}
	return p.Files.SetAttributes(to, src.Entry.Attributes|layers.AttrArchive)
}

// CopyTree copies a directory and all below it; what is there stays or is
// replaced. Links are followed, as Windows' own tools do by default.
func (p *Process) CopyTree(f *view.File, to string) error {
	return p.copyTree(f, to, 0)
}

// maxTree is how deep directories may be within each other when links are followed.
const maxTree = 256

func (p *Process) copyTree(f *view.File, to string, depth int) error {
	if depth > maxTree {
		return fmt.Errorf("copy %s: directories are too deep; does a link lead to one above it?", nt.Win(f.Path))
	}
	if err := p.Files.MkdirAll(to); err != nil {
		return err
	}
	list, err := p.Files.ReadDir(f.Path)
	if err != nil {
		return err
	}
	for _, f := range list {
		target := strings.TrimPrefix(to+"/"+f.Name(), "/")
		if f.IsDir() {
			err = p.copyTree(f, target, depth+1)
		} else {
			err = p.CopyFile(f, target)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Glob lists what a path with * and ? in its last component names, in the order
// of the directory; dir is false if there is no such directory.
func (p *Process) Glob(pattern string) (found []*view.File, dir bool) {
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
	f, ok := p.Find(parent)
	if !ok || !f.IsDir() {
		return nil, false
	}
	list, err := p.Files.ReadDir(f.Path)
	if err != nil {
		return nil, false
	}
	for _, f := range list {
		if Match(last, f.Name()) {
			found = append(found, f)
		}
	}
	return found, true
}

// Tree lists what a pattern names, and if below is true also in all directories
// further down. Links are not followed.
func (p *Process) Tree(pattern string, below bool) (files []*view.File, err error) {
	i := strings.LastIndexAny(pattern, `\/:`) + 1
	parent, last := pattern[:i], pattern[i:]
	if parent == "" {
		parent = "."
	}
	dir, ok := p.Find(parent)
	if !ok || !dir.IsDir() {
		return nil, nil
	}
	for dirs := []*view.File{dir}; len(dirs) > 0; dirs = dirs[1:] {
		list, err := p.Files.ReadDir(dirs[0].Path)
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			if Match(last, f.Name()) {
				files = append(files, f)
			}
			if below && f.Kind() == layers.Dir {
				dirs = append(dirs, f)
			}
		}
	}
	return files, nil
}

// Match holds a name against a pattern of * and ?, in any case. As on Windows,
// "*.*" is everything and a final ".*" or "." also stands for no ending.
func Match(pattern, name string) bool {
	pattern, name = nt.Fold(pattern), nt.Fold(name)
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

// wild is Match without the rules about dots. It never looks back further than
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

// maxPath is how many directories of PATH are searched.
const maxPath = 1000

// Search finds the file that a program's name stands for, in the working
// directory and then in those of PATH, with the endings of PATHEXT. It returns ""
// if the image has none.
func (p *Process) Search(name string) string {
	exts := []string{""}
	if !strings.Contains(name[strings.LastIndexAny(name, `\/`)+1:], ".") {
		exts = p.extensions()
	}
	if strings.ContainsAny(name, `\/:`) {
		return p.firstFile(p.Cwd, name, exts)
	}
	path, _ := p.Env.Get("PATH")
	return p.SearchIn(p.Cwd+";"+path, name, exts)
}

// SearchAll lists all files that a program's name stands for, in the order in
// which Search looks for them.
func (p *Process) SearchAll(name string) (found []string) {
	exts := append([]string{""}, p.extensions()...)
	path, _ := p.Env.Get("PATH")
	for dir := range strings.SplitSeq(p.Cwd+";"+path, ";") {
		for _, ext := range exts {
			if f := p.SearchIn(dir, name, []string{ext}); f != "" && !slices.Contains(found, f) {
				found = append(found, f)
			}
		}
	}
	return found
}

// SearchIn looks into directories that semicolons separate.
func (p *Process) SearchIn(dirs, name string, exts []string) string {
	list := strings.Split(dirs, ";")
	for _, dir := range list[:min(len(list), maxPath)] {
		dir = strings.Trim(strings.TrimSpace(dir), `"`)
		if dir == "" {
			continue
		}
		if found := p.firstFile(dir, name, exts); found != "" {
			return found
		}
	}
	return ""
}

// extensions are the endings a program may have.
func (p *Process) extensions() []string {
	list, ok := p.Env.Get("PATHEXT")
	if !ok || list == "" {
		list = ".COM;.EXE;.BAT;.CMD"
	}
	exts := strings.Split(strings.ToLower(list), ";")
	return exts[:min(len(exts), 32)]
}

// firstFile returns the first of the spellings that is a file.
func (p *Process) firstFile(dir, name string, exts []string) string {
	base, err := nt.Rel(p.Cwd, dir)
	if err != nil {
		return "" // a directory that cannot be in the image
	}
	for _, ext := range exts {
		path, err := nt.Rel(nt.Win(base), name+ext)
		if err != nil {
			return ""
		}
		if f, err := p.Files.Resolve(path); err == nil && !f.IsDir() {
			return f.Path
		}
	}
	return ""
}

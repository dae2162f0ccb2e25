package cmdexe

import (
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// SplitProgram takes the program off the front of a command line as
// CreateProcess does: a quoted path, or all up to the first space.
func SplitProgram(line string) (name, rest string) {
	line = strings.TrimLeft(line, " \t")
	if after, ok := strings.CutPrefix(line, `"`); ok {
		name, rest, _ = strings.Cut(after, `"`)
		return name, rest
	}
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		return line[:i], line[i:]
	}
	return line, ""
}

// maxPath is how many directories of PATH are searched.
const maxPath = 1000

// Search finds the file that a program's name stands for, in the working
// directory and then in those of PATH, with the endings of PATHEXT. It returns ""
// if the image has none.
func Search(p *proc.Process, name string) string {
	exts := []string{""}
	if !strings.Contains(name[strings.LastIndexAny(name, `\/`)+1:], ".") {
		exts = extensions(p)
	}
	if strings.ContainsAny(name, `\/:`) {
		return firstFile(p, p.Cwd, name, exts)
	}
	path, _ := p.Env.Get("PATH")
	return firstIn(p, p.Cwd+";"+path, name, exts)
}

// searchIn finds a file by its whole name in the directories that a variable lists.
func (s *shell) searchIn(variable, name string) string {
	dirs, _ := s.p.Env.Get(variable)
	return firstIn(s.p, dirs, name, []string{""})
}

// firstIn looks into directories that semicolons separate.
func firstIn(p *proc.Process, dirs, name string, exts []string) string {
	list := strings.Split(dirs, ";")
	for _, dir := range list[:min(len(list), maxPath)] {
		dir = strings.Trim(strings.TrimSpace(dir), `"`)
		if dir == "" {
			continue
		}
		if found := firstFile(p, dir, name, exts); found != "" {
			return found
		}
	}
	return ""
}

// extensions are the endings a program may have.
func extensions(p *proc.Process) []string {
	list, ok := p.Env.Get("PATHEXT")
	if !ok || list == "" {
		list = ".COM;.EXE;.BAT;.CMD"
	}
	exts := strings.Split(strings.ToLower(list), ";")
	return exts[:min(len(exts), 32)]
}

// firstFile returns the first of the spellings that is a file.
func firstFile(p *proc.Process, dir, name string, exts []string) string {
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

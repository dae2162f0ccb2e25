package microvm

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// neededModules are the drivers that a utility VM cannot do without: the bus, the
// disks, the port to the host, and the file systems of drive C:.
func neededModules() []string {
	return []string{"virtio_pci", "virtio_blk", "virtio_console", "erofs", "overlay"}
}

// maxModule bounds one uncompressed module.
const maxModule = 64 << 20

// module is a kernel module ready to load.
type module struct {
	name    string
	content []byte
}

// moduleTree is /lib/modules/RELEASE of a kernel. It is read without the files
// that depmod makes, which an unpacked package does not have: the modules
// themselves say what they depend on.
type moduleTree struct {
	dir     string
	builtin map[string]bool
	files   map[string]string // path below dir, without the suffix of a compression, by module name
}

func openModules(dir string) (*moduleTree, error) {
	t := &moduleTree{dir: dir, builtin: map[string]bool{}, files: map[string]string{}}
	err := eachLine(filepath.Join(dir, "modules.builtin"), func(line string) { t.builtin[moduleName(line)] = true })
	if err != nil {
		return nil, err
	}
	return t, eachLine(filepath.Join(dir, "modules.order"), func(line string) {
		if filepath.IsLocal(line) {
			t.files[moduleName(line)] = line
		}
	})
}

func eachLine(file string, f func(string)) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		f(strings.TrimSpace(line))
	}
	return nil
}

// moduleName turns the path of a module's file into its name, which the kernel
// spells with underscores.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".")
	return strings.ReplaceAll(name, "-", "_")
}

// load returns what has to be loaded for the wanted modules, in order: each after
// those it depends on.
func (t *moduleTree) load(want []string) ([]module, error) {
	l := &moduleLoad{tree: t, state: map[string]int{}}
	for _, name := range want {
		if err := l.add(name); err != nil {
			return nil, err
		}
	}
	return l.order, nil
}

type moduleLoad struct {
	tree  *moduleTree
	state map[string]int // 1 while being added, 2 afterwards
	order []module
}

func (l *moduleLoad) add(name string) error {
	if l.tree.builtin[name] || l.state[name] == 2 {
		return nil
	}
	if l.state[name] == 1 {
		return fmt.Errorf("module %s depends on itself", name)
	}
	l.state[name] = 1
	content, err := l.tree.read(name)
	if err != nil {
		return fmt.Errorf("module %s: %w", name, err)
	}
	info, err := readModinfo(content)
	if err != nil {
		return fmt.Errorf("module %s: %w", name, err)
	}
	for _, dep := range info.depends {
		if err := l.add(dep); err != nil {
			return err
		}
	}
	for _, dep := range info.before {
		if dep, ok := l.tree.alternative(dep); ok {
			if err := l.add(dep); err != nil {
				return err
			}
		}
	}
	l.state[name] = 2
	l.order = append(l.order, module{name, content})
	return nil
}

// alternative finds the module that a soft dependency means: by its name or, as
// for crypto algorithms, the implementation for all processors.
func (t *moduleTree) alternative(name string) (string, bool) {
	for _, n := range []string{name, name + "_generic"} {
		if t.builtin[n] {
			return "", false
		}
		if _, ok := t.files[n]; ok {
			return n, true
		}
	}
	return "", false
}

// read returns a module's content, uncompressed by the tool that made it.
func (t *moduleTree) read(name string) ([]byte, error) {
	file, ok := t.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	file = filepath.Join(t.dir, file)
	b, err := os.ReadFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	for suffix, tool := range map[string]string{".xz": "xz", ".zst": "zstd", ".gz": "gzip"} {
		if _, err := os.Stat(file + suffix); err == nil {
			return uncompress(tool, file+suffix)
		}
	}
	return nil, err
}

func uncompress(tool, file string) ([]byte, error) {
	cmd := exec.Command(tool, "-dc", file)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(out, maxModule))
	if werr := cmd.Wait(); err == nil && werr != nil {
		err = fmt.Errorf("%s %s: %w: %s", tool, file, werr, bytes.TrimSpace(said.Bytes()))
	}
	return b, err
}

// modinfo is what a module says about others.
type modinfo struct {
	depends []string // needed before it
	before  []string // to be loaded before it if there
}

// readModinfo reads the section .modinfo: strings of the form key=value, each
// ended by a zero byte.
func readModinfo(content []byte) (*modinfo, error) {
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("no section .modinfo")
	}
	var m modinfo
	s := bufio.NewScanner(io.LimitReader(section.Open(), 1<<20))
	s.Split(splitZero)
	for s.Scan() {
		key, value, _ := strings.Cut(s.Text(), "=")
		switch key {
		case "depends":
			m.depends = strings.FieldsFunc(value, func(r rune) bool { return r == ',' })
		case "softdep":
			m.before = append(m.before, before(value)...)
		}
	}
	for _, list := range [][]string{m.depends, m.before} {
		for i := range list {
			list[i] = moduleName(list[i])
		}
	}
	return &m, s.Err()
}

func splitZero(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// before returns the "pre:" part of a soft dependency ("pre: a b post: c").
func before(value string) []string {
	var list []string
	words := strings.Fields(value)
	if i := slices.Index(words, "pre:"); i >= 0 {
		for _, w := range words[i+1:] {
			if strings.HasSuffix(w, ":") {
				break
			}
			list = append(list, w)
		}
	}
	return list
}

package powershell

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/view"
)

// newItem is New-Item and mkdir.
func newItem(c *call) error {
	paths := c.strs("Path")
	if c.def.name == "mkdir" {
		for _, v := range c.input("Path") {
			paths = append(paths[:len(paths):len(paths)], toString(v))
		}
		if c.has("Path") {
			paths = c.strs("Path")
		}
	}
	if c.has("Name") {
		if len(paths) == 0 {
			paths = []string{c.in.p.Cwd}
		}
		for i := range paths {
			paths[i] = joinPath(paths[i], c.str("Name"))
		}
	}
	if len(paths) == 0 {
		return c.fail("System.Management.Automation.ParameterBindingException", "Cannot process command because of one or more missing mandatory parameters: Path.")
	}
	kind := strings.ToLower(c.str("ItemType"))
	if c.def.name == "mkdir" {
		kind = "directory"
	}
	for _, p := range paths {
		loc, err := c.in.locate(c.at, p)
		if err != nil {
			return err
		}
		switch loc.drive {
		case "registry":
			err = c.newKey(loc.path, p)
		case "":
			err = c.newFile(loc.path, kind)
		default:
			err = c.in.set(&variableExpr{pos: c.at, scope: loc.drive, name: loc.path}, single(c.input("Value")))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *call) newFile(path, kind string) error {
	files := c.in.p.Files
	old, err := files.Lookup(path)
	there := err == nil
	switch {
	case kind != "" && strings.HasPrefix("directory", kind), kind == "container":
		if there && (!c.flag("Force") || !old.IsDir()) {
			return c.complain(ioException, "An item with the specified name %s already exists.", nt.Win(path))
		}
		err = files.MkdirAll(path)
	case kind == "" || strings.HasPrefix("file", kind) || kind == "leaf":
		if there && (!c.flag("Force") || old.IsDir()) {
			return c.complain(ioException, "The file '%s' already exists.", nt.Win(path))
		}
		if err := c.parent(path, c.flag("Force")); err != nil {
			return err
		}
		var content strings.Builder
		for _, v := range c.input("Value") {
			content.WriteString(toString(v))
		}
		data, err := c.in.encode(c.at, content.String(), "utf8nobom")
		if err != nil {
			return err
		}
		if err := files.WriteFile(path, strings.NewReader(string(data))); err != nil {
			return err
		}
	case kind == "symboliclink" || kind == "junction" || kind == "hardlink":
		if there {
			if !c.flag("Force") {
				return c.complain(ioException, "An item with the specified name %s already exists.", nt.Win(path))
			}
			if err := files.RemoveAll(path); err != nil {
				return err
			}
		}
		if err := c.link(path, kind, c.str("Value")); err != nil {
			return err
		}
	default:
		return c.fail("System.ArgumentException", "The type '%s' is not a known type for the file system. Only \"file\",\"directory\" or \"symboliclink\" can be specified.", c.str("ItemType"))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c.complain(ioException, "%v", err)
	}
	f, err := files.Lookup(path)
	if err != nil {
		return err
	}
	return c.out(fileItem{f})
}

// parent makes sure that the directory of a path is there.
func (c *call) parent(path string, create bool) error {
	i := strings.LastIndexByte(path, '/')
	if i <= 0 {
		return nil
	}
	if f, err := c.in.p.Files.Resolve(path[:i]); err == nil && f.IsDir() {
		return nil
	}
	if create {
		return c.in.p.Files.MkdirAll(path[:i])
	}
	return c.fail("System.IO.DirectoryNotFoundException", "Could not find a part of the path '%s'.", nt.Win(path))
}

func (c *call) link(path, kind, target string) error {
	if target == "" {
		return c.fail("System.ArgumentException", "Cannot process argument because the value of argument \"target\" is not valid.")
	}
	f, there := c.in.p.Find(target)
	switch {
	case kind == "hardlink" || kind == "junction":
		if !there || (kind == "junction") != f.IsDir() {
			return c.fail(itemNotFound, "Cannot find path '%s' because it does not exist.", target)
		}
		if kind == "junction" {
			return c.in.p.Files.Junction(nt.Win(f.Path), path)
		}
		return c.in.p.Files.Link(f.Path, path)
	case !there && !c.in.core:
		return c.fail(itemNotFound, "Cannot find path '%s' because it does not exist.", target)
	}
	return c.in.p.Files.Symlink(target, path, there && f.IsDir())
}

func removeItem(c *call) error {
	if c.has("Stream") {
		return c.unknown("-Stream is not known without Windows")
	}
	paths, literal := c.paths()
	for _, p := range paths {
		if loc, err := c.in.locate(c.at, p); err == nil && (loc.drive == "env" || loc.drive == "variable") {
			if loc.drive == "env" {
				c.in.p.Env.Unset(loc.path)
			} else {
				delete(c.in.scope.vars, strings.ToLower(loc.path))
			}
			continue
		}
		found, err := c.find([]string{p}, literal, c.flag("Force"), false)
		if err != nil {
			return err
		}
		f := c.filters()
		if !f.none() && c.flag("Recurse") {
			// With -Recurse the filters hold for what is below, too.
			all := found
			found = nil
			for _, v := range all {
				k := *c
				k.out = func(v any) error { found = append(found, v); return nil }
				k.args = map[string]any{"Force": c.args["Force"]}
				if err := k.show(v, f, ""); err != nil {
					return err
				}
				if err := k.below(v, f, 1<<20, ""); err != nil {
					return err
				}
			}
			f = filters{}
		}
		for _, v := range found {
			if !f.want(nameOf(v)) {
				continue
			}
			if err := c.remove(v); err != nil {
				return err
			}
		}
	}
	return nil
}

const noPrompt = "System.Management.Automation.PSInvalidOperationException"

func (c *call) remove(v any) error {
	if k, ok := v.(keyItem); ok {
		return c.removeKey(k)
	}
	f := v.(fileItem).f
	if _, err := c.in.p.Files.Lookup(f.Path); err != nil {
		return nil // it went with its directory
	}
	if nt.EqualFold(f.Path, "") {
		return c.unknown("this would delete C:\\")
	}
	cwd, err := nt.Rel("", c.in.p.Cwd)
	if err == nil && (nt.EqualFold(cwd, f.Path) || len(cwd) > len(f.Path) && nt.EqualFold(cwd[:len(f.Path)+1], f.Path+"/")) {
		return c.complain(ioException, "Cannot remove the item at '%s' because it is in use.", nt.Win(f.Path))
	}
	if f.Entry.Attributes&(layers.AttrReadOnly|layers.AttrHidden|layers.AttrSystem) != 0 && !c.flag("Force") && !f.IsDir() {
		return c.complain(ioException, "Cannot remove item %s: You do not have sufficient access rights to perform this operation or the item is hidden, system, or read only.", nt.Win(f.Path))
	}
	if f.Kind() == layers.Dir && !c.flag("Recurse") {
		list, err := c.in.p.Files.ReadDir(f.Path)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			return c.fail(noPrompt, "The item at %s has children and the Recurse parameter was not specified, and nobody can be asked.", nt.Win(f.Path))
		}
	}
	return c.in.p.Files.RemoveAll(f.Path)
}

// destination is where Copy-Item and Move-Item put an item: into a directory that
// is there, or under the name given.
func (c *call) destination(f *view.File) (string, error) {
	dest := "."
	if c.has("Destination") {
		dest = c.str("Destination")
	}
	loc, err := c.in.locate(c.at, dest)
	if err != nil {
		return "", err
	}
	if loc.drive != "" {
		return "", c.unknown("between drives of different kinds nothing can be copied")
	}
	if d, err := c.in.p.Files.Resolve(loc.path); err == nil && d.IsDir() {
		return strings.TrimPrefix(loc.path+"/"+f.Name(), "/"), nil
	}
	if strings.HasSuffix(dest, `\`) || strings.HasSuffix(dest, "/") {
		if !f.IsDir() {
			return "", c.fail("System.IO.DirectoryNotFoundException", "Could not find a part of the path '%s'.", nt.Win(loc.path))
		}
	}
	return loc.path, nil
}

// eachFile calls fn for the files that a cmdlet's paths name and its filters want.
func (c *call) eachFile(fn func(f *view.File) error) error {
	paths, literal := c.paths()
	found, err := c.find(paths, literal, c.flag("Force"), false)
	if err != nil {
		return err
	}
	filter := c.filters()
	for _, v := range found {
		f, ok := v.(fileItem)
		if !ok {
			return c.unknown("%s of keys is not known without Windows", c.def.name)
		}
		if filter.want(f.f.Name()) {
			if err := fn(f.f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *call) passThru(path string) error {
	if !c.flag("PassThru") {
		return nil
	}
	f, err := c.in.p.Files.Lookup(path)
	if err != nil {
		return err
	}
	return c.out(fileItem{f})
}

func copyItem(c *call) error {
	if c.flag("Recurse") && !c.filters().none() {
		return c.unknown("-Recurse with -Filter, -Include or -Exclude is not known without Windows")
	}
	return c.eachFile(func(f *view.File) error {
		to, err := c.destination(f)
		if err != nil {
			return err
		}
		if nt.EqualFold(to, f.Path) {
			return c.complain(ioException, "Cannot overwrite the item %s with itself.", nt.Win(f.Path))
		}
		src, err := c.in.p.Files.Resolve(f.Path)
		if err != nil {
			return c.complain(itemNotFound, "Cannot find path '%s' because it does not exist.", nt.Win(f.Path))
		}
		if !src.IsDir() {
			if err := c.parent(to, false); err != nil {
				return err
			}
			if old, err := c.in.p.Files.Resolve(to); err == nil && old.Entry.Attributes&layers.AttrReadOnly != 0 && !old.IsDir() {
				if !c.flag("Force") {
					return c.complain("System.UnauthorizedAccessException", "Access to the path '%s' is denied.", nt.Win(to))
				}
			}
			if err := c.in.p.CopyFile(src, to); err != nil {
				return err
			}
			return c.passThru(to)
		}
		if len(to) > len(src.Path) && nt.EqualFold(to[:len(src.Path)+1], src.Path+"/") {
			return c.complain(ioException, "Cannot copy the directory %s into itself.", nt.Win(src.Path))
		}
		if old, err := c.in.p.Files.Resolve(to); err == nil && !c.flag("Force") && old.IsDir() && !c.flag("Recurse") {
			return c.complain(ioException, "An item with the specified name %s already exists.", nt.Win(to))
		}
		if err := c.in.p.Files.MkdirAll(to); err != nil {
			return err
		}
		if c.flag("Recurse") {
			if err := c.in.p.CopyTree(src, to); err != nil {
				return err
			}
		}
		return c.passThru(to)
	})
}

func moveItem(c *call) error {
	return c.eachFile(func(f *view.File) error {
		to, err := c.destination(f)
		if err != nil {
			return err
		}
		if err := c.parent(to, false); err != nil {
			return err
		}
		if old, err := c.in.p.Files.Lookup(to); err == nil && !nt.EqualFold(to, f.Path) {
			if old.IsDir() || !c.flag("Force") {
				return c.complain(ioException, "Cannot create a file when that file already exists: %s", nt.Win(to))
			}
			if err := c.in.p.Files.Remove(to); err != nil {
				return err
			}
		}
		if err := c.in.p.Files.Rename(f.Path, to); err != nil {
			return c.complain(ioException, "%v", err)
		}
		return c.passThru(to)
	})
}

func renameItem(c *call) error {
	return c.eachFile(func(f *view.File) error {
		name := c.str("NewName")
		if b, ok := c.args["NewName"].(*scriptBlock); ok {
			all, err := c.in.invokeBlock(b, true, fileItem{f})
			if err != nil {
				return err
			}
			name = toString(single(all))
		}
		if i := lastSlash(name); i >= 0 {
			// A path is accepted where it leads to the same directory.
			dir, err := nt.Rel(c.in.p.Cwd, name[:i+1])
			if err != nil || !nt.EqualFold(dir, f.Path[:max(strings.LastIndexByte(f.Path, '/'), 0)]) {
				return c.complain("System.Management.Automation.PSArgumentException", "Cannot rename the specified target, because it represents a path or device name.")
			}
			name = name[i+1:]
		}
		to := f.Path[:strings.LastIndexByte(f.Path, '/')+1] + name
		if err := nt.ValidateName(name); err != nil {
			return c.complain(ioException, "%v", err)
		}
		if _, err := c.in.p.Files.Lookup(to); err == nil && !nt.EqualFold(to, f.Path) {
			return c.complain(ioException, "Cannot create a file when that file already exists.")
		}
		if err := c.in.p.Files.Rename(f.Path, to); err != nil {
			return err
		}
		return c.passThru(to)
	})
}

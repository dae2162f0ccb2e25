package powershell

import (
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
)

const (
	itemNotFound = "System.Management.Automation.ItemNotFoundException"
	ioException  = "System.IO.IOException"
)

// place of an item: on a drive of files, of the registry, or of variables.
type location struct {
	drive string // "", "registry", "env" or "variable"
	path  string // of the Scratch, or of a key with the long name of its root, or a name
}

// locate tells which provider a path belongs to.
func (in *interp) locate(at pos, s string) (location, error) {
	provider, rest, ok := strings.Cut(s, "::")
	if ok {
		switch strings.ToLower(strings.TrimPrefix(provider, `Microsoft.PowerShell.Core\`)) {
		case "registry":
			return location{"registry", strings.Trim(strings.ReplaceAll(rest, "/", `\`), `\`)}, nil
		case "filesystem":
			s = rest
		}
	}
	if drive, rest, ok := strings.Cut(s, ":"); ok && len(drive) > 1 && !strings.ContainsAny(drive, `\/`) {
		rest = strings.Trim(strings.ReplaceAll(rest, "/", `\`), `\`)
		switch lower := strings.ToLower(drive); lower {
		case "hklm", "hkcu":
			root := map[string]string{"hklm": "HKEY_LOCAL_MACHINE", "hkcu": "HKEY_CURRENT_USER"}[lower]
			return location{"registry", strings.TrimSuffix(root+`\`+collapse(rest), `\`)}, nil
		case "env", "variable":
			return location{lower, rest}, nil
		case "cert", "wsman", "function", "alias", "iis", "sqlserver":
			return location{}, in.unsupported(at, s, "the drive "+drive+": is not known without Windows")
		default:
			if root, ok := in.drives[lower]; ok {
				return location{"registry", strings.TrimSuffix(root+`\`+collapse(rest), `\`)}, nil
			}
		}
	}
	path, err := in.path(at, s)
	return location{"", path}, err
}

// collapse takes doubled backslashes for one, as PowerShell's providers do.
func collapse(s string) string {
	for strings.Contains(s, `\\`) {
		s = strings.ReplaceAll(s, `\\`, `\`)
	}
	return s
}

func hasWildcard(s string) bool { return strings.ContainsAny(s, "*?[") }

// find lists what paths name: files, directories and keys. What is not there is an
// error that does not end the cmdlet, unless quiet is set.
func (c *call) find(paths []string, literal, hidden, quiet bool) (found []any, err error) {
	for _, p := range paths {
		if p == "" {
			return nil, c.fail("System.Management.Automation.ParameterBindingException", "Cannot bind argument to parameter 'Path' because it is an empty string.")
		}
		loc, err := c.in.locate(c.at, p)
		if err != nil {
			return nil, err
		}
		var some []any
		switch loc.drive {
		case "registry":
			some, err = c.findKeys(loc.path, literal)
		case "":
			some, err = c.findFiles(loc.path, literal, hidden)
		default:
			return nil, c.unknown("the drive %s: is not known to %s", loc.drive, c.def.name)
		}
		if err != nil {
			return nil, err
		}
		if len(some) == 0 && !quiet && (literal || !hasWildcard(p)) {
			if err := c.notFound(loc, p); err != nil {
				return nil, err
			}
		}
		found = append(found, some...)
	}
	return found, nil
}

func (c *call) notFound(loc location, path string) error {
	shown := path
	if loc.drive == "" {
		shown = nt.Win(loc.path)
	}
	return c.complain(itemNotFound, "Cannot find path '%s' because it does not exist.", shown)
}

// findFiles follows a path with wildcards through the directories.
func (c *call) findFiles(path string, literal, hidden bool) ([]any, error) {
	files := c.in.p.Files
	if literal || !hasWildcard(path) {
		f, err := files.Lookup(path)
		if errors.Is(err, fs.ErrNotExist) || err != nil && !literal {
			return nil, nil
		}
		if err != nil {
			return nil, nil // what cannot be a path is not there
		}
		return []any{fileItem{f}}, nil
	}
	dirs := []string{""}
	parts := strings.Split(path, "/")
	var found []any
	for i, part := range parts {
		var next []string
		last := i == len(parts)-1
		for _, d := range dirs {
			if !hasWildcard(part) {
				p := strings.TrimPrefix(d+"/"+part, "/")
				f, err := files.Lookup(p)
				if err != nil {
					continue
				}
				if last {
					found = append(found, fileItem{f})
				}
				next = append(next, p)
				continue
			}
			list, err := files.ReadDir(d)
			if err != nil {
				continue
			}
			re := wildcard(part, false)
			for _, f := range list {
				if !re.MatchString(f.Name()) || !hidden && f.Entry.Attributes&layers.AttrHidden != 0 {
					continue
				}
				if last {
					found = append(found, fileItem{f})
				} else if f.IsDir() {
					next = append(next, f.Path)
				}
			}
		}
		dirs = next
	}
	return found, nil
}

// filters are -Filter, -Include and -Exclude.
type filters struct {
	filter           *regexp.Regexp
	include, exclude []*regexp.Regexp
}

func (c *call) filters() (f filters) {
	if c.has("Filter") && c.str("Filter") != "" {
		f.filter = wildcard(strings.ReplaceAll(c.str("Filter"), "[", "`["), false)
		if c.str("Filter") == "*.*" {
			f.filter = wildcard("*", false)
		}
	}
	for _, s := range c.strs("Include") {
		f.include = append(f.include, wildcard(s, false))
	}
	for _, s := range c.strs("Exclude") {
		f.exclude = append(f.exclude, wildcard(s, false))
	}
	return f
}

func (f filters) none() bool { return f.filter == nil && len(f.include)+len(f.exclude) == 0 }

func (f filters) want(name string) bool {
	match := func(re *regexp.Regexp) bool { return re.MatchString(name) }
	return (f.filter == nil || f.filter.MatchString(name)) && (len(f.include) == 0 || slices.ContainsFunc(f.include, match)) && !slices.ContainsFunc(f.exclude, match)
}

func nameOf(v any) string {
	switch v := v.(type) {
	case fileItem:
		return v.f.Name()
	case keyItem:
		return v.path[strings.LastIndexByte(v.path, '\\')+1:]
	}
	return ""
}

const itemParams = "Path@0| LiteralPath=PSPath,LP Filter Include Exclude Force! Credential- "

func init() {
	add("Get-Item", itemParams, func(c *call) error {
		paths, literal := c.paths()
		found, err := c.find(paths, literal, c.flag("Force"), false)
		if err != nil {
			return err
		}
		f := c.filters()
		for _, v := range found {
			if f.none() || f.want(nameOf(v)) {
				if err := c.out(v); err != nil {
					return err
				}
			}
		}
		return nil
	})
	add("Get-ChildItem", "Path@0| LiteralPath=PSPath,LP Filter@1 Include Exclude Recurse!=s Depth Force! Name! File! Directory!=ad Hidden! ReadOnly! System! Attributes FollowSymlink!", children)
	add("Test-Path", itemParams+"PathType=Type IsValid! OlderThan NewerThan", testPath)
	add("Resolve-Path", "Path@0| LiteralPath Relative!", func(c *call) error {
		paths, literal := c.paths()
		found, err := c.find(paths, literal, true, false)
		for _, v := range found {
			p := pathOf(v)
			if c.flag("Relative") {
				p = relative(c.in.p.Cwd, p)
			}
			var o any = newObject("System.Management.Automation.PathInfo", "Path", p, "ProviderPath", p, "\x00text", p)
			if c.flag("Relative") {
				o = p
			}
			err = errors.Join(err, c.out(o))
		}
		return err
	})
	add("Convert-Path", "Path@0| LiteralPath", func(c *call) error {
		paths, literal := c.paths()
		found, err := c.find(paths, literal, true, false)
		for _, v := range found {
			err = errors.Join(err, c.out(pathOf(v)))
		}
		return err
	})
	add("Join-Path", "Path@0| ChildPath@1 AdditionalChildPath@2+ Resolve!", func(c *call) error {
		for _, p := range c.input("Path") {
			for _, child := range append([]string{}, c.strs("ChildPath")...) {
				s := joinPath(toString(p), child)
				for _, more := range c.strs("AdditionalChildPath") {
					s = joinPath(s, more)
				}
				if c.flag("Resolve") {
					found, err := c.find([]string{s}, false, true, false)
					if err != nil {
						return err
					}
					for _, v := range found {
						if err := c.out(pathOf(v)); err != nil {
							return err
						}
					}
					continue
				}
				if err := c.out(s); err != nil {
					return err
				}
			}
		}
		return nil
	})
	add("Split-Path", "Path@0| LiteralPath Leaf! Parent! Qualifier! NoQualifier! LeafBase! Extension! IsAbsolute! Resolve!", func(c *call) error {
		paths, _ := c.paths()
		if c.flag("Resolve") {
			return c.unknown("Split-Path -Resolve is not known without Windows")
		}
		for _, p := range paths {
			if err := c.out(splitPath(c, p)); err != nil {
				return err
			}
		}
		return nil
	})
	add("Set-Location", "Path@0| LiteralPath PassThru!", func(c *call) error {
		paths, literal := c.paths()
		if len(paths) == 0 {
			return nil
		}
		return c.enter(paths[0], literal)
	})
	add("Push-Location", "Path@0| LiteralPath StackName PassThru!", func(c *call) error {
		old := c.in.p.Cwd
		paths, literal := c.paths()
		if len(paths) > 0 {
			if err := c.enter(paths[0], literal); err != nil {
				return err
			}
		}
		if len(c.in.stack) > maxDepth {
			return c.unknown("more than %d directories are on the stack", maxDepth)
		}
		c.in.stack = append(c.in.stack, old)
		return nil
	})
	add("Pop-Location", "StackName PassThru!", func(c *call) error {
		if n := len(c.in.stack); n > 0 {
			c.in.p.Cwd, c.in.stack = c.in.stack[n-1], c.in.stack[:n-1]
		}
		return nil
	})
	add("Get-Location", "PSProvider PSDrive", func(c *call) error { return c.out(c.in.location()) })
	add("New-Item", "Path@0 Name ItemType=Type Value=Target| Force!", newItem)
	add("mkdir", "Path@0| Name Value Force!", newItem)
	add("Remove-Item", itemParams+"Recurse! Stream", removeItem)
	add("Copy-Item", "Path@0| LiteralPath=PSPath Destination@1 Recurse! Force! Container! PassThru! Filter Include Exclude", copyItem)
	add("Move-Item", "Path@0| LiteralPath=PSPath Destination@1 Force! PassThru! Filter Include Exclude", moveItem)
	add("Rename-Item", "Path@0| LiteralPath=PSPath NewName@1 Force! PassThru!", renameItem)
	add("Unblock-File", "Path@0| LiteralPath", func(c *call) error { return nil }) // a file of a build is from nowhere
	add("Set-Item", "Path@0 Value@1| Force!", func(c *call) error {
		for _, p := range c.strs("Path") {
			loc, err := c.in.locate(c.at, p)
			if err != nil {
				return err
			}
			switch loc.drive {
			case "env", "variable":
				scope := loc.drive
				if err := c.in.set(&variableExpr{pos: c.at, scope: scope, name: loc.path}, single(c.input("Value"))); err != nil {
					return err
				}
			case "registry":
				if err := c.setValue(loc.path, "", single(c.input("Value")), ""); err != nil {
					return err
				}
			default:
				return c.unknown("Set-Item sets variables and default values of keys here")
			}
		}
		return nil
	})
	add("Set-ItemProperty", "Path@0| LiteralPath=PSPath Name=PSProperty@1 Value@2 Type=PropertyType Force! PassThru!", setItemProperty)
	add("New-ItemProperty", "Path@0 LiteralPath=PSPath Name=PSProperty@1 PropertyType=Type Value Force!", newItemProperty)
	add("Remove-ItemProperty", "Path@0| LiteralPath=PSPath Name=PSProperty@1 Force!", removeItemProperty)
	add("Rename-ItemProperty", "Path@0| LiteralPath=PSPath Name@1 NewName@2 Force!", renameItemProperty)
	add("Get-ItemProperty", "Path@0| LiteralPath=PSPath Name=PSProperty@1", getItemProperty)
	add("Get-ItemPropertyValue", "Path@0| LiteralPath=PSPath Name=PSProperty@1", getItemPropertyValue)
	add("New-PSDrive", "Name@0 PSProvider@1 Root@2 Scope Description", func(c *call) error {
		if !strings.EqualFold(c.str("PSProvider"), "Registry") {
			return c.unknown("only drives of the registry are known without Windows")
		}
		root := strings.TrimPrefix(strings.TrimPrefix(c.str("Root"), `Microsoft.PowerShell.Core\`), "Registry::")
		loc, err := c.in.locate(c.at, "Registry::"+root)
		if strings.HasPrefix(strings.ToUpper(root), "HKLM:") || strings.HasPrefix(strings.ToUpper(root), "HKCU:") {
			loc, err = c.in.locate(c.at, root)
		}
		if err != nil {
			return err
		}
		if c.in.drives == nil {
			c.in.drives = map[string]string{}
		}
		c.in.drives[strings.ToLower(c.str("Name"))] = loc.path
		return nil
	})
}

func (in *interp) location() any {
	return newObject("System.Management.Automation.PathInfo", "Path", in.p.Cwd, "ProviderPath", in.p.Cwd, "\x00text", in.p.Cwd)
}

func relative(cwd, p string) string {
	prefix := strings.TrimSuffix(cwd, `\`) + `\`
	if len(p) > len(prefix) && nt.EqualFold(p[:len(prefix)], prefix) {
		return `.\` + p[len(prefix):]
	}
	return p
}

func joinPath(a, b string) string {
	a, b = strings.ReplaceAll(a, "/", `\`), strings.ReplaceAll(b, "/", `\`)
	return strings.TrimRight(a, `\`) + `\` + strings.TrimLeft(b, `\`)
}

func splitPath(c *call, p string) any {
	s := strings.ReplaceAll(p, "/", `\`)
	trimmed := strings.TrimRight(s, `\`)
	leaf := trimmed[strings.LastIndexByte(trimmed, '\\')+1:]
	switch {
	case c.flag("Leaf"):
		return leaf
	case c.flag("LeafBase"):
		return strings.TrimSuffix(leaf, extension(leaf))
	case c.flag("Extension"):
		return extension(leaf)
	case c.flag("Qualifier"):
		q, _, _ := strings.Cut(s, ":")
		return q + ":"
	case c.flag("NoQualifier"):
		_, rest, ok := strings.Cut(s, ":")
		if !ok {
			return s
		}
		return rest
	case c.flag("IsAbsolute"):
		return strings.Contains(s, ":") || strings.HasPrefix(s, `\\`)
	}
	i := strings.LastIndexByte(trimmed, '\\')
	switch {
	case i < 0:
		return ""
	case i > 0 && trimmed[i-1] == ':':
		return trimmed[:i+1]
	}
	return trimmed[:i]
}

// enter makes a directory the current one.
func (c *call) enter(path string, literal bool) error {
	loc, err := c.in.locate(c.at, path)
	if err != nil {
		return err
	}
	if loc.drive != "" {
		return c.unknown("a location in the registry is not known without Windows; name keys in full")
	}
	found, err := c.findFiles(loc.path, literal, true)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		if f, err := c.in.p.Files.Resolve(found[0].(fileItem).f.Path); err == nil && f.IsDir() {
			c.in.p.Cwd = nt.Win(found[0].(fileItem).f.Path)
			return nil
		}
	}
	return c.complain(itemNotFound, "Cannot find path '%s' because it does not exist.", nt.Win(loc.path))
}

func testPath(c *call) error {
	paths, literal := c.paths()
	if c.flag("IsValid") || c.has("OlderThan") || c.has("NewerThan") {
		return c.unknown("-IsValid, -OlderThan and -NewerThan are not known without Windows")
	}
	f := c.filters()
	for _, p := range paths {
		ok := false
		if strings.TrimSpace(p) != "" {
			loc, err := c.in.locate(c.at, p)
			if t, is := asThrown(err); is {
				_ = t // a drive that is not there
				if err := c.out(false); err != nil {
					return err
				}
				continue
			}
			if err != nil {
				return err
			}
			if loc.drive == "env" {
				_, ok = c.in.p.Env.Get(loc.path)
			} else if loc.drive == "variable" {
				_, ok = c.in.scope.vars[strings.ToLower(loc.path)]
			} else {
				found, err := c.find([]string{p}, literal, true, true)
				if err != nil {
					return err
				}
				ok = slices.ContainsFunc(found, func(v any) bool { return f.want(nameOf(v)) && c.isType(v) })
			}
		}
		if err := c.out(ok); err != nil {
			return err
		}
	}
	return nil
}

// isType is -PathType.
func (c *call) isType(v any) bool {
	want := strings.ToLower(c.str("PathType"))
	dir := true
	if f, ok := v.(fileItem); ok {
		r, err := c.in.p.Files.Resolve(f.f.Path)
		dir = err == nil && r.IsDir()
	}
	switch {
	case want == "" || strings.HasPrefix("any", want):
		return true
	case strings.HasPrefix("leaf", want):
		return !dir
	}
	return dir
}

func children(c *call) error {
	if c.has("Attributes") || c.flag("FollowSymlink") {
		return c.unknown("-Attributes and -FollowSymlink are not known without Windows")
	}
	paths, literal := c.paths()
	if len(paths) == 0 {
		paths, literal = []string{c.in.p.Cwd}, true
	}
	depth, err := c.number("Depth", -1)
	if err != nil {
		return err
	}
	recurse := c.flag("Recurse") || depth >= 0
	if recurse && depth < 0 {
		depth = 1 << 20
	}
	found, err := c.find(paths, literal, c.flag("Force"), false)
	if err != nil {
		return err
	}
	f := c.filters()
	// Without -Recurse, -Include looks only at what the path itself names.
	shallow := !recurse && len(f.include) > 0
	wild := !literal && slices.ContainsFunc(paths, func(p string) bool { return hasWildcard(fileName(p)) })
	for _, v := range found {
		dir := true
		if file, ok := v.(fileItem); ok {
			r, err := c.in.p.Files.Resolve(file.f.Path)
			dir = err == nil && r.IsDir()
		}
		switch {
		case !dir, shallow && wild:
			err = c.show(v, f, "")
		case recurse && wild:
			// Get-ChildItem *.txt -Recurse looks for the name in all directories.
			if err = c.show(v, f, ""); err == nil {
				err = c.below(v, f, depth, "")
			}
		case shallow:
		default:
			err = c.below(v, f, depth, "")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// show puts out an item that the filters want.
func (c *call) show(v any, f filters, prefix string) error {
	if file, ok := v.(fileItem); ok {
		a := file.f.Entry.Attributes
		hidden := a&layers.AttrHidden != 0
		switch {
		case c.flag("File") && file.f.IsDir(), c.flag("Directory") && !file.f.IsDir(),
			hidden && !c.flag("Force") && !c.flag("Hidden"), c.flag("Hidden") && !hidden,
			c.flag("ReadOnly") && a&layers.AttrReadOnly == 0, c.flag("System") && a&layers.AttrSystem == 0:
			return nil
		}
	}
	if !f.want(nameOf(v)) {
		return nil
	}
	if c.flag("Name") {
		return c.out(prefix + nameOf(v))
	}
	return c.out(v)
}

// below lists what is in a directory or key, the files of a directory before those
// of the next, as Windows does.
func (c *call) below(v any, f filters, depth int, prefix string) error {
	if err := c.in.step(c.at); err != nil {
		return err
	}
	list, err := c.in.childrenOf(v)
	if err != nil {
		return err
	}
	var dirs, files []any
	for _, item := range list {
		if file, ok := item.(fileItem); ok && !file.f.IsDir() {
			files = append(files, item)
		} else {
			dirs = append(dirs, item)
		}
	}
	for _, item := range append(slices.Clone(dirs), files...) {
		if err := c.show(item, f, prefix); err != nil {
			return err
		}
	}
	if depth <= 0 {
		return nil
	}
	for _, d := range dirs {
		if file, ok := d.(fileItem); ok && (file.f.Kind() != layers.Dir || file.f.Entry.Attributes&layers.AttrHidden != 0 && !c.flag("Force")) {
			continue
		}
		if err := c.below(d, f, depth-1, prefix+nameOf(d)+`\`); err != nil {
			return err
		}
	}
	return nil
}

func (in *interp) childrenOf(v any) (list []any, err error) {
	switch v := v.(type) {
	case fileItem:
		files, err := in.p.Files.ReadDir(v.f.Path)
		for _, f := range files {
			list = append(list, fileItem{f})
		}
		return list, err
	case keyItem:
		return in.subkeys(v)
	}
	return nil, nil
}

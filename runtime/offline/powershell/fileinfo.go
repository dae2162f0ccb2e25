package powershell

import (
	"slices"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
)

// fileProperty reads a property of a file or directory.
func (in *interp) fileProperty(f fileItem, lower string) (any, bool, error) {
	full := nt.Win(f.f.Path)
	name := f.f.Name()
	if f.f.Path == "" {
		name = `C:\`
	}
	switch lower {
	case "name", "pschildname":
		return name, true, nil
	case "fullname":
		return full, true, nil
	case "psparentpath", "directoryname":
		return full[:max(strings.LastIndexByte(full, '\\'), 0)], true, nil
	case "pspath":
		return `Microsoft.PowerShell.Core\FileSystem::` + full, true, nil
	case "directory", "parent":
		if f.f.Path == "" {
			return nil, true, nil
		}
		parent, err := in.p.Files.Resolve(f.f.Path[:max(strings.LastIndexByte(f.f.Path, '/'), 0)])
		if err != nil {
			return nil, false, err
		}
		return fileItem{parent}, true, nil
	case "extension":
		if i := strings.LastIndexByte(name, '.'); i >= 0 {
			return name[i:], true, nil
		}
		return "", true, nil
	case "basename":
		if i := strings.LastIndexByte(name, '.'); i >= 0 && !f.f.IsDir() {
			return name[:i], true, nil
		}
		return name, true, nil
	case "length":
		if f.f.IsDir() {
			return int64(1), true, nil
		}
		return f.f.Size(), true, nil
	case "exists":
		_, err := in.p.Files.Resolve(f.f.Path)
		return err == nil, true, nil
	case "psiscontainer":
		return f.f.IsDir(), true, nil
	case "isreadonly":
		return f.f.Entry.Attributes&layers.AttrReadOnly != 0, true, nil
	case "attributes":
		return attributeText(f), true, nil
	case "lastwritetime", "lastwritetimeutc":
		return f.f.Entry.Modified.Time().UTC(), true, nil
	case "creationtime", "creationtimeutc":
		return f.f.Entry.Created.Time().UTC(), true, nil
	}
	return nil, false, nil
}

var attributeNames = []struct {
	bit  uint32
	name string
}{{layers.AttrReadOnly, "ReadOnly"}, {layers.AttrHidden, "Hidden"}, {layers.AttrSystem, "System"}, {layers.AttrDirectory, "Directory"}, {layers.AttrArchive, "Archive"}}

func attributeText(f fileItem) string {
	var names []string
	for _, a := range attributeNames {
		if f.f.Entry.Attributes&a.bit != 0 {
			names = append(names, a.name)
		}
	}
	if len(names) == 0 {
		return "Normal"
	}
	return strings.Join(names, ", ")
}

func (in *interp) setFileProperty(at pos, f fileItem, lower string, v any) error {
	var attributes uint32
	switch lower {
	case "isreadonly":
		attributes = f.f.Entry.Attributes &^ layers.AttrReadOnly
		if truth(v) {
			attributes |= layers.AttrReadOnly
		}
	case "attributes":
		for name := range strings.SplitSeq(toString(v), ",") {
			name = strings.TrimSpace(name)
			i := slices.IndexFunc(attributeNames, func(a struct {
				bit  uint32
				name string
			}) bool {
				return strings.EqualFold(a.name, name)
			})
			if i < 0 && !strings.EqualFold(name, "Normal") {
				return in.unsupported(at, "Attributes", name+" is not known without Windows")
			}
			if i >= 0 {
				attributes |= attributeNames[i].bit
			}
		}
		attributes &^= layers.AttrDirectory
	default:
		return in.unsupported(at, "."+lower, "this property of a file cannot be set without Windows")
	}
	return in.p.Files.SetAttributes(f.f.Path, attributes)
}

var fileMethods = map[string]method{
	"delete": func(c *methodCall) (any, error) {
		return nothing{}, c.in.p.Files.RemoveAll(c.on.(fileItem).f.Path)
	},
	"refresh": func(c *methodCall) (any, error) { return nothing{}, nil },
}

package powershell

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/runtime/offline/tools"
)

// key is the key of a path as Registry takes it.
func (in *interp) key(at pos, path string) (string, error) {
	short, _, why := tools.Key(path)
	if why != "" {
		return "", in.unsupported(at, path, why)
	}
	if short == "" {
		return "", in.raise(at, itemNotFound, "Cannot find path '%s' because it does not exist.", path)
	}
	if user, _ := tools.OfUser(short); user {
		tools.UseUsers(in.p)
	}
	return short, nil
}

// savedRegistry writes a user's hive back after a change.
func (in *interp) savedRegistry(key string) error {
	if user, _ := tools.OfUser(key); user {
		return in.p.Files.SaveUsers()
	}
	return nil
}

// mayWrite is the error of an account that may not write a key.
func (in *interp) mayWrite(at pos, key string) error {
	if _, own := tools.OfUser(key); in.p.Admin || own {
		return nil
	}
	return in.raise(at, "System.Security.SecurityException", "Requested registry access is not allowed.")
}

// notThere lets an error pass unless it says that something does not exist.
func notThere(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// environment is the key of a target's variables.
func (in *interp) environment(at pos, target string) (string, error) {
	switch strings.ToLower(target) {
	case "machine", "2":
		return environmentKey(), nil
	case "user", "1":
		return in.key(at, `HKCU\Environment`)
	}
	return "", in.raise(at, "System.ArgumentException", "Illegal enum value: %s.", target)
}

// findKeys follows a path of keys with wildcards.
func (c *call) findKeys(path string, literal bool) ([]any, error) {
	if !literal && hasWildcard(path) {
		dir, last := path[:max(strings.LastIndexByte(path, '\\'), 0)], path[strings.LastIndexByte(path, '\\')+1:]
		if hasWildcard(dir) {
			return nil, c.unknown("a wildcard is known only in the last part of a key's path")
		}
		parents, err := c.findKeys(dir, true)
		if err != nil || len(parents) == 0 {
			return nil, err
		}
		all, err := c.in.subkeys(parents[0].(keyItem))
		if err != nil {
			return nil, err
		}
		re := wildcard(last, false)
		var found []any
		for _, v := range all {
			if re.MatchString(nameOf(v)) {
				found = append(found, v)
			}
		}
		return found, nil
	}
	if path == "HKEY_LOCAL_MACHINE" || path == "HKEY_CURRENT_USER" {
		return []any{keyItem{path}}, nil
	}
	key, err := c.in.key(c.at, path)
	if _, ok := asThrown(err); ok {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	_, err = c.in.p.Files.Registry().Key(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	_, long, _ := tools.Key(path)
	return []any{keyItem{long}}, nil
}

func (in *interp) subkeys(k keyItem) (list []any, err error) {
	key, err := in.key(0, k.path)
	if err != nil {
		return nil, err
	}
	found, err := in.p.Files.Registry().Key(key)
	if err != nil {
		return nil, err
	}
	for sub, err := range found.Subkeys() {
		if err != nil {
			return nil, err
		}
		list = append(list, keyItem{k.path + `\` + sub.Name()})
	}
	return list, nil
}

func (in *interp) keyProperty(at pos, k keyItem, lower string) (any, bool, error) {
	switch lower {
	case "name":
		return k.path, true, nil
	case "pschildname":
		return nameOf(k), true, nil
	case "pspath":
		return `Microsoft.PowerShell.Core\Registry::` + k.path, true, nil
	case "property", "valuecount", "subkeycount":
		key, err := in.key(at, k.path)
		if err != nil {
			return nil, false, err
		}
		found, err := in.p.Files.Registry().Key(key)
		if err != nil {
			return nil, false, notThere(err)
		}
		names := newList()
		for v, err := range found.Values() {
			if err != nil {
				return nil, false, err
			}
			name := v.Name
			if name == "" {
				name = "(default)"
			}
			names.items = append(names.items, name)
		}
		if lower == "valuecount" {
			return int64(len(names.items)), true, nil
		}
		if lower == "subkeycount" {
			subs, err := in.subkeys(k)
			return int64(len(subs)), true, err
		}
		return names, true, nil
	}
	return nil, false, nil
}

func (c *call) newKey(path, shown string) error {
	key, err := c.in.key(c.at, path)
	if err != nil {
		return err
	}
	if err := c.in.mayWrite(c.at, key); err != nil {
		return err
	}
	r := c.in.p.Files.Registry()
	_, err = r.Key(key)
	if err == nil {
		if !c.flag("Force") {
			return c.complain(ioException, "A key in this path already exists.")
		}
		// With -Force the key is made anew, without what was in it.
		if err := r.DeleteKey(key); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if i := strings.LastIndexByte(key, '\\'); i > 0 && !c.flag("Force") {
		if _, err := r.Key(key[:i]); errors.Is(err, fs.ErrNotExist) {
			return c.complain(ioException, "The registry key at the specified path does not exist.")
		}
	}
	if err := r.CreateKey(key); err != nil {
		return err
	}
	if v := c.input("Value"); len(v) > 0 {
		if err := c.setValue(path, "", single(v), c.str("ItemType")); err != nil {
			return err
		}
	}
	if err := c.in.savedRegistry(key); err != nil {
		return err
	}
	_, long, _ := tools.Key(path)
	return c.out(keyItem{long})
}

func (c *call) removeKey(k keyItem) error {
	key, err := c.in.key(c.at, k.path)
	if err != nil {
		return err
	}
	if err := c.in.mayWrite(c.at, key); err != nil {
		return err
	}
	subs, err := c.in.subkeys(k)
	if err != nil {
		return notThere(err)
	}
	if len(subs) > 0 && !c.flag("Recurse") {
		return c.fail(noPrompt, "The item at %s has children and the Recurse parameter was not specified, and nobody can be asked.", k.path)
	}
	if err := c.in.p.Files.Registry().DeleteKey(key); err != nil {
		return err
	}
	return c.in.savedRegistry(key)
}

// valueKinds are the names of -PropertyType.
var valueKinds = map[string]hives.Type{
	"string": hives.SZ, "expandstring": hives.ExpandSZ, "binary": hives.Binary, "dword": hives.DWORD, "multistring": hives.MultiSZ, "qword": hives.QWORD, "none": hives.None,
}

// setValue writes a value. Without a kind it is that of the value which is there,
// else the one that .NET takes for the value's type.
func (c *call) setValue(path, name string, v any, kind string) error {
	key, err := c.in.key(c.at, path)
	if err != nil {
		return err
	}
	if err := c.in.mayWrite(c.at, key); err != nil {
		return err
	}
	if strings.EqualFold(name, "(default)") {
		name = ""
	}
	r := c.in.p.Files.Registry()
	k, err := r.Key(key)
	if err != nil {
		return err
	}
	typ, given := valueKinds[strings.ToLower(kind)]
	if kind != "" && !given && !strings.EqualFold(kind, "Unknown") {
		return c.fail("System.Management.Automation.ParameterBindingException", "Cannot bind parameter 'Type'. Cannot convert value \"%s\" to type \"Microsoft.Win32.RegistryValueKind\".", kind)
	}
	if old, err := k.Value(name); err == nil {
		name = old.Name
		if !given {
			typ, given = old.Type, true
			if _, err := registryValue(name, v, typ); err != nil {
				given = false // a value that does not fit makes a new kind
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !given {
		typ = hives.SZ
		switch x := v.(type) {
		case int64:
			if x == int64(int32(x)) {
				typ = hives.DWORD
			}
		case byteArray:
			typ = hives.Binary
		case *list:
			typ = hives.MultiSZ
		}
	}
	value, err := registryValue(name, v, typ)
	if err != nil {
		return err
	}
	if err := r.SetValue(key, value); err != nil {
		return err
	}
	return c.in.savedRegistry(key)
}

func registryValue(name string, v any, typ hives.Type) (hives.Value, error) {
	switch typ {
	case hives.DWORD:
		n, ok := toInt(v)
		if !ok || n < -1<<31 || n > 1<<32-1 {
			return hives.Value{}, castError(v, "System.Int32")
		}
		return hives.DWORDValue(name, uint32(n)), nil
	case hives.QWORD:
		n, ok := toInt(v)
		if !ok {
			return hives.Value{}, castError(v, "System.Int64")
		}
		return hives.QWORDValue(name, uint64(n)), nil
	case hives.Binary, hives.None:
		b, err := toBytes(v)
		if err != nil {
			return hives.Value{}, err
		}
		data, _ := b.(byteArray)
		value := hives.BinaryValue(name, data)
		value.Type = typ
		return value, nil
	case hives.MultiSZ:
		var list []string
		for _, item := range items(v) {
			list = append(list, toString(item))
		}
		return hives.MultiValue(name, list...), nil
	case hives.ExpandSZ:
		return hives.ExpandValue(name, toString(v)), nil
	}
	return hives.StringValue(name, toString(v)), nil
}

// valueOf is a value of the registry as a script sees it.
func (in *interp) valueOf(v hives.Value) any {
	switch v.Type {
	case hives.DWORD:
		n, _ := v.Uint()
		return int64(int32(uint32(n)))
	case hives.QWORD:
		n, _ := v.Uint()
		return int64(n)
	case hives.SZ:
		return v.Text()
	case hives.ExpandSZ:
		return in.p.Env.Expand(v.Text())
	case hives.MultiSZ:
		return texts(v.Strings())
	}
	return byteArray(v.Data)
}

// eachItem calls fn for what the paths of a cmdlet about properties name.
func (c *call) eachItem(fn func(v any) error) error {
	paths, literal := c.paths()
	found, err := c.find(paths, literal, true, false)
	if err != nil {
		return err
	}
	for _, v := range found {
		if err := fn(v); err != nil {
			return err
		}
	}
	return nil
}

func setItemProperty(c *call) error {
	return c.eachItem(func(v any) error {
		if f, ok := v.(fileItem); ok {
			return c.in.setFileProperty(c.at, f, strings.ToLower(c.str("Name")), c.args["Value"])
		}
		return c.setValue(v.(keyItem).path, c.str("Name"), c.args["Value"], c.str("Type"))
	})
}

func newItemProperty(c *call) error {
	return c.eachItem(func(v any) error {
		k, ok := v.(keyItem)
		if !ok {
			return c.unknown("New-ItemProperty makes values of the registry")
		}
		key, err := c.in.key(c.at, k.path)
		if err != nil {
			return err
		}
		found, err := c.in.p.Files.Registry().Key(key)
		if err != nil {
			return err
		}
		if _, err := found.Value(c.str("Name")); err == nil {
			if !c.flag("Force") {
				return c.complain(ioException, "The property already exists.")
			}
			if err := c.in.p.Files.Registry().DeleteValue(key, c.str("Name")); err != nil {
				return err
			}
		}
		if err := c.setValue(k.path, c.str("Name"), c.args["Value"], c.str("PropertyType")); err != nil {
			return err
		}
		return c.out(newObject(custom, c.str("Name"), c.args["Value"], "PSPath", `Microsoft.PowerShell.Core\Registry::`+k.path))
	})
}

func removeItemProperty(c *call) error {
	return c.eachItem(func(v any) error {
		k, ok := v.(keyItem)
		if !ok {
			return c.unknown("Remove-ItemProperty removes values of the registry")
		}
		key, err := c.in.key(c.at, k.path)
		if err != nil {
			return err
		}
		if err := c.in.mayWrite(c.at, key); err != nil {
			return err
		}
		for _, name := range c.strs("Name") {
			err := c.in.p.Files.Registry().DeleteValue(key, name)
			if errors.Is(err, fs.ErrNotExist) {
				err = c.complain("System.Management.Automation.PSArgumentException", "Property %s does not exist at path %s.", name, k.path)
			}
			if err != nil {
				return err
			}
		}
		return c.in.savedRegistry(key)
	})
}

func renameItemProperty(c *call) error {
	return c.eachItem(func(v any) error {
		k, ok := v.(keyItem)
		if !ok {
			return c.unknown("Rename-ItemProperty renames values of the registry")
		}
		key, err := c.in.key(c.at, k.path)
		if err != nil {
			return err
		}
		r := c.in.p.Files.Registry()
		found, err := r.Key(key)
		if err != nil {
			return err
		}
		value, err := found.Value(c.str("Name"))
		if errors.Is(err, fs.ErrNotExist) {
			return c.complain("System.Management.Automation.PSArgumentException", "Property %s does not exist at path %s.", c.str("Name"), k.path)
		}
		if err == nil {
			err = r.DeleteValue(key, value.Name)
		}
		if err != nil {
			return err
		}
		value.Name = c.str("NewName")
		if err := r.SetValue(key, value); err != nil {
			return err
		}
		return c.in.savedRegistry(key)
	})
}

// properties are the values of a key by name, and what PowerShell adds.
func (c *call) properties(k keyItem, names []string) (*object, error) {
	key, err := c.in.key(c.at, k.path)
	if err != nil {
		return nil, err
	}
	found, err := c.in.p.Files.Registry().Key(key)
	if err != nil {
		return nil, err
	}
	o := newObject(custom)
	if len(names) == 0 {
		for v, err := range found.Values() {
			if err != nil {
				return nil, err
			}
			name := v.Name
			if name == "" {
				name = "(default)"
			}
			o.props.set(name, c.in.valueOf(v))
		}
	}
	for _, name := range names {
		at := name
		if strings.EqualFold(name, "(default)") {
			at = ""
		}
		v, err := found.Value(at)
		if errors.Is(err, fs.ErrNotExist) {
			err = c.complain("System.Management.Automation.PSArgumentException", "Property %s does not exist at path %s.", name, k.path)
			if err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		o.props.set(name, c.in.valueOf(v))
	}
	if len(o.props.keys) == 0 {
		return nil, nil
	}
	o.props.set("PSPath", `Microsoft.PowerShell.Core\Registry::`+k.path)
	o.props.set("PSChildName", nameOf(k))
	return o, nil
}

func getItemProperty(c *call) error {
	return c.eachItem(func(v any) error {
		k, ok := v.(keyItem)
		if !ok {
			return c.out(v)
		}
		o, err := c.properties(k, c.strs("Name"))
		if err != nil || o == nil {
			return err
		}
		return c.out(o)
	})
}

func getItemPropertyValue(c *call) error {
	return c.eachItem(func(v any) error {
		for _, name := range c.strs("Name") {
			var value any
			var err error
			if k, ok := v.(keyItem); ok {
				var o *object
				if o, err = c.properties(k, []string{name}); err != nil || o == nil {
					return err
				}
				value, _ = o.props.get(name)
			} else {
				value, err = c.in.property(c.at, v, name)
			}
			if err != nil {
				return err
			}
			if err := c.out(value); err != nil {
				return err
			}
		}
		return nil
	})
}

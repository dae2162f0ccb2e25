package wine

import (
	"fmt"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/winereg"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
)

// RegistryFiles returns the names of the registry texts in a prefix: HKLM, HKCU
// and HKU\.DEFAULT.
func RegistryFiles() []string { return []string{systemFile, userFile, userDefaultFile} }

const (
	systemFile      = "system.reg"
	userFile        = "user.reg"
	userDefaultFile = "userdef.reg"
)

// Limits of what is taken over from an image. A Windows Server image has 250,000
// keys and 100 MB.
const (
	maxKeys  = 2_000_000
	maxBytes = 512 << 20
	maxDepth = 512
)

// Keys below which same-named values stay Wine's, because Wine's own libraries
// and server read them and an image's describe another system. What only the
// image has is shown there too.
var keepBelow = []string{
	`Software\Wine`,
	`Software\Classes\CLSID`,     // which library serves a COM class
	`Software\Classes\Interface`, // and marshals an interface
	`Software\Microsoft\Cryptography\Defaults`,
	`Software\Microsoft\Cryptography\OID`,
	`Software\Microsoft\Windows NT\CurrentVersion\AeDebug`,
	`Software\Microsoft\Windows NT\CurrentVersion\Drivers32`,
	`Software\Microsoft\Windows NT\CurrentVersion\ProfileList`,
	`Software\Microsoft\Windows NT\CurrentVersion\Time Zones`,
	`System\CurrentControlSet\Control\Class`,
	`System\CurrentControlSet\Control\ComputerName`,
	`System\CurrentControlSet\Control\DeviceClasses`,
	`System\CurrentControlSet\Control\Lsa`,
	`System\CurrentControlSet\Control\Nls`,
	`System\CurrentControlSet\Control\Print`,
	`System\CurrentControlSet\Control\ProductOptions`,
	`System\CurrentControlSet\Control\SecurityProviders`,
	`System\CurrentControlSet\Enum`,
	`System\CurrentControlSet\Services`,
}

// keepAt are keys of which the same holds, but not of those below them: the
// Windows version that Wine reports comes from this one.
var keepAt = []string{`Software\Microsoft\Windows NT\CurrentVersion`}

const (
	volatileKey    = `Volatile Environment`
	currentControl = `System\CurrentControlSet`
	environmentKey = currentControl + `\Control\Session Manager\Environment`
)

// composer merges an image's hives into a Wine registry text.
type composer struct {
	file  *winereg.File
	index map[string]int // folded path -> place in file.Keys
	keep  map[string]bool
	keys  int
	bytes int
}

// compose merges the image's registry into base, Wine's HKLM.
func compose(base *winereg.File, v *view.View) error {
	c := newComposer(base)
	for _, h := range []hives.Name{hives.Software, hives.System} {
		stack, err := v.Registry(h)
		if err != nil {
			return fmt.Errorf("hive %s: %w", h, err)
		}
		root, err := stack.Root()
		if err != nil {
			return fmt.Errorf("hive %s: %w", h, err)
		}
		if h == hives.System {
			err = c.system(root)
		} else {
			err = c.tree(root, `Software`)
		}
		if err != nil {
			return fmt.Errorf("hive %s: %w", h, err)
		}
	}
	return nil
}

func newComposer(base *winereg.File) *composer {
	c := &composer{file: base, index: make(map[string]int, len(base.Keys)), keep: map[string]bool{}}
	for i, k := range base.Keys {
		c.index[nt.Fold(k.Path)] = i
	}
	for _, k := range keepBelow {
		c.keep[nt.Fold(k)] = true
	}
	return c
}

// system merges the SYSTEM hive. Wine has the current control set as the key that
// Windows makes a link; the image's own name for it becomes a link there.
func (c *composer) system(root hives.Key) error {
	current := controlSet(root)
	for k, err := range root.Subkeys() {
		if err != nil {
			return err
		}
		path := `System\` + k.Name()
		if nt.EqualFold(k.Name(), current) {
			c.link(path, `\Registry\Machine\`+currentControl)
			path = currentControl
		}
		if nt.EqualFold(k.Name(), "CurrentControlSet") {
			continue // Windows' volatile link, should an image have it
		}
		if err := c.tree(k, path); err != nil {
			return err
		}
	}
	return nil
}

// controlSet returns the name of the current control set, as Select tells.
func controlSet(root hives.Key) string {
	const first = "ControlSet001"
	sel, err := root.Subkey("Select")
	if err != nil {
		return first
	}
	value, err := sel.Value("Current")
	if err != nil {
		return first
	}
	n, ok := value.Uint()
	if !ok || n == 0 || n > 999 {
		return first
	}
	return fmt.Sprintf("ControlSet%03d", n)
}

// link adds a registry link, unless the base has the key.
func (c *composer) link(path, target string) {
	if _, ok := c.index[nt.Fold(path)]; ok {
		return
	}
	i := c.key(path)
	c.file.Keys[i].Link = true
	c.file.Keys[i].Values = []hives.Value{{Name: "SymbolicLinkValue", Type: hives.Link, Data: nt.UTF16Bytes(target)}}
}

// tree merges a key and all below it. Keys that cannot be read are left out, as
// they would be on Windows.
func (c *composer) tree(root hives.Key, path string) error {
	type pending struct {
		key   hives.Key
		path  string
		depth int
	}
	todo := []pending{{root, path, 0}}
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if c.keys++; c.keys > maxKeys || p.depth > maxDepth {
			return fmt.Errorf("key %s: more than %d keys or %d levels", p.path, maxKeys, maxDepth)
		}
		if c.isLink(p.path) {
			continue // what is below it is elsewhere in Wine's registry
		}
		if err := c.merge(p.key, p.path); err != nil {
			return err
		}
		for k, err := range p.key.Subkeys() {
			if err != nil {
				break
			}
			if name := k.Name(); name != "" && !strings.ContainsRune(name, '\\') {
				todo = append(todo, pending{k, p.path + `\` + name, p.depth + 1})
			}
		}
	}
	return nil
}

func (c *composer) isLink(path string) bool {
	i, ok := c.index[nt.Fold(path)]
	return ok && c.file.Keys[i].Link
}

// merge takes over one key's values.
func (c *composer) merge(k hives.Key, path string) error {
	info, err := k.Info()
	if err != nil {
		return nil // unreadable
	}
	if info.Symlink {
		return nil // links of Windows point to places that Wine keeps elsewhere
	}
	i := c.key(path)
	entry := &c.file.Keys[i]
	if entry.Class == "" {
		entry.Class = info.Class
	}
	keep := c.keeps(path)
	places := make(map[string]int, len(entry.Values))
	for j, v := range entry.Values {
		places[nt.Fold(v.Name)] = j
	}
	for v, err := range k.Values() {
		if err != nil {
			return nil
		}
		if c.bytes += 64 + len(v.Name) + len(v.Data); c.bytes > maxBytes {
			return fmt.Errorf("key %s: more than %d bytes of values", path, maxBytes)
		}
		switch j, ok := places[nt.Fold(v.Name)]; {
		case !ok:
			places[nt.Fold(v.Name)] = len(entry.Values)
			entry.Values = append(entry.Values, v)
		case !keep:
			entry.Values[j] = v
		}
	}
	return nil
}

// key returns the place of the key at path, which it adds if it is missing.
func (c *composer) key(path string) int {
	folded := nt.Fold(path)
	i, ok := c.index[folded]
	if !ok {
		i = len(c.file.Keys)
		c.index[folded] = i
		c.file.Keys = append(c.file.Keys, winereg.Key{Path: path})
	}
	return i
}

// keeps tells whether same-named values of the key at path stay Wine's.
func (c *composer) keeps(path string) bool {
	for _, k := range keepAt {
		if nt.EqualFold(path, k) {
			return true
		}
	}
	for p := nt.Fold(path); ; {
		if c.keep[p] {
			return true
		}
		i := strings.LastIndexByte(p, '\\')
		if i < 0 {
			return false
		}
		p = p[:i]
	}
}

// set sets one value of the key at path.
func (c *composer) set(path string, v hives.Value) {
	entry := &c.file.Keys[c.key(path)]
	for i := range entry.Values {
		if nt.EqualFold(entry.Values[i].Name, v.Name) {
			entry.Values[i] = v
			return
		}
	}
	entry.Values = append(entry.Values, v)
}

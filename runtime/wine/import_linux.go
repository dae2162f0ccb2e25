package wine

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/winereg"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
)

// Import makes sc, which holds what spec.View holds, hold what programs have written in the container whose folder
// is spec.Dir and in which nothing runs: files, HKEY_LOCAL_MACHINE and the user's HKEY_CURRENT_USER. names are those of the Disk. It returns, for people,
// what cannot be part of a layer.
//
// The registry's changes are those between the text that Wine has left and the one that it was given at the first start, so
// that nothing of Wine's own registry gets into the image.
func (b *Base) Import(spec *runtime.Spec, names map[string]string, sc *view.Scratch) (left []string, err error) {
	upper := filepath.Join(spec.Dir, UpperDir)
	if _, err := os.Stat(upper); errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it was never started
	}
	if id, err := os.ReadFile(filepath.Join(spec.Dir, composedFile)); err != nil || string(id) != b.ID {
		return nil, errors.New("the container was first started with another Wine than this host's, whose registry its own cannot be compared with: " +
			"make and run it again")
	}
	out, err := view.ImportUpper(sc, upper, view.UpperOptions{Lower: spec.View, Names: names, Omit: b.has})
	if err != nil {
		return nil, err
	}
	for _, l := range out {
		left = append(left, nt.Win(l.Path)+": "+l.Reason)
	}
	prefix := filepath.Join(spec.Dir, PrefixDir)
	before, err := b.machine(spec)
	if err != nil {
		return nil, err
	}
	after, err := readRegistry(filepath.Join(prefix, systemFile))
	if err != nil {
		return nil, fmt.Errorf("read the container's registry: %w", err)
	}
	if err := importTree(sc.Registry(), before, after, machineKey); err != nil {
		return nil, fmt.Errorf("import the container's registry: %w", err)
	}
	return left, b.importUser(spec, filepath.Join(prefix, userFile), sc)
}

// importUser makes what the container's user has changed in HKEY_CURRENT_USER part of sc.
func (b *Base) importUser(spec *runtime.Spec, file string, sc *view.Scratch) error {
	sid, ok := nt.AccountSID(userName(spec))
	if !ok {
		return nil // an account that the image does not know has no profile there
	}
	before, err := b.user(spec)
	if err != nil {
		return err
	}
	after, err := readRegistry(file)
	if err != nil {
		return fmt.Errorf("read the user's registry: %w", err)
	}
	sc.UseUsers(sid)
	if err := importTree(sc.Registry(), before, after, userKey); err != nil {
		return fmt.Errorf("import the user's registry: %w", err)
	}
	return sc.SaveUsers()
}

// has tells whether the base's drive C: has a file with that content.
func (b *Base) has(path string, content [32]byte) bool {
	for _, e := range b.Under.Entries {
		if !nt.EqualFold(e.Path, path) || !e.Mode.IsRegular() {
			continue
		}
		f, err := os.Open(b.Under.Data)
		if err != nil {
			return false
		}
		defer f.Close()
		h := sha256.New()
		_, err = io.Copy(h, io.NewSectionReader(f, e.Offset, e.Size))
		return err == nil && [32]byte(h.Sum(nil)) == content
	}
	return false
}

// importTree makes in an image the changes between two texts; address says where in the image a key is, if it is there at all.
func importTree(to *hives.Registry, before, after *winereg.File, address func(*winereg.Key) (string, bool)) error {
	old, now := byPath(before), byPath(after)
	there := map[string]bool{} // keys that the text has or implies
	for path := range now {
		for p := path; p != "" && !there[p]; p = p[:max(0, strings.LastIndexByte(p, '\\'))] {
			there[p] = true
		}
	}
	for _, k := range before.Keys {
		if at, ok := address(&k); ok && !there[nt.Fold(k.Path)] {
			if err := absent(to.DeleteKey(at)); err != nil {
				return err
			}
		}
	}
	for _, k := range after.Keys {
		at, ok := address(&k)
		if !ok {
			continue
		}
		was := old[nt.Fold(k.Path)]
		if was == nil {
			was = &winereg.Key{}
			if err := to.CreateKey(at); err != nil {
				return err
			}
		}
		if err := importValues(to, at, was, &k); err != nil {
			return fmt.Errorf("key %s: %w", at, err)
		}
	}
	return nil
}

func importValues(to *hives.Registry, address string, before, after *winereg.Key) error {
	old, now := valuesOf(before), valuesOf(after)
	for name, v := range old {
		if _, ok := now[name]; !ok {
			if err := absent(to.DeleteValue(address, v.Name)); err != nil {
				return err
			}
		}
	}
	for _, v := range after.Values {
		was, ok := old[nt.Fold(v.Name)]
		if ok && was.Type == v.Type && bytes.Equal(was.Data, v.Data) {
			continue
		}
		if err := to.SetValue(address, v); err != nil {
			return err
		}
	}
	return nil
}

// absent forgives that Wine's key or value, which has gone, was never the image's.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// userKey is the address in an image of a key of the user; false for what is Wine's or of one logon, or links.
func userKey(k *winereg.Key) (address string, ok bool) {
	if k.Path == "" || k.Link || under(k.Path, `Software\Wine`) || under(k.Path, volatileKey) {
		return "", false
	}
	return `HKCU\` + k.Path, true
}

// machineKey is the address in an image of a key of Wine's HKEY_LOCAL_MACHINE; false for what is Wine's, or links.
func machineKey(k *winereg.Key) (address string, ok bool) {
	if k.Link || under(k.Path, `Software\Wine`) || under(k.Path, `Software\Wow6432Node\Wine`) {
		return "", false
	}
	hive, _, _ := strings.Cut(k.Path, `\`)
	if !nt.EqualFold(hive, "Software") && !nt.EqualFold(hive, "System") || len(hive) == len(k.Path) {
		return "", false
	}
	return `HKLM\` + k.Path, true
}

func byPath(f *winereg.File) map[string]*winereg.Key {
	keys := make(map[string]*winereg.Key, len(f.Keys))
	for i := range f.Keys {
		keys[nt.Fold(f.Keys[i].Path)] = &f.Keys[i]
	}
	return keys
}

func valuesOf(k *winereg.Key) map[string]hives.Value {
	values := make(map[string]hives.Value, len(k.Values))
	for _, v := range k.Values {
		values[nt.Fold(v.Name)] = v
	}
	return values
}

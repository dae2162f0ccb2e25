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
// is spec.Dir and in which nothing runs: files, and HKEY_LOCAL_MACHINE. names are those of the Disk. It returns, for people,
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
	if err := importMachine(sc.Registry(), before, after); err != nil {
		return nil, fmt.Errorf("import the container's registry: %w", err)
	}
	own, err := b.changedUser(prefix)
	if err == nil && own != "" {
		left = append(left, `HKEY_CURRENT_USER\`+own+`: what programs write there stays in the container, RUN can write it to an image`)
	}
	return left, err
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

// changedUser returns a key of the user that the container has changed, "" for none.
func (b *Base) changedUser(prefix string) (string, error) {
	before, err := readRegistry(filepath.Join(b.dir, userFile))
	if err != nil {
		return "", err
	}
	after, err := readRegistry(filepath.Join(prefix, userFile))
	if err != nil {
		return "", err
	}
	old := byPath(before)
	for _, k := range after.Keys {
		if under(k.Path, volatileKey) || under(k.Path, `Software\Wine`) {
			continue
		}
		if was, ok := old[nt.Fold(k.Path)]; !ok || !sameValues(was, &k) {
			return k.Path, nil
		}
	}
	return "", nil
}

// importMachine makes in an image the changes between two texts of HKEY_LOCAL_MACHINE.
func importMachine(to *hives.Registry, before, after *winereg.File) error {
	old, now := byPath(before), byPath(after)
	there := map[string]bool{} // keys that the text has or implies
	for path := range now {
		for p := path; p != "" && !there[p]; p = p[:max(0, strings.LastIndexByte(p, '\\'))] {
			there[p] = true
		}
	}
	for _, k := range before.Keys {
		if address, ok := imageKey(&k); ok && !there[nt.Fold(k.Path)] {
			if err := absent(to.DeleteKey(address)); err != nil {
				return err
			}
		}
	}
	for _, k := range after.Keys {
		address, ok := imageKey(&k)
		if !ok {
			continue
		}
		was := old[nt.Fold(k.Path)]
		if was == nil {
			was = &winereg.Key{}
			if err := to.CreateKey(address); err != nil {
				return err
			}
		}
		if err := importValues(to, address, was, &k); err != nil {
			return fmt.Errorf("key %s: %w", address, err)
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

// imageKey is the address in an image of a key of Wine's HKEY_LOCAL_MACHINE; false for what is Wine's, or links.
func imageKey(k *winereg.Key) (address string, ok bool) {
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

func sameValues(a, b *winereg.Key) bool {
	old := valuesOf(a)
	for _, v := range b.Values {
		if was, ok := old[nt.Fold(v.Name)]; !ok || was.Type != v.Type || !bytes.Equal(was.Data, v.Data) {
			return false
		}
	}
	return len(a.Values) == len(b.Values)
}

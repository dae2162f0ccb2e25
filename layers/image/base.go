package image

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
)

// BaseVersion counts the changes to what ScratchBase writes; it belongs into the key of whatever caches the result.
const BaseVersion = 1

// ScratchBase writes the layer that FROM scratch stands for: the least a Windows image starts from. All in it is made
// here; nothing comes from Microsoft. All times are t.
//
// It holds the directories and access rights that every Windows image has (the system's, the program folders, the
// profiles of the container accounts, baseDirs lists them), and in Windows\System32\config the five hives: SYSTEM with
// its control set and the machine's environment, SOFTWARE with the folders of profiles and programs, DEFAULT with the
// environment of the system's profile, SAM and SECURITY with a root alone.
//
// A layer like this imports on Windows and serves HostProcess containers there; it does not boot. Under Mullion on Linux
// it runs, because Wine brings the system.
func ScratchBase(w *pack.Writer, t time.Time) error {
	if err := writeBase(w, nt.FiletimeOf(t)); err != nil {
		return fmt.Errorf("make base layer: %w", err)
	}
	return nil
}

func writeBase(w *pack.Writer, t nt.Filetime) error {
	list, err := baseTree(t)
	if err != nil {
		return err
	}
	for _, f := range list {
		if f.content == nil {
			err = w.WriteEntry(f.entry, nil)
		} else {
			err = writeBytes(w, f.entry, f.content)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// baseFile is a directory, or a file if it has content.
type baseFile struct {
	entry   *layers.Entry
	content []byte
}

// baseTree lists the layer in the order in which it is written.
func baseTree(t nt.Filetime) ([]baseFile, error) {
	var list []baseFile
	sds := map[string][]byte{"": nt.RootDirSD()}
	for _, d := range baseDirs() {
		if d.path != "" {
			parent, _ := cutLast(d.path)
			sds[d.path] = nt.InheritFile(sds[parent], true, nt.System)
		}
		if d.sddl != "" {
			sd, err := nt.ParseSDDL(d.sddl)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", d.path, err)
			}
			sds[d.path] = sd.Marshal()
		}
		e := entry(strings.TrimSuffix("Files/"+d.path, "/"), layers.Dir, layers.DefaultDir|d.attributes, t)
		e.SD = sds[d.path]
		list = append(list, baseFile{entry: e})
	}
	for _, name := range hives.Names {
		b, err := baseHive(name, t)
		if err != nil {
			return nil, fmt.Errorf("hive %s: %w", name, err)
		}
		e := entry("Files/"+name.BasePath(), layers.File, layers.DefaultFile, t)
		dir, _ := cutLast(name.BasePath())
		e.SD = nt.InheritFile(sds[dir], false, nt.System)
		list = append(list, baseFile{e, b})
	}
	slices.SortFunc(list, func(a, b baseFile) int { return layers.Order(a.entry, b.entry) })
	return list, nil
}

func cutLast(path string) (dir, name string) {
	i := max(strings.LastIndexByte(path, '/'), 0)
	return path[:i], path[i:]
}

// baseHive makes one of the five hives.
func baseHive(name hives.Name, t nt.Filetime) ([]byte, error) {
	tree := hives.NewTree(hives.Options{Time: t})
	if name == hives.Security {
		sd, err := nt.ParseSDDL(securitySDDL)
		if err != nil {
			return nil, err
		}
		if err := tree.SetSD("", sd.Marshal()); err != nil {
			return nil, err
		}
	}
	for _, k := range baseKeys(name) {
		if err := tree.CreateKey(k.path); err != nil {
			return nil, err
		}
		for _, v := range k.values {
			if err := tree.Set(k.path, v); err != nil {
				return nil, err
			}
		}
	}
	var b bytes.Buffer
	_, err := tree.WriteTo(&b)
	return b.Bytes(), err
}

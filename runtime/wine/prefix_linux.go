package wine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/mullion/mullion/layers/disk"
)

// spellings are the names of Windows' own folders that Wine writes in lower case.
// They show where an image has none of its own.
var spellings = strings.NewReplacer(
	"windows/system32/", "Windows/System32/",
	"windows/syswow64/", "Windows/SysWOW64/",
	"windows/", "Windows/",
	"users/", "Users/",
)

// droppedDirs are the folders of a fresh prefix whose content no program needs:
// WinSxS holds copies of system libraries that Wine finds without, the 32-bit
// folder serves 32-bit programs, the others what was left behind by the boot.
var droppedDirs = []string{"windows/winsxs", "windows/syswow64", "windows/temp", "windows/twain_64", "windows/logs"}

// collector turns a prefix' drive C: into an Under.
type collector struct {
	tree string // the runtime tree
	data *os.File
	size int64
	list []disk.UnderEntry
}

// collect writes the contents of the drive's files to data and returns the
// entries. Files that are the same in the runtime tree become symlinks to there.
func collect(drive, tree string, data *os.File) ([]disk.UnderEntry, error) {
	c := &collector{tree: tree, data: data}
	err := filepath.WalkDir(drive, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == drive {
			return err
		}
		rel, err := filepath.Rel(drive, name)
		if err != nil {
			return err
		}
		return c.add(filepath.ToSlash(rel), name, d)
	})
	if err != nil {
		return nil, fmt.Errorf("collect the prefix: %w", err)
	}
	if err := c.extra(); err != nil {
		return nil, fmt.Errorf("collect the prefix: %w", err)
	}
	return c.list, nil
}

func (c *collector) add(rel, name string, d fs.DirEntry) error {
	entry := disk.UnderEntry{Path: strings.TrimSuffix(spellings.Replace(rel+"/"), "/")}
	switch {
	case d.IsDir():
		entry.Mode = fs.ModeDir | 0o755
		c.list = append(c.list, entry)
		for _, dropped := range droppedDirs {
			if rel == dropped {
				return fs.SkipDir
			}
		}
		return nil
	case !d.Type().IsRegular(), strings.HasSuffix(rel, ".pnf"):
		return nil // a link into the home folder of whoever booted it, or a cache of the .inf beside it
	}
	base := strings.ToLower(path.Base(rel))
	entry.Over = path.Dir(rel) == "windows/system32" && over[base]
	target, err := c.twin(name, base)
	if err != nil {
		return err
	}
	if target != "" {
		entry.Mode, entry.Target = fs.ModeSymlink|0o777, target
		c.list = append(c.list, entry)
		return nil
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return c.file(entry, content)
}

// twin finds the file of the runtime tree that the prefix' file is a copy of. The
// tree's may have been stripped: for Wine's own libraries the name decides.
func (c *collector) twin(name, base string) (string, error) {
	head := make([]byte, 0x60)
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", err
	}
	if isBuiltin(head[:n]) {
		target := windowsDir + "/" + base
		if _, err := os.Stat(filepath.Join(c.tree, target)); err == nil {
			return target, nil
		}
		return "", nil
	}
	if path.Ext(base) != ".nls" {
		return "", nil
	}
	target := nlsDir + "/" + base
	theirs, err := os.ReadFile(filepath.Join(c.tree, target))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	ours, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(ours, theirs) {
		return "", err
	}
	return target, nil
}

// file appends content to the data file, padded to whole blocks.
func (c *collector) file(entry disk.UnderEntry, content []byte) error {
	entry.Mode, entry.Size = 0o644, int64(len(content))
	if len(content) > 0 {
		entry.Offset = c.size
		padded := (len(content) + disk.BlockSize - 1) / disk.BlockSize * disk.BlockSize
		if _, err := c.data.Write(append(content, make([]byte, padded-len(content))...)); err != nil {
			return err
		}
		c.size += int64(padded)
	}
	c.list = append(c.list, entry)
	return nil
}

// extra adds what Wine lacks: the library that Go programs need, where this Wine
// does not bring it, and the temporary folders of the two accounts.
func (c *collector) extra() error {
	if _, err := os.Stat(filepath.Join(c.tree, windowsDir, shimName)); errors.Is(err, fs.ErrNotExist) {
		if err := c.file(disk.UnderEntry{Path: "Windows/System32/" + shimName, Over: true}, shim()); err != nil {
			return err
		}
	}
	have := map[string]bool{}
	for _, e := range c.list {
		have[e.Path] = true
	}
	for _, user := range []string{"ContainerAdministrator", "ContainerUser"} {
		dir := "Users"
		for _, name := range []string{user, "AppData", "Local", "Temp"} {
			dir += "/" + name
			if !have[dir] {
				c.list = append(c.list, disk.UnderEntry{Path: dir, Mode: fs.ModeDir | 0o755})
			}
		}
	}
	return nil
}

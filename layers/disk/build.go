package disk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
)

// metaVersion changes with everything that changes the image of the same input.
const metaVersion = "disk meta v2"

// The metadata images are called after their Disks, and so are unpacked ones.
const (
	metaFolder     = "meta"
	metaSuffix     = ".erofs"
	unpackedSuffix = ".dir"
)

// maxDevices is what the device table of erofs can count.
const maxDevices = 1<<16 - 1

// description is kept beside a metadata image. It says what the image was made
// for, because the image itself does not.
type description struct {
	Version string            `json:"version"`
	ID      string            `json:"id"`
	Size    int64             `json:"size"`
	SHA256  string            `json:"sha256"`
	Devices []device          `json:"devices"`
	Names   map[string]string `json:"names,omitempty"`
}

// device is one data file: a layer's, by its place in the chain, or the Under's.
type device struct {
	Layer int    `json:"layer"`
	Size  int64  `json:"size"`
	File  string `json:"file"` // its name without the folder, which is that of the content
}

// underDevice stands for the Under in the place of a layer.
const underDevice = -1

// Build makes the Disk of v and under, which may be nil. All files are cached in
// the store; what is there already is not made again. Layers of which nothing is
// left to see get no data file.
func Build(ctx context.Context, st *store.Store, v *view.View, under *Under) (*Disk, error) {
	if under == nil {
		under = &Under{}
	}
	b := &builder{st: st, v: v, under: under}
	d, err := b.build(ctx)
	if err != nil {
		return nil, fmt.Errorf("make the disk of %s: %w", v.ChainID(), err)
	}
	return d, nil
}

type builder struct {
	st      *store.Store
	v       *view.View
	under   *Under
	devices []device
}

func (b *builder) build(ctx context.Context) (*Disk, error) {
	sum := sha256.Sum256([]byte(metaVersion + "\n" + b.v.ChainID().String() + "\n" + b.under.ID))
	id := hex.EncodeToString(sum[:])
	meta := b.st.Derived("disk", metaFolder, id+metaSuffix)
	want, err := readDescription(meta, id)
	if err != nil {
		if want, err = b.writeMeta(meta, id); err != nil {
			return nil, err
		}
	}
	unpacked := b.st.Derived("disk", metaFolder, id+unpackedSuffix)
	d := &Disk{ID: id, Meta: meta, Names: want.Names, want: *want, unpacked: unpacked}
	for _, dev := range want.Devices {
		file, err := b.dataFile(ctx, dev)
		if err != nil {
			return nil, err
		}
		d.Data = append(d.Data, file)
	}
	return d, nil
}

// readDescription returns the description of a metadata image that is in order.
func readDescription(meta, id string) (*description, error) {
	b, err := os.ReadFile(meta + ".json")
	if err != nil {
		return nil, err
	}
	var want description
	if err := json.Unmarshal(b, &want); err != nil {
		return nil, err
	}
	if want.Version != metaVersion || want.ID != id {
		return nil, errors.New("made for something else")
	}
	return &want, want.checkMeta(meta)
}

// writeMeta makes the metadata image and then its description, so that an image
// without one is known to be unfinished.
func (b *builder) writeMeta(meta, id string) (*description, error) {
	tree, err := b.tree()
	if err != nil {
		return nil, err
	}
	want := &description{Version: metaVersion, ID: id, Devices: b.devices, Names: tree.shorten()}
	if err := tree.relink(); err != nil {
		return nil, err
	}
	var blocks []int64
	for _, dev := range b.devices {
		blocks = append(blocks, dev.Size/BlockSize)
	}
	// Neither file needs to survive a loss of power: what a crash has damaged does not have this checksum.
	var image memory
	if err := writeMeta(&image, tree, blocks); err != nil {
		return nil, fmt.Errorf("write the metadata image: %w", err)
	}
	sum := sha256.Sum256(image.b)
	want.Size, want.SHA256 = int64(len(image.b)), hex.EncodeToString(sum[:])
	text, err := json.MarshalIndent(want, "", " ")
	if err == nil {
		err = b.st.WriteDerived(meta, image.b)
	}
	if err == nil {
		err = b.st.WriteDerived(meta+".json", text)
	}
	if err != nil {
		return nil, fmt.Errorf("write the metadata image: %w", err)
	}
	return want, nil
}

// memory is a file in memory: an image of a hundred thousand entries has some 15 MiB.
type memory struct {
	b  []byte
	at int64
}

func (m *memory) Write(p []byte) (int, error) {
	if grow := m.at + int64(len(p)) - int64(len(m.b)); grow > 0 {
		m.b = append(m.b, make([]byte, grow)...)
	}
	m.at += int64(copy(m.b[m.at:], p))
	return len(p), nil
}

func (m *memory) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += m.at
	case io.SeekEnd:
		offset += int64(len(m.b))
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	m.at = offset
	return offset, nil
}

// tree merges the View and the Under, and lists the devices that it needs.
func (b *builder) tree() (*node, error) {
	top, err := b.v.Lookup("")
	if err != nil {
		return nil, err
	}
	root := newDir("")
	root.sec, root.nsec = seconds(top)
	if err := b.addDir(root, ""); err != nil {
		return nil, err
	}
	for i := range b.under.Entries {
		e := &b.under.Entries[i]
		n := &node{mode: e.Mode, sec: epoch, target: e.Target, plain: true, dev: underDevice, off: e.Offset}
		if e.Mode.IsRegular() {
			n.size = e.Size
		}
		if n.off%BlockSize != 0 || n.size < 0 {
			return nil, fmt.Errorf("base file %s: its data begins at %d, which is no multiple of %d", e.Path, n.off, BlockSize)
		}
		if err := root.put(e.Path, n, e.Over); err != nil {
			return nil, fmt.Errorf("base file %s: %w", e.Path, err)
		}
	}
	if err := b.number(root); err != nil {
		return nil, err
	}
	return root, nil
}

// addDir adds what the View has in a directory.
func (b *builder) addDir(dir *node, path string) error {
	list, err := b.v.ReadDir(path)
	if err != nil {
		return err
	}
	for _, f := range list {
		n, err := b.node(f)
		if err != nil {
			return err
		}
		n.name = f.Name()
		n.real = n.name
		dir.kids[nt.Fold(n.name)] = n
		if n.kids == nil {
			continue
		}
		if err := b.addDir(n, f.Path); err != nil {
			return err
		}
	}
	return nil
}

// node makes the node of a file of the View, but for its name.
func (b *builder) node(f *view.File) (*node, error) {
	e := f.Entry
	if err := checkName(f.Name()); err != nil {
		return nil, err
	}
	n := &node{dev: f.Layer}
	n.sec, n.nsec = seconds(f)
	switch e.Kind {
	case layers.Dir:
		n.mode, n.kids = fs.ModeDir|0o755, map[string]*node{}
	case layers.Symlink:
		n.mode, n.target = fs.ModeSymlink|0o777, e.Target
	case layers.File:
		// Wine shows a file without write permission as read-only.
		n.mode, n.size = 0o644, e.Size
		if e.Attributes&layers.AttrReadOnly != 0 {
			n.mode = 0o444
		}
		if n.size > 0 {
			data, err := b.v.Data(f.Layer)
			if err != nil {
				return nil, err
			}
			off, ok := data.Offset(f.Item)
			if !ok {
				return nil, fmt.Errorf("file %s: its content is not in the layer's list", f.Path)
			}
			n.off = off
		}
	default:
		return nil, fmt.Errorf("file %s: a %s cannot be on a disk", f.Path, e.Kind)
	}
	return n, nil
}

func seconds(f *view.File) (sec int64, nsec uint32) {
	at := f.Entry.Modified.Time()
	return at.Unix(), uint32(at.Nanosecond())
}

// number lists the data files that the tree has bytes in, the layers from the
// bottom up and the Under last, and turns the nodes' layers into these numbers.
func (b *builder) number(root *node) error {
	used := map[int]bool{}
	root.each(func(n *node) {
		if n.size > 0 {
			used[n.dev] = true
		}
	})
	index := map[int]int{}
	for i := range b.v.Layers() {
		if used[i] {
			data, err := b.v.Data(i)
			if err != nil {
				return err
			}
			index[i] = len(b.devices)
			b.devices = append(b.devices, device{Layer: i, Size: data.Size, File: data.Name()})
		}
	}
	if used[underDevice] {
		info, err := os.Stat(b.under.Data)
		if err != nil {
			return err
		}
		if info.Size()%BlockSize != 0 {
			return fmt.Errorf("%s: its size of %d is no multiple of %d", filepath.Base(b.under.Data), info.Size(), BlockSize)
		}
		index[underDevice] = len(b.devices)
		b.devices = append(b.devices, device{Layer: underDevice, Size: info.Size(), File: filepath.Base(b.under.Data)})
	}
	if len(b.devices) > maxDevices {
		return fmt.Errorf("%d layers with data are too many", len(b.devices))
	}
	var err error
	root.each(func(n *node) {
		if n.size > 0 {
			n.dev = index[n.dev]
			if n.off+alignUp(n.size) > b.devices[n.dev].Size {
				err = fmt.Errorf("file %s ends beyond its data", n.name)
			}
		}
	})
	return err
}

// dataFile returns the path of a device's file, made if it is a layer's.
func (b *builder) dataFile(ctx context.Context, dev device) (string, error) {
	if dev.Layer == underDevice {
		return b.under.Data, nil
	}
	if dev.Layer < 0 || dev.Layer >= len(b.v.Layers()) {
		return "", fmt.Errorf("device of layer %d of %d", dev.Layer, len(b.v.Layers()))
	}
	return b.v.DataFile(ctx, dev.Layer)
}

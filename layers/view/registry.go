package view

import (
	"errors"
	"fmt"
	"io"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
)

const (
	// maxHive bounds a hive. The largest of a Windows image has some hundred MiB.
	maxHive = 1 << 30
	// lazyHive is from where on a hive is read as it is needed: one key of a large hive takes a few pages. Smaller ones
	// are taken into memory at once, which leaves no file open.
	lazyHive = 16 << 20
)

// LayerHive is one hive of one layer.
type LayerHive struct {
	Layer int // counted from the base
	Hive  *hives.Hive
}

// Registry opens one hive of the image: the base layer's file below Windows\System32\config and the delta of every layer
// that has one. A base hive that is missing or empty, as in images that only serve HostProcess containers, counts as a
// hive without keys.
func (v *View) Registry(n hives.Name) (*hives.Stack, error) {
	list, err := v.Hives(n)
	if err != nil {
		return nil, err
	}
	return StackOf(list), nil
}

// StackOf merges what Hives has returned. Its hives count as the layers they are of: a [hives.Origin] tells layers.
func StackOf(list []LayerHive) *hives.Stack {
	if len(list) == 0 {
		return hives.NewStack(nil)
	}
	layers := make([]*hives.Hive, list[len(list)-1].Layer+1)
	for _, l := range list {
		layers[l.Layer] = l.Hive
	}
	return hives.NewStack(layers[0], layers[1:]...)
}

// Hives opens what Registry merges, the lowest layer first and one of each. Only the first can be a base hive; a delta
// beside it in the base layer counts for nothing, as on Windows, which makes that folder anew.
func (v *View) Hives(n hives.Name) ([]LayerHive, error) {
	var list []LayerHive
	if item := v.merged.base[n]; item != nil && item.Size > 0 {
		base, err := v.hive(0, item)
		if err != nil {
			return nil, fmt.Errorf("layer 0: %w", err)
		}
		list = append(list, LayerHive{0, base})
	}
	for i, set := range v.merged.deltas {
		item := set[n]
		if item == nil || i == 0 && len(list) > 0 {
			continue
		}
		delta, err := v.hive(i, item)
		if err == nil && !delta.IsDelta() {
			err = fmt.Errorf("%s is a whole hive, not one of changes: %w", item.Name, store.ErrCorrupt)
		}
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
		list = append(list, LayerHive{i, delta})
	}
	return list, nil
}

func (v *View) hive(layer int, item *pack.Item) (h *hives.Hive, err error) {
	if item.Size > maxHive {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", item.Name, item.Size, int64(maxHive))
	}
	r, err := v.content(layer, item)
	if err != nil {
		return nil, err
	}
	if item.Size >= lazyHive {
		// The file is closed with the last reference to the hive, by the runtime.
		if h, err = hives.Open(r, item.Size); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", item.Name, err), r.Close())
		}
		return h, nil
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	b := make([]byte, item.Size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("%s: %w", item.Name, err)
	}
	if h, err = hives.OpenBytes(b); err != nil {
		return nil, fmt.Errorf("%s: %w", item.Name, err)
	}
	return h, nil
}

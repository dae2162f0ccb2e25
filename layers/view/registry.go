package view

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
)

// maxHive bounds a hive, which is held in memory: its reader jumps about. The largest of a Windows image has some
// hundred MiB.
const maxHive = 1 << 30

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

// StackOf merges what Hives has returned.
func StackOf(list []LayerHive) *hives.Stack {
	var base *hives.Hive
	var deltas []*hives.Hive
	for _, l := range list {
		if l.Hive.IsDelta() {
			deltas = append(deltas, l.Hive)
		} else {
			base = l.Hive
		}
	}
	return hives.NewStack(base, deltas...)
}

// Hives opens what Registry merges, the lowest layer first. Only the first can be a base hive.
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
		if item == nil {
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
	defer func() { err = errors.Join(err, r.Close()) }()
	b := make([]byte, item.Size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("%s: %w", item.Name, err)
	}
	if h, err = hives.Open(bytes.NewReader(b), item.Size); err != nil {
		return nil, fmt.Errorf("%s: %w", item.Name, err)
	}
	return h, nil
}

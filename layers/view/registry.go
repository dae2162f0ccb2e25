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

// Registry opens one hive of the image: the base layer's file below Windows\System32\config and the delta of every layer
// that has one. A base hive that is missing or empty, as in images that only serve HostProcess containers, counts as a
// hive without keys.
func (v *View) Registry(n hives.Name) (*hives.Stack, error) {
	var base *hives.Hive
	if item := v.merged.base[n]; item != nil && item.Size > 0 {
		var err error
		if base, err = v.hive(0, item); err != nil {
			return nil, fmt.Errorf("layer 0: %w", err)
		}
	}
	var deltas []*hives.Hive
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
		deltas = append(deltas, delta)
	}
	return hives.NewStack(base, deltas...), nil
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

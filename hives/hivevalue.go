package hives

import "fmt"

// maxValues bounds the values of one key.
const maxValues = 1 << 20

// valueList returns the offsets of a node's values, 4 bytes each.
func (h *Hive) valueList(n node) ([]byte, error) {
	count := n.values()
	if count == 0 {
		return nil, nil
	}
	if count > maxValues {
		return nil, fmt.Errorf("%w: %d values", ErrFormat, count)
	}
	b, err := h.cell(u32(n.b, nkValueList), 4*count)
	if err != nil {
		return nil, fmt.Errorf("value list: %w", err)
	}
	return b, nil
}

// vk is a value cell up to the end of its name.
type vk []byte

func (h *Hive) vk(off uint32) (vk, error) {
	b, err := h.named(off, vkName, vkNameLen, "vk")
	if err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	return b, nil
}

func (v vk) name() rawName {
	return rawName{b: v[vkName:], latin: u16(v, vkFlags)&valueLatin != 0}
}

// cost is how many bytes a value takes in a file. In sound hives no byte belongs to two.
// What a deleted value says of its data is not looked at.
func (h *Hive) cost(v vk) int64 {
	n := int64(4 + len(v))
	if size := u32(v, vkSize); size&inlineData == 0 && !h.deleted(v) {
		n += int64(size)
	}
	return n
}

var errShared = fmt.Errorf("%w: the same values are used several times", ErrFormat)

// deleted reports whether a value is the tombstone of one.
func (h *Hive) deleted(v vk) bool { return h.layered && u16(v, vkFlags)&valueTombstone != 0 }

// raw completes a value with its data.
func (h *Hive) raw(v vk) (RawValue, error) {
	out := RawValue{name: v.name(), Type: Type(u32(v, vkType))}
	if h.deleted(v) {
		out.Tombstone = true
		return out, nil
	}
	var err error
	if out.Data, err = h.data(v); err != nil {
		return RawValue{}, fmt.Errorf("value %q: %w", out.name.String(), err)
	}
	return out, nil
}

// value decodes the name too.
func (h *Hive) value(v vk) (Value, error) {
	r, err := h.raw(v)
	if err != nil {
		return Value{}, err
	}
	return Value{Name: r.Name(), Type: r.Type, Data: r.Data, Tombstone: r.Tombstone}, nil
}

func (h *Hive) data(v vk) ([]byte, error) {
	size, off := u32(v, vkSize), u32(v, vkData)
	if size&inlineData != 0 {
		if size &^= inlineData; size > 4 {
			return nil, fmt.Errorf("%w: %d bytes of inline data", ErrFormat, size)
		}
		return v[vkData : vkData+size : vkData+size], nil
	}
	switch {
	case size == 0:
		return nil, nil
	case size > maxData || size > h.bins:
		return nil, fmt.Errorf("%w: %d bytes of data", ErrFormat, size)
	}
	if size > dbSegment && h.minor >= 4 {
		have, err := h.cellSize(off)
		if err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		if have < size {
			return h.bigData(off, size)
		}
	}
	b, err := h.cell(off, size)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	return b, nil
}

// bigData joins the segments of a db cell.
func (h *Hive) bigData(off, size uint32) ([]byte, error) {
	list, err := h.segments(off, size)
	if err != nil {
		return nil, err
	}
	// Room grows with what is really there, not with what the header promises.
	var out []byte
	for ; len(list) > 0; list = list[4:] {
		b, err := h.cell(u32(list, 0), min(dbSegment, size-uint32(len(out))))
		if err != nil {
			return nil, fmt.Errorf("data segment: %w", err)
		}
		out = append(out, b...)
	}
	return out, nil
}

// segments returns the offsets of the segments of a db cell for size bytes.
func (h *Hive) segments(off, size uint32) ([]byte, error) {
	db, err := h.signed(off, 8, "db")
	if err != nil {
		return nil, fmt.Errorf("big data: %w", err)
	}
	n := uint32(u16(db, 2))
	if n < 2 || n != (size+dbSegment-1)/dbSegment {
		return nil, fmt.Errorf("%w: %d segments for %d bytes of data", ErrFormat, n, size)
	}
	list, err := h.cell(u32(db, 4), 4*n)
	if err != nil {
		return nil, fmt.Errorf("big data: %w", err)
	}
	return list, nil
}

// lookupValue finds a value by its folded name, the first if there are several.
func (h *Hive) lookupValue(n node, folded []uint16) (Value, bool, error) {
	list, err := h.valueList(n)
	if err != nil {
		return Value{}, false, err
	}
	for ; len(list) > 0; list = list[4:] {
		v, err := h.vk(u32(list, 0))
		if err != nil {
			return Value{}, false, err
		}
		if v.name().is(folded) {
			out, err := h.value(v)
			return out, err == nil, err
		}
	}
	return Value{}, false, nil
}

// eachValue calls f for every value until it returns false. Of several with one name
// only the first counts, as where a value is looked up.
func (h *Hive) eachValue(n node, f func(Value) bool) error {
	list, err := h.valueList(n)
	if err != nil {
		return err
	}
	left := int64(h.bins)
	var seen names
	for ; len(list) > 0; list = list[4:] {
		v, err := h.vk(u32(list, 0))
		if err != nil {
			return err
		}
		if left -= h.cost(v); left < 0 {
			return errShared
		}
		if !seen.add(v.name()) {
			continue
		}
		out, err := h.value(v)
		if err != nil {
			return err
		}
		if !f(out) {
			return nil
		}
	}
	return nil
}

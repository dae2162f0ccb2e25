package hives

import "fmt"

// valueCells is what a node says about its values.
type valueCells struct{ list, maxName, maxData uint32 }

func (w *writer) values(values []Value) (valueCells, error) {
	c := valueCells{list: noCell}
	if len(values) == 0 {
		return c, nil
	}
	if len(values) > maxValues {
		return c, fmt.Errorf("%d values: at most %d", len(values), maxValues)
	}
	c.list = w.cell(4 * uint32(len(values)))
	for i, v := range values {
		name := encodeIn(w.valName, v.Name)
		w.valName = name.b
		if name.units() > maxValueName || len(v.Data) > maxData {
			return c, fmt.Errorf("value %.40q: name of %d characters, data of %d bytes", v.Name, name.units(), len(v.Data))
		}
		off := w.value(name, v)
		if w.err != nil {
			return c, w.err
		}
		put32(w.payload(c.list), 4*i, off)
		c.maxName = max(c.maxName, 2*uint32(name.units()))
		c.maxData = max(c.maxData, uint32(len(v.Data)))
	}
	return c, nil
}

// value writes a vk cell and its data. Up to four bytes live in the cell itself.
func (w *writer) value(name rawName, v Value) uint32 {
	off := w.cell(uint32(vkName + len(name.b)))
	size, at := uint32(len(v.Data)), uint32(noCell)
	var inline []byte
	switch {
	case v.Tombstone:
		size, v.Type = 0, None
	case size <= 4:
		size, inline, at = size|inlineData, v.Data, 0
	case size <= dbSegment:
		at = w.put(v.Data)
	default:
		at = w.bigData(v.Data)
	}
	b := w.payload(off)
	copy(b, "vk")
	put16(b, vkNameLen, uint16(len(name.b)))
	put32(b, vkSize, size)
	put32(b, vkData, at)
	copy(b[vkData:], inline)
	put32(b, vkType, uint32(v.Type))
	var flags uint16
	if name.latin && len(name.b) > 0 {
		flags |= valueLatin
	}
	if v.Tombstone {
		flags |= valueTombstone
	}
	put16(b, vkFlags, flags)
	copy(b[vkName:], name.b)
	return off
}

func (w *writer) bigData(data []byte) uint32 {
	n := (len(data) + dbSegment - 1) / dbSegment
	off, list := w.cell(8), w.cell(4*uint32(n))
	for i := range n {
		part := data[i*dbSegment : min((i+1)*dbSegment, len(data))]
		// A full segment leaves 4 bytes of its cell unused, and hivex counts on that for
		// the last one too.
		seg := w.cell(uint32(len(part) + 4))
		copy(w.payload(seg), part)
		put32(w.payload(list), 4*i, seg)
	}
	b := w.payload(off)
	copy(b, "db")
	put16(b, 2, uint16(n))
	put32(b, 4, list)
	return off
}

package hives

// values checks the values of a key, their data, and what the key says of them.
func (c *checker) values(n node) {
	if n.values() == 0 {
		if n.flags()&keyHandle == 0 && u32(n.b, nkValues) > 0 {
			c.lost(n.off, ruleCount, "says %d values and has no list", u32(n.b, nkValues))
		}
		return
	}
	off := u32(n.b, nkValueList)
	if !c.claim(off, "value list") {
		return
	}
	list, err := c.h.valueList(n)
	if err != nil {
		c.lost(off, ruleValue, "%v", err)
		return
	}
	var maxName, maxSize uint32
	var seen names
	for ; len(list) > 0; list = list[4:] {
		at := u32(list, 0)
		if !c.claim(at, "value") {
			continue
		}
		v, err := c.h.vk(at)
		if err != nil {
			c.lost(at, ruleValue, "%v", err)
			continue
		}
		if !seen.add(v.name()) {
			c.found(at, ruleRepeat, "a second value %s", v.name())
		}
		c.data(at, v)
		maxName = max(maxName, 2*uint32(v.name().units()))
		maxSize = max(maxSize, u32(v, vkSize)&^inlineData)
	}
	if a, b := u32(n.b, nkMaxValName), u32(n.b, nkMaxData); maxName > a || maxSize > b {
		c.found(n.off, ruleMaximum, "value names of %d and data of %d bytes, more than the %d and %d it says", maxName, maxSize, a, b)
	}
}

// data checks where the data of a value lies.
func (c *checker) data(at uint32, v vk) {
	size, off := u32(v, vkSize), u32(v, vkData)
	if c.h.deleted(v) {
		if size != 0 || off != noCell || u32(v, vkType) != 0 {
			c.found(at, ruleLayer, "deleted value %s has data", v.name())
		}
		return
	}
	switch {
	case size&inlineData != 0:
		if size&^inlineData > 4 {
			c.found(at, ruleData, "%d bytes of inline data", size&^inlineData)
		}
		return
	case size == 0:
		if off != noCell {
			c.found(at, ruleData, "empty data at %#x", off)
		}
		return
	}
	if !c.claim(off, "data") {
		return
	}
	have, err := c.h.cellSize(off)
	if err == nil && size > dbSegment && c.h.minor >= 4 && have < size {
		c.bigData(off, size)
		return
	}
	if err != nil || size > maxData || have < size {
		c.found(off, ruleData, "%d bytes of data in a cell of %d", size, have)
	}
}

func (c *checker) bigData(off, size uint32) {
	list, err := c.h.segments(off, size)
	if err != nil || size > maxData {
		c.lost(off, ruleData, "big data of %d bytes: %v", size, err)
		return
	}
	if b, err := c.h.cell(off, 8); err == nil && !c.claim(u32(b, 4), "segment list") {
		return
	}
	for ; len(list) > 0; list = list[4:] {
		seg := u32(list, 0)
		if !c.claim(seg, "data segment") {
			return
		}
		want := min(dbSegment, size)
		if have, err := c.h.cellSize(seg); err != nil || have < want {
			c.found(seg, ruleData, "data segment of %d bytes, needs %d", have, want)
		}
		size -= want
	}
}

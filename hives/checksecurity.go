package hives

import (
	"bytes"
	"hash/maphash"

	"github.com/mullion/mullion/internal/nt"
)

// skUse is what the check knows of a security cell.
type skUse struct {
	keys uint32
	ring bool
}

// security checks the descriptor of a key, at its first use.
func (c *checker) security(n node) {
	off := u32(n.b, nkSecurity)
	if !c.allocated(off) {
		c.lost(n.off, ruleSecurity, "no security cell")
		return
	}
	if use := c.sk[off]; use != nil {
		use.keys++
		return
	}
	if c.used.has(off) {
		c.lost(off, ruleOverlap, "security is in a cell that is used already")
		return
	}
	c.used.set(off)
	c.sk[off] = &skUse{keys: 1}
	c.skOrder = append(c.skOrder, off)
	sd, err := c.h.sd(n)
	if err == nil {
		_, err = nt.ParseSD(sd)
	}
	if err != nil {
		c.found(off, ruleSecurity, "%v", err)
		return
	}
	c.twin(off, sd)
}

// twin looks for an equal descriptor in another cell. Descriptors are not kept, for in a
// hostile file they may be all there is.
func (c *checker) twin(off uint32, sd []byte) {
	hash := maphash.Bytes(c.seed, sd)
	other, ok := c.skHash[hash]
	if !ok {
		c.skHash[hash] = off
		return
	}
	if b, err := c.h.cell(other, skSD+uint32(len(sd))); err == nil && u32(b, skSize) == uint32(len(sd)) && bytes.Equal(b[skSD:], sd) {
		c.found(off, ruleTwin, "same security descriptor as at %#x", baseSize+int64(other))
	}
}

// ring follows the security cells and compares use counts with what keys said.
func (c *checker) ring() {
	if len(c.skOrder) == 0 {
		return
	}
	first := c.skOrder[0]
	for off, prev := first, uint32(0); ; {
		b, ok := c.inRing(off)
		if !ok {
			return
		}
		if off != first && u32(b, skBlink) != prev {
			c.found(off, ruleRing, "back link is %#x, not %#x", u32(b, skBlink), prev)
		}
		if prev, off = off, u32(b, skFlink); off == first {
			if b, err := c.h.signed(first, skSD, "sk"); err == nil && u32(b, skBlink) != prev {
				c.found(first, ruleRing, "back link is %#x, not %#x", u32(b, skBlink), prev)
			}
			break
		}
	}
	for _, off := range c.skOrder {
		if !c.sk[off].ring {
			c.found(off, ruleRing, "security cell is not in the ring")
		}
	}
}

// inRing takes the next cell of the ring, which may be one that no key uses.
func (c *checker) inRing(off uint32) ([]byte, bool) {
	use := c.sk[off]
	if !c.allocated(off) || use == nil && c.used.has(off) || use != nil && use.ring {
		c.lost(off, ruleRing, "ring of security cells is broken")
		return nil, false
	}
	b, err := c.h.signed(off, skSD, "sk")
	if err != nil {
		c.lost(off, ruleRing, "ring of security cells is broken: %v", err)
		return nil, false
	}
	if use == nil {
		use = &skUse{}
		c.sk[off] = use
		c.used.set(off)
	}
	use.ring = true
	switch got := u32(b, skRefs); {
	case c.cut: // not all keys were seen
	case got < use.keys:
		c.found(off, ruleRefcount, "use count is %d, but %d keys use it", got, use.keys)
	case got > use.keys || got == 0:
		c.found(off, ruleOvercount, "use count is %d, but %d keys use it", got, use.keys)
	}
	return b, true
}

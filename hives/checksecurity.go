package hives

import (
	"bytes"
	"hash/maphash"

	"github.com/mullion/mullion/internal/nt"
)

// maxTwins is for how many descriptors equal ones are looked for. Real hives have hundreds.
const maxTwins = 1 << 16

// security checks the descriptor of a key, at its first use.
func (c *checker) security(n node) {
	off := u32(n.b, nkSecurity)
	if !c.allocated(off) {
		c.lost(n.off, ruleSecurity, "no security cell")
		return
	}
	if c.sk[off] > 0 {
		c.sk[off]++
		return
	}
	if c.used.has(off) {
		c.lost(off, ruleOverlap, "security is in a cell that is used already")
		return
	}
	c.used.set(off)
	c.sk[off] = 1
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
		if len(c.skHash) < maxTwins {
			c.skHash[hash] = off
		}
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
	c.ringed = newBitset(c.h.bins)
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
		if !c.ringed.has(off) {
			c.found(off, ruleRing, "security cell is not in the ring")
		}
	}
}

// inRing takes the next cell of the ring, which may be one that no key uses.
func (c *checker) inRing(off uint32) ([]byte, bool) {
	keys := c.sk[off]
	if !c.allocated(off) || keys == 0 && c.used.has(off) || c.ringed.has(off) {
		c.lost(off, ruleRing, "ring of security cells is broken")
		return nil, false
	}
	b, err := c.h.signed(off, skSD, "sk")
	if err != nil {
		c.lost(off, ruleRing, "ring of security cells is broken: %v", err)
		return nil, false
	}
	c.used.set(off)
	c.ringed.set(off)
	switch got := u32(b, skRefs); {
	case c.cut: // not all keys were seen
	case got < keys:
		c.found(off, ruleRefcount, "use count is %d, but %d keys use it", got, keys)
	case got > keys || got == 0:
		c.found(off, ruleOvercount, "use count is %d, but %d keys use it", got, keys)
	}
	return b, true
}

package hives

import (
	"encoding/binary"
	"errors"
)

// ErrFormat is matched by every error about bytes that cannot be a hive.
var ErrFormat = errors.New("malformed hive")

// ErrDirty is matched when a hive was not closed cleanly: what is missing lies in
// transaction logs beside it.
var ErrDirty = errors.New("hive is dirty: its transaction logs were not applied")

// The base block, 4096 bytes at the start of the file, and the bins after it. Offsets
// in a hive ("cell offsets") count from the first bin.
const (
	baseSize = 4096
	binHead  = 32
	noCell   = 0xFFFFFFFF

	offSeq1     = 4
	offSeq2     = 8
	offTime     = 12
	offMajor    = 20
	offMinor    = 24
	offType     = 28
	offFormat   = 32
	offRoot     = 36
	offBins     = 40
	offCluster  = 44
	offFile     = 48
	offFlags    = 144
	offChecksum = 508

	flagLayered = 0x2
)

// A key node (nk), offsets in the cell's payload.
const (
	nkFlags      = 2
	nkTime       = 4
	nkAccess     = 12
	nkLayer      = 13
	nkParent     = 16
	nkSubkeys    = 20
	nkList       = 28
	nkVolatile   = 32
	nkValues     = 36
	nkValueList  = 40
	nkSecurity   = 44
	nkClass      = 48
	nkMaxName    = 52
	nkUser       = 54
	nkMaxClass   = 56
	nkMaxValName = 60
	nkMaxData    = 64
	nkNameLen    = 72
	nkClassLen   = 74
	nkName       = 76

	nkMaxCell = 0x45C // with the size field

	keyVolatile = 0x0001
	keyRoot     = 0x0004
	keyNoDelete = 0x0008
	keySymlink  = 0x0010
	keyLatin    = 0x0020
	keyHandle   = 0x0040 // the value count is a handle: there are no values
	keyVirtual  = 0x0380
)

// The layer byte of a key node.
const (
	layerMerge     = 0
	layerTombstone = 1
	layerLocal     = 2
	layerTree      = 3
	layerMask      = 3
	layerInherit   = 0x80
)

// A value (vk).
const (
	vkNameLen = 2
	vkSize    = 4
	vkData    = 8
	vkType    = 12
	vkFlags   = 16
	vkName    = 20

	valueLatin     = 0x1
	valueTombstone = 0x2
	inlineData     = 0x80000000
)

// A security cell (sk), and big data (db).
const (
	skFlink = 4
	skBlink = 8
	skRefs  = 12
	skSize  = 16
	skSD    = 20

	dbSegment = 16344 // bytes of data in each but the last segment
)

func u16(b []byte, off int) uint16 { return binary.LittleEndian.Uint16(b[off:]) }
func u32(b []byte, off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
func u64(b []byte, off int) uint64 { return binary.LittleEndian.Uint64(b[off:]) }

func put16(b []byte, off int, v uint16) { binary.LittleEndian.PutUint16(b[off:], v) }
func put32(b []byte, off int, v uint32) { binary.LittleEndian.PutUint32(b[off:], v) }
func put64(b []byte, off int, v uint64) { binary.LittleEndian.PutUint64(b[off:], v) }

// checksum is the one of the base block, over its first 508 bytes.
func checksum(base []byte) uint32 {
	var x uint32
	for i := 0; i < offChecksum; i += 4 {
		x ^= u32(base, i)
	}
	switch x {
	case 0:
		return 1
	case 0xFFFFFFFF:
		return 0xFFFFFFFE
	}
	return x
}

package wine

import (
	"bytes"
	"encoding/binary"
)

// shimName is a library that Go programs from 1.22 on (and Rust's) load from
// system32, and that Wine has only since version 10.
const shimName = "bcryptprimitives.dll"

// shim returns a bcryptprimitives.dll whose one export, ProcessPrng, is forwarded
// to advapi32's SystemFunction036 (RtlGenRandom), which takes the same arguments
// and gives the same result.
func shim() []byte {
	return forwarder(shimName, "ProcessPrng", "advapi32.SystemFunction036")
}

// forwarder returns a PE32+ library for x86-64 without code, whose one export is
// forwarded to target. The layout follows Microsoft's "PE Format", sections
// "Optional Header" and "Export Directory Table": headers in the first 512 bytes,
// one section of exports in the second.
func forwarder(library, export, target string) []byte {
	const (
		fileAlign    = 0x200
		sectionRVA   = 0x1000
		sectionAlign = 0x1000
		peOffset     = 0x40
		optionalSize = 112 + 16*8
	)
	edata := exportSection(sectionRVA, library, export, target)
	le := binary.LittleEndian

	b := make([]byte, 2*fileAlign)
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], peOffset)
	copy(b[peOffset:], "PE\x00\x00")

	coff := b[peOffset+4:]
	le.PutUint16(coff[0:], 0x8664) // x86-64
	le.PutUint16(coff[2:], 1)      // sections
	le.PutUint16(coff[16:], optionalSize)
	le.PutUint16(coff[18:], 0x2022) // executable, large addresses, library

	opt := coff[20:]
	le.PutUint16(opt[0:], 0x20b) // PE32+
	le.PutUint32(opt[8:], fileAlign)
	le.PutUint64(opt[24:], 0x180000000) // preferred base
	le.PutUint32(opt[32:], sectionAlign)
	le.PutUint32(opt[36:], fileAlign)
	le.PutUint16(opt[40:], 6) // system version 6.0
	le.PutUint16(opt[48:], 6) // subsystem version 6.0
	le.PutUint32(opt[56:], sectionRVA+sectionAlign)
	le.PutUint32(opt[60:], fileAlign)
	le.PutUint16(opt[68:], 3)     // console subsystem
	le.PutUint16(opt[70:], 0x140) // may move, no executable data
	le.PutUint64(opt[72:], 0x100000)
	le.PutUint64(opt[80:], 0x1000)
	le.PutUint64(opt[88:], 0x100000)
	le.PutUint64(opt[96:], 0x1000)
	le.PutUint32(opt[108:], 16) // data directories
	le.PutUint32(opt[112:], sectionRVA)
	le.PutUint32(opt[116:], uint32(len(edata)))

	sec := opt[optionalSize:]
	copy(sec, ".edata")
	le.PutUint32(sec[8:], uint32(len(edata)))
	le.PutUint32(sec[12:], sectionRVA)
	le.PutUint32(sec[16:], fileAlign)
	le.PutUint32(sec[20:], fileAlign)
	le.PutUint32(sec[36:], 0x40000040) // initialized data, readable

	copy(b[fileAlign:], edata)
	return b
}

// exportSection returns the export directory, its three tables of one entry each
// and the strings they point at. An address inside the directory's own range
// marks the export as forwarded.
func exportSection(rva uint32, library, export, target string) []byte {
	const (
		directory = 40
		addresses = directory
		names     = addresses + 4
		ordinals  = names + 4
		text      = ordinals + 2
	)
	nameAt := rva + text
	exportAt := nameAt + uint32(len(library)) + 1
	targetAt := exportAt + uint32(len(export)) + 1

	var b bytes.Buffer
	put := func(v any) { binary.Write(&b, binary.LittleEndian, v) }
	put([]uint32{
		0, 0, 0, nameAt, // flags, time, version, name
		1, 1, 1, // ordinal base, addresses, names
		rva + addresses, rva + names, rva + ordinals,
	})
	put([]uint32{targetAt, exportAt})
	put(uint16(0))
	for _, s := range []string{library, export, target} {
		b.WriteString(s + "\x00")
	}
	return b.Bytes()
}

package hives

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// Type is the declared type of a value's data. Windows checks no data against it,
// and drivers use numbers without a name.
type Type uint32

// The types that have a name.
const (
	None                     Type = 0
	SZ                       Type = 1
	ExpandSZ                 Type = 2
	Binary                   Type = 3
	DWORD                    Type = 4
	DWORDBigEndian           Type = 5
	Link                     Type = 6
	MultiSZ                  Type = 7
	ResourceList             Type = 8
	FullResourceDescriptor   Type = 9
	ResourceRequirementsList Type = 10
	QWORD                    Type = 11
)

// String returns the name that reg.exe prints, such as REG_SZ, or REG_0x100F for a
// number without a name.
func (t Type) String() string {
	names := [...]string{
		"REG_NONE", "REG_SZ", "REG_EXPAND_SZ", "REG_BINARY", "REG_DWORD", "REG_DWORD_BIG_ENDIAN", "REG_LINK",
		"REG_MULTI_SZ", "REG_RESOURCE_LIST", "REG_FULL_RESOURCE_DESCRIPTOR", "REG_RESOURCE_REQUIREMENTS_LIST", "REG_QWORD",
	}
	if int64(t) < int64(len(names)) {
		return names[t]
	}
	return fmt.Sprintf("REG_0x%X", uint32(t))
}

// Value is one value of a key. The name "" is the key's default value. Data read
// from a hive may be shared with it: it must not be changed.
type Value struct {
	Name string
	Type Type
	Data []byte // as stored; strings are UTF-16LE, normally with a final NUL
	// Tombstone marks, in a delta hive, a value deleted from the layers below. A
	// merged view never shows one.
	Tombstone bool
}

// StringValue makes a REG_SZ with its final NUL.
func StringValue(name, s string) Value { return Value{Name: name, Type: SZ, Data: terminated(s)} }

// ExpandValue makes a REG_EXPAND_SZ with its final NUL.
func ExpandValue(name, s string) Value {
	return Value{Name: name, Type: ExpandSZ, Data: terminated(s)}
}

// MultiValue makes a REG_MULTI_SZ: every string with its NUL, then one more. Without
// strings the data is that one NUL.
func MultiValue(name string, list ...string) Value {
	var b []byte
	for _, s := range list {
		b = append(b, terminated(s)...)
	}
	return Value{Name: name, Type: MultiSZ, Data: append(b, 0, 0)}
}

// DWORDValue makes a REG_DWORD.
func DWORDValue(name string, n uint32) Value {
	return Value{Name: name, Type: DWORD, Data: binary.LittleEndian.AppendUint32(nil, n)}
}

// QWORDValue makes a REG_QWORD.
func QWORDValue(name string, n uint64) Value {
	return Value{Name: name, Type: QWORD, Data: binary.LittleEndian.AppendUint64(nil, n)}
}

// BinaryValue makes a REG_BINARY. It keeps data.
func BinaryValue(name string, data []byte) Value {
	return Value{Name: name, Type: Binary, Data: data}
}

func terminated(s string) []byte { return append(nt.UTF16Bytes(s), 0, 0) }

// Text returns the data as a string without the final NUL, whatever the type says.
// What follows an inner NUL is kept.
func (v Value) Text() string {
	s := nt.FromUTF16Bytes(v.Data)
	return strings.TrimSuffix(s, "\x00")
}

// Strings returns the strings of a REG_MULTI_SZ. They end at the first empty one, as
// for every reader on Windows.
func (v Value) Strings() []string {
	var list []string
	for s := range strings.SplitSeq(nt.FromUTF16Bytes(v.Data), "\x00") {
		if s == "" {
			break
		}
		list = append(list, s)
	}
	return list
}

// Uint returns the number of a REG_DWORD, REG_DWORD_BIG_ENDIAN or REG_QWORD whose
// data has the size that the type needs.
func (v Value) Uint() (uint64, bool) {
	switch {
	case v.Type == DWORD && len(v.Data) == 4:
		return uint64(binary.LittleEndian.Uint32(v.Data)), true
	case v.Type == DWORDBigEndian && len(v.Data) == 4:
		return uint64(binary.BigEndian.Uint32(v.Data)), true
	case v.Type == QWORD && len(v.Data) == 8:
		return binary.LittleEndian.Uint64(v.Data), true
	}
	return 0, false
}

package tools

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// regValue makes the value that reg add writes. problem is what reg complains
// about.
func regValue(c *regCall, name string) (v hives.Value, problem string, err error) {
	typ := "REG_SZ"
	if t, ok := c.opts["t"]; ok {
		typ = strings.ToUpper(t)
	}
	data, given := c.opts["d"]
	if c.has("s") && typ != "REG_MULTI_SZ" {
		return v, "Invalid syntax.", nil
	}
	switch typ {
	case "REG_SZ":
		return hives.StringValue(name, data), "", nil
	case "REG_EXPAND_SZ":
		return hives.ExpandValue(name, data), "", nil
	case "REG_NONE":
		v = hives.StringValue(name, data)
		v.Type = hives.None
		return v, "", nil
	case "REG_MULTI_SZ":
		return regMulti(c, name, data)
	case "REG_BINARY":
		b, ok := hexBytes(data)
		if !ok {
			return v, "Invalid syntax.", nil
		}
		return hives.BinaryValue(name, b), "", nil
	case "REG_DWORD", "REG_DWORD_LITTLE_ENDIAN", "REG_DWORD_BIG_ENDIAN":
		n, ok := integer(data, 32)
		if !given || !ok {
			return v, "Invalid syntax.", nil
		}
		v = hives.DWORDValue(name, uint32(n))
		if typ == "REG_DWORD_BIG_ENDIAN" {
			v.Type = hives.DWORDBigEndian // reg.exe keeps the little-endian bytes
		}
		return v, "", nil
	case "REG_QWORD":
		n, ok := integer(data, 64)
		if !given || !ok {
			return v, "Invalid syntax.", nil
		}
		return hives.QWORDValue(name, n), "", nil
	case "REG_LINK", "REG_FULL_RESOURCE_DESCRIPTOR":
		return v, "", &proc.Unsupported{Command: c.text, Why: typ + " is not known without Windows"}
	}
	return v, "Invalid syntax.", nil
}

// integer reads an unsigned number, decimal or after 0x hexadecimal.
func integer(s string, bits int) (uint64, bool) {
	base := 10
	if len(s) > 2 && strings.EqualFold(s[:2], "0x") {
		s, base = s[2:], 16
	}
	if strings.HasPrefix(s, "+") {
		return 0, false
	}
	n, err := strconv.ParseUint(s, base, bits)
	return n, err == nil
}

// hexBytes reads pairs of digits; of an odd number the first stands alone.
func hexBytes(s string) ([]byte, bool) {
	if len(s)%2 != 0 {
		s = "0" + s
	}
	b, err := hex.DecodeString(s)
	return b, err == nil
}

// regMulti splits the data of a REG_MULTI_SZ at the separator, which is \0
// unless /s gives another.
func regMulti(c *regCall, name, data string) (v hives.Value, problem string, err error) {
	sep := `\0`
	if s, ok := c.opts["s"]; ok {
		if utf8.RuneCountInString(s) != 1 {
			return v, "Invalid syntax.", nil
		}
		sep = s
	}
	if data == "" {
		return hives.MultiValue(name), "", nil
	}
	list := strings.Split(strings.TrimSuffix(data, sep), sep)
	for _, s := range list {
		if s == "" {
			return v, "Invalid syntax.", nil
		}
	}
	return hives.MultiValue(name, list...), "", nil
}

// data is how reg query prints a value's data.
func data(v hives.Value) string {
	switch v.Type {
	case hives.SZ, hives.ExpandSZ:
		s, _, _ := strings.Cut(nt.FromUTF16Bytes(v.Data), "\x00")
		return s
	case hives.MultiSZ:
		return strings.Join(v.Strings(), `\0`)
	case hives.DWORD, hives.DWORDBigEndian, hives.QWORD:
		if n, ok := v.Uint(); ok {
			return fmt.Sprintf("0x%x", n)
		}
	}
	return strings.ToUpper(hex.EncodeToString(v.Data))
}

package winereg

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/internal/hexlist"
	"github.com/mullion/mullion/internal/nt"
)

// Write writes f, its keys sorted as Wine sorts them: depth first, names without
// regard to case. Two keys of equal paths stay in their order.
func Write(w io.Writer, f *File) error {
	out := bufio.NewWriterSize(w, 64<<10)
	line := append([]byte(header+"\n;; All keys relative to "), appendEscaped(nil, nt.UTF16(f.Relative), "")...)
	line = append(line, '\n')
	if f.Arch != "" {
		line = fmt.Appendf(line, "\n#arch=%s\n", f.Arch)
	}
	out.Write(line)
	for _, k := range sorted(f.Keys) {
		out.Write(appendKey(line[:0], k))
		for _, v := range k.Values {
			line = appendValue(line[:0], v)
			out.Write(line)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write wine registry file: %w", err)
	}
	return nil
}

func sorted(keys []Key) []*Key {
	type place struct {
		path []string
		key  *Key
	}
	places := make([]place, len(keys))
	for i := range keys {
		places[i] = place{strings.Split(keys[i].Path, `\`), &keys[i]}
	}
	slices.SortStableFunc(places, func(a, b place) int { return slices.CompareFunc(a.path, b.path, nt.Compare) })
	list := make([]*Key, len(places))
	for i, p := range places {
		list[i] = p.key
	}
	return list
}

func appendKey(b []byte, k *Key) []byte {
	b = append(b, "\n["...)
	b = appendEscaped(b, nt.UTF16(k.Path), "[]")
	b = fmt.Appendf(b, "] %d\n#time=%x\n", k.Modified.Time().Unix(), uint64(k.Modified))
	if k.Class != "" {
		b = append(b, `#class="`...)
		b = append(appendEscaped(b, nt.UTF16(k.Class), `"`), "\"\n"...)
	}
	if k.Link {
		b = append(b, "#link\n"...)
	}
	return b
}

func appendValue(b []byte, v hives.Value) []byte {
	if v.Name == "" {
		b = append(b, '@')
	} else {
		b = append(b, '"')
		b = append(appendEscaped(b, nt.UTF16(v.Name), `"`), '"')
	}
	b = append(b, '=')
	switch n := len(v.Data); {
	case isText(v.Type) && n >= 2 && n%2 == 0 && v.Data[n-2] == 0 && v.Data[n-1] == 0:
		if v.Type != hives.SZ {
			b = fmt.Appendf(b, "str(%x):", uint32(v.Type))
		}
		b = append(b, '"')
		b = append(appendEscaped(b, nt.UTF16(nt.FromUTF16Bytes(v.Data[:n-2])), `"`), '"')
	case v.Type == hives.DWORD && n == 4:
		b = fmt.Appendf(b, "dword:%08x", binary.LittleEndian.Uint32(v.Data))
	default:
		b = appendHex(b, v)
	}
	return append(b, '\n')
}

func isText(t hives.Type) bool { return t == hives.SZ || t == hives.ExpandSZ || t == hives.MultiSZ }

func appendHex(b []byte, v hives.Value) []byte {
	if v.Type == hives.Binary {
		b = append(b, "hex:"...)
	} else {
		b = fmt.Appendf(b, "hex(%x):", uint32(v.Type))
	}
	return hexlist.Append(b, len(b), v.Data, "\n")
}

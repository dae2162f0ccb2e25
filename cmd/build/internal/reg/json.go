package reg

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

// text is a WTF-8 string in JSON: an unpaired surrogate becomes \uD8xx.
type text string

// MarshalJSON writes the string.
func (s text) MarshalJSON() ([]byte, error) {
	b := []byte{'"'}
	for _, part := range split(string(s)) {
		if part.lone {
			b = fmt.Appendf(b, `\u%04X`, part.unit)
			continue
		}
		quoted, err := quote(part.text)
		if err != nil {
			return nil, err
		}
		b = append(b, quoted...)
	}
	return append(b, '"'), nil
}

// quote escapes UTF-8 as JSON wants it, without the quotation marks and leaving <, > and
// & as they are.
func quote(s string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(s)
	return bytes.Trim(b.Bytes(), "\n")[1 : b.Len()-2], err
}

// part is a piece of a string: UTF-8, or one unpaired surrogate.
type part struct {
	text string
	lone bool
	unit uint16
}

// split cuts a WTF-8 string at its unpaired surrogates.
func split(s string) []part {
	if utf8.ValidString(s) {
		return []part{{text: s}}
	}
	var parts []part
	start := 0
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r != utf8.RuneError || n != 1 {
			i += n
			continue
		}
		end := min(i+3, len(s))
		u := nt.UTF16(s[i:end])
		if len(u) != 1 || u[0]>>11 != 0xD800>>11 {
			i++
			continue
		}
		parts = append(parts, part{text: s[start:i]}, part{lone: true, unit: u[0]})
		i, start = end, end
	}
	return append(parts, part{text: s[start:]})
}

// keyJSON is a key without its path; docs/formats/registry-json.md describes it.
type keyJSON struct {
	Class     text        `json:"class"`
	LastWrite *string     `json:"lastWrite"`
	SD        *string     `json:"sd"`
	Layer     *int        `json:"layer"`
	Change    string      `json:"change,omitempty"`
	Values    []valueJSON `json:"values"`
}

// valueJSON is a value.
type valueJSON struct {
	Name    text    `json:"name"`
	Type    string  `json:"type"`
	Data    any     `json:"data"`
	Raw     *[]byte `json:"raw,omitempty"`
	Layer   *int    `json:"layer"`
	Deleted bool    `json:"deleted,omitempty"`
	*MadeBy
}

// lineJSON is a line of query and export.
type lineJSON struct {
	Path text `json:"path"`
	keyJSON
}

// jsonKey describes a key with the given values.
func jsonKey(n *Node, values []Value) (keyJSON, error) {
	info, err := n.Key.Info()
	if err != nil {
		return keyJSON{}, err
	}
	layer, err := n.Layer()
	if err != nil {
		return keyJSON{}, err
	}
	k := keyJSON{Class: text(info.Class), Layer: layer, Change: change(info), Values: make([]valueJSON, len(values))}
	if info.LastWrite != 0 {
		s := stamp(info.LastWrite)
		k.LastWrite = &s
	}
	if s := sddl(info.SD); s != "" {
		k.SD = &s
	}
	for i, v := range values {
		k.Values[i] = jsonValue(v)
	}
	return k, nil
}

// stamp writes a time to 100 ns. The year has four digits: later ones become the end of
// the last of them.
func stamp(f nt.Filetime) string {
	last := time.Date(9999, 12, 31, 23, 59, 59, 999_999_900, time.UTC)
	t := f.Time()
	if t.After(last) {
		t = last
	}
	return t.Format("2006-01-02T15:04:05.0000000Z")
}

// change names what a key of a delta hive does to the layers below beyond merging with
// them, "" otherwise.
func change(info hives.Info) string {
	switch info.Layering() {
	case hives.DeletesKey:
		return "delete"
	case hives.ReplacesValues:
		return "replace-values"
	case hives.ReplacesKey:
		return "replace"
	}
	return ""
}

func jsonValue(v Value) valueJSON {
	j := valueJSON{Name: text(v.Name), Type: v.Type.String(), Layer: v.Layer, Deleted: v.Tombstone}
	if v.Tombstone {
		return j
	}
	var back []byte
	j.Data, back = typed(v.Value)
	if !bytes.Equal(back, v.Data) {
		raw := append([]byte{}, v.Data...)
		j.Raw = &raw
	}
	return j
}

// typed turns data into what JSON has for its type, and returns the bytes that can be
// made of that again.
func typed(v hives.Value) (data any, back []byte) {
	switch v.Type {
	case hives.SZ, hives.ExpandSZ:
		s := v.Text()
		return text(s), hives.StringValue("", s).Data
	case hives.Link:
		s := nt.FromUTF16Bytes(v.Data)
		return text(s), nt.UTF16Bytes(s)
	case hives.MultiSZ:
		list := []text{}
		for _, s := range v.Strings() {
			list = append(list, text(s))
		}
		return list, hives.MultiValue("", v.Strings()...).Data
	case hives.DWORD, hives.DWORDBigEndian, hives.QWORD:
		n, ok := v.Uint()
		if !ok {
			return nil, nil
		}
		return n, v.Data
	}
	return base64.StdEncoding.EncodeToString(v.Data), v.Data
}

// printJSON writes one object on one line.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printKey writes the line of a key with the given values.
func printKey(w io.Writer, n *Node, values []Value) error {
	k, err := jsonKey(n, values)
	if err != nil {
		return err
	}
	return printJSON(w, lineJSON{text(n.Path), k})
}

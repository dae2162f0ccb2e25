package powershell

import (
	"math"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
)

// Values are nil, bool, int64, float64, char, string, bytes, time.Time,
// time.Duration, *url.URL, version, typeRef and the pointers below. Whole numbers
// have one type here; where a script can tell, one that fits 32 bits is an Int32.
type (
	char      rune
	byteArray []byte
	version   [4]int // -1 for parts that are not given

	// list is an array, and also what [System.Collections.ArrayList] and generic
	// lists are.
	list struct {
		items   []any
		dynamic bool // can grow in place
		generic bool // a List[T], whose Add returns nothing
	}

	// hashtable keeps the order of its keys; an unordered one is listed sorted, so
	// that the result of a build does not hang on chance.
	hashtable struct {
		keys    []any
		at      map[any]int // by folded key
		values  []any
		ordered bool
	}

	// object is a value with named properties.
	object struct {
		kind  string
		props *hashtable
	}

	scriptBlock struct {
		block *block
		s     *source
	}

	// source is a script's text and where it is from, for errors.
	source struct {
		text string
		file string // a Windows path, "" for -Command
	}

	// fileItem is a file or directory of the Scratch.
	fileItem struct{ f *view.File }

	// keyItem is a key of the registry.
	keyItem struct{ path string } // from the root: HKEY_LOCAL_MACHINE\...

	// errorRecord is what $_ is in a catch, and what $Error holds.
	errorRecord struct {
		message string
		kind    string // of the exception, with its namespace
		id      string
		value   any // what was thrown
		at      pos
		s       *source
	}

	typeRef struct{ name string } // in lower case without "system."
)

func newList(items ...any) *list { return &list{items: items} }

func newHash() *hashtable { return &hashtable{at: map[any]int{}} }

func hashKey(key any) any {
	switch k := key.(type) {
	case string:
		return nt.Fold(k)
	case nil, bool, int64, float64, char:
		return k
	}
	return nt.Fold(toString(key))
}

func (h *hashtable) get(key any) (any, bool) {
	i, ok := h.at[hashKey(key)]
	if !ok {
		return nil, false
	}
	return h.values[i], true
}

func (h *hashtable) set(key, value any) {
	k := hashKey(key)
	if i, ok := h.at[k]; ok {
		h.values[i] = value
		return
	}
	h.at[k] = len(h.keys)
	h.keys = append(h.keys, key)
	h.values = append(h.values, value)
}

func (h *hashtable) remove(key any) {
	k := hashKey(key)
	i, ok := h.at[k]
	if !ok {
		return
	}
	h.keys = append(h.keys[:i:i], h.keys[i+1:]...)
	h.values = append(h.values[:i:i], h.values[i+1:]...)
	delete(h.at, k)
	for k, j := range h.at {
		if j > i {
			h.at[k] = j - 1
		}
	}
}

// order lists the positions in which the entries are shown.
func (h *hashtable) order() []int {
	index := make([]int, len(h.keys))
	for i := range index {
		index[i] = i
	}
	if !h.ordered {
		sort.SliceStable(index, func(a, b int) bool {
			return nt.Compare(toString(h.keys[index[a]]), toString(h.keys[index[b]])) < 0
		})
	}
	return index
}

func newObject(kind string, pairs ...any) *object {
	o := &object{kind: kind, props: newHash()}
	o.props.ordered = true
	for i := 0; i+1 < len(pairs); i += 2 {
		o.props.set(pairs[i], pairs[i+1])
	}
	return o
}

// typeOf is the full name of a value's .NET type.
func typeOf(v any) string {
	switch v := v.(type) {
	case bool:
		return "System.Boolean"
	case int64:
		if v == int64(int32(v)) {
			return "System.Int32"
		}
		return "System.Int64"
	case float64:
		return "System.Double"
	case char:
		return "System.Char"
	case string:
		return "System.String"
	case byteArray:
		return "System.Byte[]"
	case time.Time:
		return "System.DateTime"
	case time.Duration:
		return "System.TimeSpan"
	case *url.URL:
		return "System.Uri"
	case version:
		return "System.Version"
	case *list:
		if v.dynamic {
			return "System.Collections.ArrayList"
		}
		return "System.Object[]"
	case *hashtable:
		if v.ordered {
			return "System.Collections.Specialized.OrderedDictionary"
		}
		return "System.Collections.Hashtable"
	case *scriptBlock:
		return "System.Management.Automation.ScriptBlock"
	case *object:
		return v.kind
	case fileItem:
		if v.f.IsDir() {
			return "System.IO.DirectoryInfo"
		}
		return "System.IO.FileInfo"
	case keyItem:
		return "Microsoft.Win32.RegistryKey"
	case *errorRecord:
		return "System.Management.Automation.ErrorRecord"
	case typeRef:
		return "System.RuntimeType"
	case *match:
		return "System.Text.RegularExpressions.Match"
	case *matches:
		return "System.Text.RegularExpressions.MatchCollection"
	case *regex:
		return "System.Text.RegularExpressions.Regex"
	case *xmlNode:
		return v.kind()
	}
	return ""
}

const custom = "System.Management.Automation.PSCustomObject"

// toString is a value as text, as in a string in double quotes.
func toString(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return floatText(v)
	case char:
		return string(rune(v))
	case string:
		return v
	case byteArray:
		parts := make([]string, len(v))
		for i, b := range v {
			parts[i] = strconv.Itoa(int(b))
		}
		return strings.Join(parts, " ")
	case time.Time:
		return v.Format("01/02/2006 15:04:05")
	case time.Duration:
		return durationText(v)
	case *url.URL:
		return v.String()
	case version:
		return v.String()
	case *list:
		parts := make([]string, len(v.items))
		for i, item := range v.items {
			parts[i] = toString(item)
		}
		return strings.Join(parts, " ")
	case *object:
		if text, ok := v.props.get("\x00text"); ok {
			return toString(text)
		}
		if v.kind != custom {
			return v.kind
		}
		var parts []string
		for _, i := range v.props.order() {
			parts = append(parts, toString(v.props.keys[i])+"="+toString(v.props.values[i]))
		}
		return "@{" + strings.Join(parts, "; ") + "}"
	case *scriptBlock:
		return strings.Trim(v.block.text, " ")
	case fileItem:
		return nt.Win(v.f.Path)
	case keyItem:
		return v.path
	case *errorRecord:
		return v.message
	case typeRef:
		return typeText(v.name)
	case *match:
		return v.text
	case *regex:
		return v.text
	case *xmlNode:
		return v.String()
	}
	return typeOf(v)
}

// typeText is how .NET writes the name of a type.
func typeText(name string) string {
	switch name {
	case "string", "int", "long", "double", "bool", "char", "byte":
		return name
	}
	return "System." + name
}

func floatText(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case math.IsNaN(f):
		return "NaN"
	case f == math.Trunc(f) && math.Abs(f) < 1e15:
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	s := strconv.FormatFloat(f, 'G', 15, 64)
	if mantissa, exponent, ok := strings.Cut(s, "E"); ok {
		if len(exponent) == 2 {
			exponent = exponent[:1] + "0" + exponent[1:]
		}
		return mantissa + "E" + exponent
	}
	return s
}

func durationText(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	text := ""
	if days := d / (24 * time.Hour); days > 0 {
		text = strconv.Itoa(int(days)) + "."
	}
	pad := func(n time.Duration) string {
		if n < 10 {
			return "0" + strconv.Itoa(int(n))
		}
		return strconv.Itoa(int(n))
	}
	text += pad(d/time.Hour%24) + ":" + pad(d/time.Minute%60) + ":" + pad(d/time.Second%60)
	if ticks := d % time.Second / 100; ticks > 0 {
		text += "." + strings.Repeat("0", 7-len(strconv.Itoa(int(ticks)))) + strconv.Itoa(int(ticks))
	}
	return sign + text
}

func (v version) String() string {
	var parts []string
	for _, n := range v {
		if n >= 0 {
			parts = append(parts, strconv.Itoa(n))
		}
	}
	return strings.Join(parts, ".")
}

func parseVersion(s string) (version, bool) {
	v := version{-1, -1, -1, -1}
	parts := strings.Split(strings.TrimSpace(s), ".")
	if len(parts) < 2 || len(parts) > 4 {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 31)
		if err != nil {
			return v, false
		}
		v[i] = int(n)
	}
	return v, true
}

// truth is a value as a condition.
func truth(v any) bool {
	switch v := v.(type) {
	case nil, nothing:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case char:
		return v != 0
	case string:
		return v != ""
	case *list:
		switch len(v.items) {
		case 0:
			return false
		case 1:
			return truth(v.items[0])
		}
	}
	return true
}

// items are the elements that a value is in a pipeline or a loop.
func items(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case *list:
		return v.items
	case nothing:
		return nil
	case *matches:
		return v.all
	case byteArray:
		all := make([]any, len(v))
		for i, b := range v {
			all[i] = int64(b)
		}
		return all
	}
	return []any{v}
}

// single turns what a pipeline gave into a value: nothing, one or an array.
func single(all []any) any {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return newList(all...)
}

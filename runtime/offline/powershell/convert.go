package powershell

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// castError says that a value cannot be of a type.
func castError(v any, kind string) error {
	return &thrown{record: &errorRecord{
		message: fmt.Sprintf("Cannot convert value %q to type %q.", toString(v), kind), kind: "System.Management.Automation.RuntimeException", id: "InvalidCast",
	}}
}

// toNumber is a value as int64 or float64.
func toNumber(v any) (any, bool) {
	switch v := v.(type) {
	case nil:
		return int64(0), true
	case bool:
		if v {
			return int64(1), true
		}
		return int64(0), true
	case int64, float64:
		return v, true
	case char:
		return int64(v), true
	case time.Duration:
		return int64(v / 100), true
	case string:
		return parseNumber(v)
	case *list:
		if len(v.items) == 1 {
			return toNumber(v.items[0])
		}
	}
	return nil, false
}

func parseNumber(s string) (any, bool) {
	s = strings.TrimSpace(s)
	if s == "" {
		return int64(0), true
	}
	p := &parser{s: strings.TrimLeft(s, "+-")}
	n, ok := p.number()
	if !ok || p.pos != len(p.s) {
		return nil, false
	}
	if strings.HasPrefix(s, "-") {
		switch x := n.(type) {
		case int64:
			n = -x
		case float64:
			n = -x
		}
	}
	return n, true
}

func toInt(v any) (int64, bool) {
	n, ok := toNumber(v)
	if !ok {
		return 0, false
	}
	if f, ok := n.(float64); ok {
		if math.IsNaN(f) || math.Abs(f) > math.MaxInt64/2 {
			return 0, false
		}
		return int64(math.RoundToEven(f)), true
	}
	return n.(int64), true
}

func toFloat(v any) (float64, bool) {
	n, ok := toNumber(v)
	if !ok {
		return 0, false
	}
	if i, ok := n.(int64); ok {
		return float64(i), true
	}
	return n.(float64), true
}

// ranges of the whole numbers, by the names of their types.
var ranges = map[string][2]float64{
	"int": {math.MinInt32, math.MaxInt32}, "int32": {math.MinInt32, math.MaxInt32}, "long": {math.MinInt64, math.MaxInt64}, "int64": {math.MinInt64, math.MaxInt64},
	"byte": {0, 255}, "sbyte": {-128, 127}, "int16": {-32768, 32767}, "uint16": {0, 65535}, "uint32": {0, math.MaxUint32}, "uint64": {0, math.MaxInt64}, "uint": {0, math.MaxUint32},
	"short": {-32768, 32767}, "ushort": {0, 65535}, "ulong": {0, math.MaxInt64}, "intptr": {math.MinInt64, math.MaxInt64},
}

// cast turns a value into one of a type.
func (in *interp) cast(v any, t *typeName) (any, error) {
	if t.list {
		if t.name == "byte" {
			return toBytes(v)
		}
		if t.name == "char" {
			if s, ok := v.(string); ok {
				l := newList()
				for _, r := range s {
					l.items = append(l.items, char(r))
				}
				return l, nil
			}
		}
		l := newList()
		one := *t
		one.list = false
		for _, item := range items(v) {
			c, err := in.cast(item, &one)
			if err != nil {
				return nil, err
			}
			l.items = append(l.items, c)
		}
		return l, nil
	}
	if r, ok := ranges[t.name]; ok {
		n, ok := toInt(v)
		if !ok || float64(n) < r[0] || float64(n) > r[1] {
			return nil, castError(v, "System."+t.text)
		}
		return n, nil
	}
	switch t.name {
	case "string":
		return toString(v), nil
	case "bool", "boolean", "switch", "management.automation.switchparameter":
		return truth(v), nil
	case "double", "float", "single", "decimal":
		f, ok := toFloat(v)
		if !ok {
			return nil, castError(v, "System.Double")
		}
		return f, nil
	case "char":
		switch x := v.(type) {
		case char:
			return x, nil
		case string:
			if r := []rune(x); len(r) == 1 {
				return char(r[0]), nil
			}
		case int64:
			return char(x), nil
		}
		return nil, castError(v, "System.Char")
	case "array":
		if l, ok := v.(*list); ok {
			return l, nil
		}
		return newList(items(v)...), nil
	case "object", "psobject", "management.automation.psobject":
		return v, nil
	case "void":
		return nothing{}, nil
	case "hashtable", "collections.hashtable":
		if h, ok := v.(*hashtable); ok {
			return h, nil
		}
		return nil, castError(v, "System.Collections.Hashtable")
	case "pscustomobject", "management.automation.pscustomobject":
		h, ok := v.(*hashtable)
		if !ok {
			return v, nil
		}
		o := newObject(custom)
		for _, i := range h.order() {
			o.props.set(toString(h.keys[i]), h.values[i])
		}
		return o, nil
	case "version":
		if x, ok := v.(version); ok {
			return x, nil
		}
		if x, ok := parseVersion(toString(v)); ok {
			return x, nil
		}
		return nil, castError(v, "System.Version")
	case "uri":
		if u, ok := v.(*url.URL); ok {
			return u, nil
		}
		u, err := url.Parse(toString(v))
		if err != nil {
			return nil, castError(v, "System.Uri")
		}
		return u, nil
	case "datetime":
		return toTime(v)
	case "timespan":
		return toDuration(v)
	case "regex", "text.regularexpressions.regex":
		return newRegex(toString(v), false)
	case "scriptblock", "management.automation.scriptblock":
		if b, ok := v.(*scriptBlock); ok {
			return b, nil
		}
	case "xml", "xml.xmldocument":
		return parseXML(v)
	case "type":
		return typeRef{strings.TrimPrefix(strings.ToLower(toString(v)), "system.")}, nil
	case "net.securityprotocoltype", "io.fileattributes", "environmentvariabletarget", "io.compression.compressionlevel", "microsoft.win32.registryvaluekind",
		"consolecolor", "stringcomparison", "io.searchoption", "security.accesscontrol.filesystemrights":
		return toString(v), nil
	case "collections.arraylist", "collections.generic.list[string]", "collections.generic.list[object]", "collections.generic.list[system.string]", "collections.generic.list[int]":
		return &list{items: append([]any(nil), items(v)...), dynamic: true, generic: strings.HasPrefix(t.name, "collections.generic")}, nil
	}
	return nil, in.unsupported(t.pos, "["+t.text+"]", "this type is not known without Windows")
}

func toBytes(v any) (any, error) {
	if b, ok := v.(byteArray); ok {
		return b, nil
	}
	var b byteArray
	for _, item := range items(v) {
		n, ok := toInt(item)
		if !ok || n < 0 || n > 255 {
			return nil, castError(item, "System.Byte")
		}
		b = append(b, byte(n))
	}
	return b, nil
}

func toTime(v any) (any, error) {
	if t, ok := v.(time.Time); ok {
		return t, nil
	}
	s := strings.TrimSpace(toString(v))
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02", "01/02/2006 15:04:05", "1/2/2006 15:04:05", "1/2/2006", "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return nil, castError(v, "System.DateTime")
}

func toDuration(v any) (any, error) {
	switch x := v.(type) {
	case time.Duration:
		return x, nil
	case int64:
		return time.Duration(x) * 100, nil
	}
	s := toString(v)
	var days int64
	if d, rest, ok := strings.Cut(s, "."); ok && !strings.Contains(d, ":") && strings.Contains(rest, ":") {
		n, err := strconv.ParseInt(d, 10, 32)
		if err != nil {
			return nil, castError(v, "System.TimeSpan")
		}
		days, s = n, rest
	}
	var h, m int64
	var sec float64
	if n, err := fmt.Sscanf(s, "%d:%d:%f", &h, &m, &sec); n < 2 && err != nil {
		return nil, castError(v, "System.TimeSpan")
	}
	return time.Duration(days*24+h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec*float64(time.Second)), nil
}

// maxRegex bounds an expression, in bytes.
const maxRegex = 4096

// regex is a compiled expression.
type regex struct {
	re   *regexp.Regexp
	text string
}

// newRegex compiles a .NET expression. What Go's expressions do not have, such as
// looking ahead and back-references, is an error.
func newRegex(text string, strict bool) (*regex, error) {
	if len(text) > maxRegex {
		return nil, fmt.Errorf("the expression is longer than %d characters", maxRegex)
	}
	pattern := strings.ReplaceAll(text, "(?<", "(?P<")
	pattern = strings.NewReplacer("(?P<=", "(?<=", "(?P<!", "(?<!", `\Z`, `\n?\z`, `\h`, `\h`).Replace(pattern)
	if !strict {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, &unsupportedRegex{text, err}
	}
	return &regex{re, text}, nil
}

type unsupportedRegex struct {
	text string
	err  error
}

func (e *unsupportedRegex) Error() string {
	return fmt.Sprintf("the expression %q is not known without Windows: %v", e.text, e.err)
}

// replacement turns $1, ${name} and $& into Go's form.
func replacement(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		switch c := s[i+1]; {
		case c == '$':
			b.WriteString("$$")
			i++
		case c == '&':
			b.WriteString("${0}")
			i++
		case c >= '0' && c <= '9':
			j := i + 1
			for j < len(s) && s[j] >= '0' && s[j] <= '9' {
				j++
			}
			b.WriteString("${" + s[i+1:j] + "}")
			i = j - 1
		case c == '{':
			b.WriteByte('$')
		default:
			b.WriteString("$$")
		}
	}
	return b.String()
}

// wildcard turns a pattern of * ? and [...] into an expression.
func wildcard(pattern string, strict bool) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("(?s")
	if !strict {
		b.WriteString("i")
	}
	b.WriteString(")^")
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		switch c := runes[i]; c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '`':
			if i+1 < len(runes) {
				i++
				b.WriteString(regexp.QuoteMeta(string(runes[i])))
			}
		case '[':
			end := slices.Index(runes[i:], ']')
			if end < 2 {
				b.WriteString(`\[`)
				continue
			}
			b.WriteString("[" + strings.NewReplacer(`\`, `\\`, `^`, `\^`, `[`, `\[`).Replace(string(runes[i+1:i+end])) + "]")
			i += end
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteString("$")
	re, err := regexp.Compile(b.String())
	if err != nil { // a range that goes backwards, [z-a], matches nothing but itself
		return regexp.MustCompile("^" + regexp.QuoteMeta(pattern) + "$")
	}
	return re
}

package powershell

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mullion/mullion/internal/nt"
)

// parseJSON reads JSON into objects that keep the order of their names.
func parseJSON(s string) (any, error) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	v, err := readJSON(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the value")
	}
	return v, nil
}

func readJSON(d *json.Decoder, depth int) (any, error) {
	if depth > maxNesting {
		return nil, errors.New("it is nested too deeply")
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			l := newList()
			for d.More() {
				v, err := readJSON(d, depth+1)
				if err != nil {
					return nil, err
				}
				l.items = append(l.items, v)
			}
			_, err := d.Token()
			return l, err
		}
		o := newObject(custom)
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := readJSON(d, depth+1)
			if err != nil {
				return nil, err
			}
			o.props.set(name.(string), v)
		}
		_, err := d.Token()
		return o, err
	case json.Number:
		if n, err := t.Int64(); err == nil {
			return n, nil
		}
		return t.Float64()
	}
	return t, nil
}

// jsonWriter writes JSON as ConvertTo-Json does, which differs between Windows
// PowerShell and 7.
type jsonWriter struct {
	b       strings.Builder
	core    bool
	compact bool
	depth   int
	col     int
}

func (w *jsonWriter) put(s string) {
	w.b.WriteString(s)
	w.col += len(s)
}

func (w *jsonWriter) line(indent int) {
	if w.compact {
		return
	}
	w.b.WriteString("\r\n" + strings.Repeat(" ", indent))
	w.col = indent
}

func (w *jsonWriter) quoted(s string) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(!w.core)
	_ = e.Encode(s) // a string always can be
	text := strings.TrimSuffix(b.String(), "\n")
	if !w.core {
		text = strings.ReplaceAll(text, "'", `\u0027`)
	} else {
		text = strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(text)
	}
	w.put(text)
}

// write writes a value that stands indented by indent.
func (w *jsonWriter) write(v any, level, indent int) {
	switch x := v.(type) {
	case nil:
		w.put("null")
	case bool:
		w.put(strings.ToLower(toString(x)))
	case int64, float64:
		w.put(toString(x))
	case time.Time:
		if w.core {
			w.quoted(x.Format(time.RFC3339Nano))
		} else {
			w.quoted(fmt.Sprintf("\\/Date(%d)\\/", x.UnixMilli()))
		}
	case *list, byteArray:
		all := items(x)
		if level > w.depth {
			w.quoted(toString(x))
			return
		}
		w.group("[", "]", len(all), indent, func(i, inner int) { w.write(all[i], level+1, inner) })
	case *hashtable, *object, fileItem:
		if level > w.depth {
			w.quoted(toString(x))
			return
		}
		names := propertyNames(x)
		w.group("{", "}", len(names), indent, func(i, inner int) {
			w.quoted(names[i])
			switch {
			case w.compact:
				w.put(":")
			case w.core:
				w.put(": ")
			default:
				w.put(":  ")
			}
			value := any(nil)
			switch x := x.(type) {
			case *hashtable:
				value, _ = x.get(names[i])
			case *object:
				value, _ = x.props.get(names[i])
			case fileItem:
				value = map[string]any{"Name": x.f.Name(), "FullName": nt.Win(x.f.Path), "Length": x.f.Size()}[names[i]]
			}
			w.write(value, level+1, inner)
		})
	default:
		w.quoted(toString(x))
	}
}

// group writes brackets around n parts. Windows PowerShell indents the parts from
// the bracket, 7 from the line.
func (w *jsonWriter) group(open, end string, n, indent int, part func(i, inner int)) {
	start, step := w.col, 4
	if w.core {
		start, step = indent, 2
	}
	w.put(open)
	if n == 0 && (w.core || w.compact) {
		w.put(end)
		return
	}
	for i := range n {
		w.line(start + step)
		part(i, start+step)
		if i < n-1 {
			w.put(",")
		}
	}
	if n == 0 {
		w.b.WriteString("\r\n")
	}
	w.line(start)
	w.put(end)
}

func init() {
	add("ConvertFrom-Json", "InputObject@0| AsHashtable! Depth- NoEnumerate!", func(c *call) error {
		var parts []string
		for _, v := range c.input("InputObject") {
			parts = append(parts, toString(v))
		}
		v, err := parseJSON(strings.Join(parts, "\n"))
		if err != nil {
			return c.fail("System.ArgumentException", "Invalid JSON primitive: %v.", err)
		}
		if c.flag("AsHashtable") {
			v = asHashtables(v)
		}
		if c.in.core && !c.flag("NoEnumerate") {
			return emit(v, c.out)
		}
		return c.out(v) // Windows PowerShell hands an array on as one object
	})
	add("ConvertTo-Json", "InputObject@0| Depth Compress! EnumsAsStrings! AsArray! EscapeHandling", func(c *call) error {
		depth, err := c.number("Depth", 2)
		if err != nil {
			return err
		}
		if c.has("EscapeHandling") {
			return c.unknown("-EscapeHandling is not known without Windows")
		}
		v := single(c.all)
		if c.has("InputObject") {
			v = c.args["InputObject"]
		}
		if _, ok := v.(*list); c.flag("AsArray") && !ok {
			v = newList(v)
		}
		w := &jsonWriter{core: c.in.core, compact: c.flag("Compress"), depth: depth}
		w.write(v, 0, 0)
		return c.out(w.b.String())
	})
}

func asHashtables(v any) any {
	switch x := v.(type) {
	case *object:
		h := newHash()
		h.ordered = true
		for i, k := range x.props.keys {
			h.set(k, asHashtables(x.props.values[i]))
		}
		return h
	case *list:
		for i := range x.items {
			x.items[i] = asHashtables(x.items[i])
		}
	}
	return v
}

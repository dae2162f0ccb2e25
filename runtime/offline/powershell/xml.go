package powershell

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// xmlNode is a document, an element, a text or a comment.
type xmlNode struct {
	name     string // of an element, with its prefix; "" for others
	text     string // of others
	what     string // "document", "element", "text", "comment", "declaration", "directive"
	attrs    []xmlAttr
	children []*xmlNode
	parent   *xmlNode
	spaces   bool // on a document: white space is kept
}

type xmlAttr struct{ name, value string }

func newXMLDocument() *xmlNode { return &xmlNode{what: "document"} }

func (x *xmlNode) kind() string {
	if x.what == "document" {
		return "System.Xml.XmlDocument"
	}
	return "System.Xml.XmlElement"
}

// parseXML reads a document. White space between elements is dropped, as XmlDocument
// does unless told otherwise.
func parseXML(v any) (any, error) {
	var parts []string
	for _, item := range items(v) {
		if x, ok := item.(*xmlNode); ok {
			return x, nil
		}
		parts = append(parts, toString(item))
	}
	doc := newXMLDocument()
	if err := doc.load(strings.Join(parts, "\n")); err != nil {
		return nil, castError(strings.Join(parts, "\n"), "System.Xml.XmlDocument")
	}
	return doc, nil
}

func (x *xmlNode) load(s string) error {
	d := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(s, "\ufeff")))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is text already
	x.children = nil
	at := x
	for depth := 0; ; {
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth++; depth > maxNesting {
				return errors.New("it is nested too deeply")
			}
			e := &xmlNode{what: "element", name: qualified(t.Name), parent: at}
			for _, a := range t.Attr {
				e.attrs = append(e.attrs, xmlAttr{qualified(a.Name), a.Value})
			}
			at.children = append(at.children, e)
			at = e
		case xml.EndElement:
			if at.name != qualified(t.Name) || at.parent == nil {
				return fmt.Errorf("</%s> ends nothing", qualified(t.Name))
			}
			depth--
			at = at.parent
		case xml.CharData:
			if s := string(t); x.spaces || strings.TrimSpace(s) != "" {
				at.children = append(at.children, &xmlNode{what: "text", text: s, parent: at})
			}
		case xml.Comment:
			at.children = append(at.children, &xmlNode{what: "comment", text: string(t), parent: at})
		case xml.ProcInst:
			at.children = append(at.children, &xmlNode{what: "declaration", text: t.Target + " " + string(t.Inst), parent: at})
		case xml.Directive:
			at.children = append(at.children, &xmlNode{what: "directive", text: string(t), parent: at})
		}
	}
	if at != x || x.root() == nil {
		return errors.New("root element is missing or has no end")
	}
	return nil
}

func qualified(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

func (x *xmlNode) root() *xmlNode {
	for _, c := range x.children {
		if c.what == "element" {
			return c
		}
	}
	return nil
}

// String is what a document or element is as text in PowerShell.
func (x *xmlNode) String() string {
	if x.what == "element" && len(x.attrs) == 0 && x.leaf() {
		return x.inner()
	}
	if x.what == "element" {
		return x.name
	}
	return "#document"
}

func (x *xmlNode) leaf() bool {
	return !slices.ContainsFunc(x.children, func(c *xmlNode) bool { return c.what == "element" })
}

func (x *xmlNode) inner() string {
	if x.what != "element" && x.what != "document" {
		return x.text
	}
	var b strings.Builder
	for _, c := range x.children {
		if c.what != "comment" && c.what != "declaration" {
			b.WriteString(c.inner())
		}
	}
	return b.String()
}

// property reads $x.name: an attribute, child elements, or one of XmlNode's own.
func (x *xmlNode) property(name string) (any, bool, error) {
	found := newList()
	for _, a := range x.attrs {
		if strings.EqualFold(a.name, name) {
			found.items = append(found.items, a.value)
		}
	}
	for _, c := range x.children {
		if c.what == "element" && strings.EqualFold(c.name, name) {
			if len(c.attrs) == 0 && c.leaf() {
				found.items = append(found.items, c.inner())
			} else {
				found.items = append(found.items, c)
			}
		}
	}
	if len(found.items) > 0 {
		return single(found.items), true, nil
	}
	switch strings.ToLower(name) {
	case "documentelement":
		if r := x.root(); r != nil {
			return r, true, nil
		}
		return nil, true, nil
	case "innertext", "#text":
		return x.inner(), true, nil
	case "innerxml":
		var b strings.Builder
		for _, c := range x.children {
			c.write(&b, -1)
		}
		return b.String(), true, nil
	case "outerxml":
		var b strings.Builder
		x.write(&b, -1)
		return b.String(), true, nil
	case "localname", "name":
		return x.name[strings.IndexByte(x.name, ':')+1:], true, nil
	case "parentnode":
		if x.parent == nil {
			return nil, true, nil
		}
		return x.parent, true, nil
	case "ownerdocument":
		for x.parent != nil {
			x = x.parent
		}
		return x, true, nil
	case "childnodes":
		for _, c := range x.children {
			found.items = append(found.items, c)
		}
		return found, true, nil
	case "firstchild":
		if len(x.children) > 0 {
			return x.children[0], true, nil
		}
		return nil, true, nil
	case "haschildnodes":
		return len(x.children) > 0, true, nil
	case "preservewhitespace":
		return x.spaces, true, nil
	}
	return nil, true, nil
}

func (x *xmlNode) setProperty(in *interp, at pos, name, value string) error {
	for i, a := range x.attrs {
		if strings.EqualFold(a.name, name) {
			x.attrs[i].value = value
			return nil
		}
	}
	for _, c := range x.children {
		if c.what == "element" && strings.EqualFold(c.name, name) {
			c.children = []*xmlNode{{what: "text", text: value, parent: c}}
			return nil
		}
	}
	switch strings.ToLower(name) {
	case "innertext", "#text", "value":
		x.children = []*xmlNode{{what: "text", text: value, parent: x}}
		return nil
	case "preservewhitespace":
		x.spaces = strings.EqualFold(value, "True")
		return nil
	case "innerxml":
		d := newXMLDocument()
		if err := d.load("<x>" + value + "</x>"); err != nil {
			return in.raise(at, "System.Xml.XmlException", "%v", err)
		}
		x.children = d.root().children
		for _, c := range x.children {
			c.parent = x
		}
		return nil
	}
	return in.raise(at, "System.Management.Automation.SetValueInvocationException", "The property '%s' cannot be found on this object. Verify that the property exists and can be set.", name)
}

var escapeText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
var escapeAttr = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\n", "&#xA;", "\r", "&#xD;", "\t", "&#x9;")

// write writes a node; indent below 0 adds no white space.
func (x *xmlNode) write(b *strings.Builder, indent int) {
	pad := func(n int) {
		if indent >= 0 && b.Len() > 0 {
			b.WriteString("\r\n" + strings.Repeat("  ", n))
		}
	}
	switch x.what {
	case "document":
		for _, c := range x.children {
			c.write(b, indent)
		}
	case "text":
		b.WriteString(escapeText.Replace(x.text))
	case "comment":
		pad(indent)
		b.WriteString("<!--" + x.text + "-->")
	case "declaration":
		pad(indent)
		b.WriteString("<?" + strings.TrimSpace(x.text) + "?>")
	case "directive":
		pad(indent)
		b.WriteString("<!" + x.text + ">")
	default:
		pad(indent)
		b.WriteString("<" + x.name)
		for _, a := range x.attrs {
			b.WriteString(" " + a.name + `="` + escapeAttr.Replace(a.value) + `"`)
		}
		if len(x.children) == 0 {
			b.WriteString(" />")
			return
		}
		b.WriteString(">")
		inner := indent
		if inner >= 0 {
			inner++
		}
		// What holds text is written as it is.
		if slices.ContainsFunc(x.children, func(c *xmlNode) bool { return c.what == "text" }) {
			inner = -1
		}
		for _, c := range x.children {
			c.write(b, inner)
		}
		if inner >= 0 {
			pad(indent)
		}
		b.WriteString("</" + x.name + ">")
	}
}

// select finds nodes by the simple part of XPath: names, *, //, @name, and
// [@name='value'] or [name='value'] or a position.
func (x *xmlNode) find(path string) (found []any, ok bool) {
	at := []*xmlNode{x}
	if strings.HasPrefix(path, "/") {
		for x.parent != nil {
			x = x.parent
		}
		at = []*xmlNode{x}
	}
	for path != "" {
		deep := strings.HasPrefix(path, "//")
		path = strings.TrimLeft(path, "/")
		step, rest, bracket := path, "", 0
		for i := 0; i < len(path); i++ {
			if c := path[i]; c == '[' {
				bracket++
			} else if c == ']' {
				bracket--
			} else if c == '/' && bracket == 0 {
				step, rest = path[:i], path[i:]
				break
			}
		}
		path = rest
		if attr, is := strings.CutPrefix(step, "@"); is {
			for _, n := range at {
				for _, a := range n.attrs {
					if a.name == attr {
						found = append(found, newObject("System.Xml.XmlAttribute", "Name", a.name, "Value", a.value, "#text", a.value, "\x00text", a.value))
					}
				}
			}
			return found, path == ""
		}
		name, conditions, _ := strings.Cut(step, "[")
		if strings.ContainsAny(name, "()|:. ") && name != "." && name != ".." && !strings.Contains(name, ":") || strings.Contains(name, "::") {
			return nil, false
		}
		var next []*xmlNode
		for _, n := range at {
			next = append(next, n.named(name, deep)...)
		}
		if conditions != "" {
			var ok bool
			if next, ok = where(next, conditions); !ok {
				return nil, false
			}
		}
		at = next
	}
	for _, n := range at {
		found = append(found, n)
	}
	return found, true
}

func (x *xmlNode) named(name string, deep bool) (found []*xmlNode) {
	switch name {
	case ".":
		return []*xmlNode{x}
	case "..":
		if x.parent != nil {
			return []*xmlNode{x.parent}
		}
		return nil
	}
	for _, c := range x.children {
		if c.what != "element" {
			continue
		}
		if name == "*" || c.name == name {
			found = append(found, c)
		}
		if deep {
			found = append(found, c.named(name, true)...)
		}
	}
	return found
}

// where applies [..][..] without its first bracket.
func where(list []*xmlNode, conditions string) (found []*xmlNode, ok bool) {
	for conditions != "" {
		one, rest, ok := strings.Cut(conditions, "]")
		if !ok {
			return nil, false
		}
		conditions = strings.TrimPrefix(rest, "[")
		found = nil
		name, value, equals := strings.Cut(one, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if equals && (len(value) < 2 || value[0] != value[len(value)-1] || value[0] != '\'' && value[0] != '"') || strings.ContainsAny(name, "()<>!|/ ") {
			return nil, false
		}
		if equals {
			value = value[1 : len(value)-1]
		}
		for i, n := range list {
			attr, is := strings.CutPrefix(name, "@")
			switch {
			case is:
				if slices.ContainsFunc(n.attrs, func(a xmlAttr) bool { return a.name == attr && (!equals || a.value == value) }) {
					found = append(found, n)
				}
			case !equals && strings.Trim(name, "0123456789") == "" && name != "":
				if name == fmt.Sprint(i+1) {
					found = append(found, n)
				}
			case slices.ContainsFunc(n.children, func(c *xmlNode) bool { return c.name == name && c.name != "" && (!equals || c.inner() == value) }):
				found = append(found, n)
			}
		}
		list = found
	}
	return list, true
}

var xmlMethods map[string]method

func init() {
	node := func(c *methodCall) *xmlNode { return c.on.(*xmlNode) }
	xmlMethods = map[string]method{
		"load": func(c *methodCall) (any, error) {
			s, err := c.text(0, 9)
			if err != nil {
				return nil, err
			}
			if err := node(c).load(s); err != nil {
				return nil, c.fail("System.Xml.XmlException", "%s: %v", c.str(0), err)
			}
			return nothing{}, nil
		},
		"loadxml": func(c *methodCall) (any, error) {
			if err := node(c).load(c.str(0)); err != nil {
				return nil, c.fail("System.Xml.XmlException", "%v", err)
			}
			return nothing{}, nil
		},
		"save": func(c *methodCall) (any, error) {
			x := node(c)
			indent := 0
			if x.spaces {
				indent = -1
			}
			var b strings.Builder
			x.write(&b, indent)
			// Without a declaration that names an encoding, .NET writes UTF-8 without a mark, and with one a mark.
			encoding := "utf8nobom"
			if len(x.children) > 0 && x.children[0].what == "declaration" && strings.Contains(strings.ToLower(x.children[0].text), "utf-8") {
				encoding = "utf8bom"
			} else if len(x.children) > 0 && x.children[0].what == "declaration" && strings.Contains(strings.ToLower(x.children[0].text), "encoding") {
				return nil, c.in.unsupported(c.at, ".Save()", "the document's encoding is not known without Windows")
			}
			data, err := c.in.encode(c.at, b.String(), encoding)
			if err != nil {
				return nil, err
			}
			return c.write(data, false)
		},
		"selectnodes":      func(c *methodCall) (any, error) { return selectNodes(c, false) },
		"selectsinglenode": func(c *methodCall) (any, error) { return selectNodes(c, true) },
		"createelement": func(c *methodCall) (any, error) {
			if len(c.args) != 1 {
				return nil, c.in.unsupported(c.at, ".CreateElement()", "namespaces are not known without Windows")
			}
			return &xmlNode{what: "element", name: c.str(0)}, nil
		},
		"createtextnode": func(c *methodCall) (any, error) { return &xmlNode{what: "text", text: c.str(0)}, nil },
		"createcomment":  func(c *methodCall) (any, error) { return &xmlNode{what: "comment", text: c.str(0)}, nil },
		"appendchild": func(c *methodCall) (any, error) {
			n, ok := first(c.args).(*xmlNode)
			if !ok || n.what == "document" {
				return nil, c.fail("System.ArgumentException", "The node cannot be appended.")
			}
			for up := node(c); up != nil; up = up.parent {
				if up == n {
					return nil, c.fail("System.ArgumentException", "Cannot insert a node or any ancestor of that node as a child of itself.")
				}
			}
			n.detach()
			n.parent = node(c)
			node(c).children = append(node(c).children, n)
			return n, nil
		},
		"removechild": func(c *methodCall) (any, error) {
			n, ok := first(c.args).(*xmlNode)
			if !ok || n.parent != node(c) {
				return nil, c.fail("System.ArgumentException", "The node to be removed is not a child of this node.")
			}
			n.detach()
			return n, nil
		},
		"removeall": func(c *methodCall) (any, error) {
			node(c).children, node(c).attrs = nil, nil
			return nothing{}, nil
		},
		"setattribute": func(c *methodCall) (any, error) {
			x := node(c)
			for i, a := range x.attrs {
				if a.name == c.str(0) {
					x.attrs[i].value = c.str(1)
					return nothing{}, nil
				}
			}
			x.attrs = append(x.attrs, xmlAttr{c.str(0), c.str(1)})
			return nothing{}, nil
		},
		"getattribute": func(c *methodCall) (any, error) {
			for _, a := range node(c).attrs {
				if a.name == c.str(0) {
					return a.value, nil
				}
			}
			return "", nil
		},
		"removeattribute": func(c *methodCall) (any, error) {
			x := node(c)
			x.attrs = slices.DeleteFunc(x.attrs, func(a xmlAttr) bool { return a.name == c.str(0) })
			return nothing{}, nil
		},
		"hasattribute": func(c *methodCall) (any, error) {
			return slices.ContainsFunc(node(c).attrs, func(a xmlAttr) bool { return a.name == c.str(0) }), nil
		},
		"getelementsbytagname": func(c *methodCall) (any, error) {
			l := newList()
			for _, n := range node(c).named(c.str(0), true) {
				l.items = append(l.items, n)
			}
			return l, nil
		},
	}
}

func (x *xmlNode) detach() {
	if x.parent != nil {
		x.parent.children = slices.DeleteFunc(x.parent.children, func(n *xmlNode) bool { return n == x })
		x.parent = nil
	}
}

func selectNodes(c *methodCall, one bool) (any, error) {
	if len(c.args) != 1 {
		return nil, c.in.unsupported(c.at, "XPath", "namespaces are not known without Windows")
	}
	found, ok := c.on.(*xmlNode).find(c.str(0))
	if !ok {
		return nil, c.in.unsupported(c.at, c.str(0), "this XPath is not known without Windows")
	}
	if !one {
		return newList(found...), nil
	}
	if len(found) == 0 {
		return nil, nil
	}
	return found[0], nil
}

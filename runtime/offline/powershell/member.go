package powershell

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mullion/mullion/internal/nt"
)

// match is what a regular expression found; matches is all of it.
type (
	match struct {
		text   string
		index  int
		groups []string
		names  []string
	}
	matches struct{ all []any }
)

// method is a method of a value: what it is called on comes first.
type method func(c *methodCall) (any, error)

// methodCall is a call of a method.
type methodCall struct {
	in   *interp
	at   pos
	on   any
	args []any
}

func (c *methodCall) str(i int) string {
	if i < len(c.args) {
		return toString(c.args[i])
	}
	return ""
}

func (c *methodCall) number(i int) (int, error) {
	if i >= len(c.args) {
		return 0, c.fail("System.Management.Automation.MethodException", "Cannot find an overload and the argument count: \"%d\".", len(c.args))
	}
	n, ok := toInt(c.args[i])
	if !ok || n > 1<<31-1 || n < -1<<31 {
		return 0, castError(c.args[i], "System.Int32")
	}
	return int(n), nil
}

func (c *methodCall) fail(kind, format string, a ...any) error {
	return c.in.raise(c.at, kind, format, a...)
}

const methodInvocation = "System.Management.Automation.MethodInvocationException"

// memberName is the name that stands after the dot.
func (in *interp) memberName(e *memberExpr) (string, error) {
	v, err := in.eval(e.name)
	return toString(v), err
}

// member is $x.name, $x.name(...), [type]::name and [type]::name(...).
func (in *interp) member(e *memberExpr) (any, error) {
	name, err := in.memberName(e)
	if err != nil {
		return nil, err
	}
	on, err := in.eval(e.on)
	if err != nil {
		return nil, err
	}
	var args []any
	for _, a := range e.args {
		v, err := in.eval(a)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	if e.static {
		t, ok := on.(typeRef)
		if !ok {
			return nil, in.unsupported(e.pos, "::"+name, "only [type]::member is known")
		}
		return in.static(e, t, name, args)
	}
	if e.call {
		return in.invoke(e.pos, on, name, args)
	}
	return in.property(e.pos, on, name)
}

// invoke calls a method.
func (in *interp) invoke(at pos, on any, name string, args []any) (any, error) {
	if on == nil {
		return nil, in.raise(at, runtimeException, "You cannot call a method on a null-valued expression.")
	}
	lower := strings.ToLower(name)
	c := &methodCall{in: in, at: at, on: on, args: args}
	// A property may hold a block, which can be called.
	if o, ok := on.(*object); ok {
		if v, ok := o.props.get(name); ok {
			if b, ok := v.(*scriptBlock); ok {
				all, err := in.invokeBlock(b, false, nil, args...)
				return single(all), err
			}
		}
	}
	if m := methodOf(on, lower); m != nil {
		return m(c)
	}
	switch lower {
	case "tostring":
		if len(args) == 1 {
			return in.formatValue(at, on, toString(args[0]))
		}
		return toString(on), nil
	case "gettype":
		return typeRef{strings.TrimPrefix(strings.ToLower(typeOf(on)), "system.")}, nil
	case "equals":
		return len(args) == 1 && in.equal(on, args[0], true), nil
	case "compareto":
		if len(args) == 1 {
			n, err := in.order(at, on, args[0], false)
			return int64(n), err
		}
	case "dispose", "close":
		return nothing{}, nil
	case "where":
		if b, ok := first(args).(*scriptBlock); ok && len(args) == 1 {
			found := newList()
			for _, item := range items(on) {
				all, err := in.invokeBlock(b, true, item)
				if err != nil {
					return nil, err
				}
				if truth(single(all)) {
					found.items = append(found.items, item)
				}
			}
			return found, nil
		}
	case "foreach":
		if b, ok := first(args).(*scriptBlock); ok && len(args) == 1 {
			result := newList()
			for _, item := range items(on) {
				all, err := in.invokeBlock(b, true, item)
				if err != nil {
					return nil, err
				}
				result.items = append(result.items, all...)
			}
			return result, nil
		}
	}
	if l, ok := on.(*list); ok && len(l.items) > 0 {
		// A method that an array does not have is one of its elements.
		result := newList()
		for _, item := range l.items {
			v, err := in.invoke(at, item, name, args)
			if err != nil {
				return nil, err
			}
			if _, void := v.(nothing); !void {
				result.items = append(result.items, v)
			}
		}
		return single(result.items), nil
	}
	return nil, in.unsupported(at, "."+name+"()", "this method of "+typeOf(on)+" is not known without Windows")
}

func first(args []any) any {
	if len(args) > 0 {
		return args[0]
	}
	return nil
}

// methodOf finds a method in the tables.
func methodOf(on any, lower string) method {
	switch v := on.(type) {
	case string:
		return stringMethods[lower]
	case char:
		if m := stringMethods[lower]; m != nil {
			return func(c *methodCall) (any, error) { c.on = toString(c.on); return m(c) }
		}
	case *list:
		return listMethods[lower]
	case *hashtable:
		return hashMethods[lower]
	case time.Time:
		return timeMethods[lower]
	case *object:
		return objectMethods[strings.ToLower(strings.TrimPrefix(v.kind, "System."))+"."+lower]
	case *regex:
		return regexMethods[lower]
	case *xmlNode:
		return xmlMethods[lower]
	case *scriptBlock:
		if lower == "invoke" || lower == "invokereturnasis" {
			return func(c *methodCall) (any, error) {
				all, err := c.in.invokeBlock(v, false, nil, c.args...)
				return single(all), err
			}
		}
	case fileItem:
		return fileMethods[lower]
	case time.Duration:
		if lower == "add" || lower == "subtract" {
			return func(c *methodCall) (any, error) {
				return c.in.apply(c.at, map[string]string{"add": "+", "subtract": "-"}[lower], c.on, first(c.args))
			}
		}
	}
	return nil
}

// Methods lists the methods of values that are known, as "String.Trim".
func Methods() []string {
	var names []string
	for kind, table := range map[string]map[string]method{
		"string": stringMethods, "array": listMethods, "hashtable": hashMethods, "datetime": timeMethods, "": objectMethods, "regex": regexMethods, "xml": xmlMethods, "io.fileinfo": fileMethods,
	} {
		for name := range table {
			names = append(names, strings.TrimPrefix(kind+"."+name, "."))
		}
	}
	slices.Sort(names)
	return names
}

// property reads $x.name. A property that does not exist is null, as it is on
// Windows; one of a .NET object that is not known here is an error.
func (in *interp) property(at pos, on any, name string) (any, error) {
	lower := strings.ToLower(name)
	v, ok, err := in.ownProperty(at, on, lower, name)
	if err != nil || ok {
		return v, err
	}
	if l, isList := on.(*list); isList {
		found := newList()
		for _, item := range l.items {
			v, ok, err := in.ownProperty(at, item, lower, name)
			if err != nil {
				return nil, err
			}
			if ok && v != nil {
				found.items = append(found.items, items(v)...)
			}
		}
		return single(found.items), nil
	}
	switch lower {
	case "count", "length":
		if on == nil {
			return int64(0), nil
		}
		return int64(1), nil
	case "psobject":
		return newObject("System.Management.Automation.PSMemberSet", "Properties", in.propertiesOf(on), "BaseObject", on), nil
	}
	if in.strict && on != nil {
		return nil, in.raise(at, "System.Management.Automation.PropertyNotFoundException", "The property '%s' cannot be found on this object. Verify that the property exists.", name)
	}
	if o, ok := on.(*object); ok && !o.open() {
		return nil, in.unsupported(at, "."+name, "this property of "+o.kind+" is not known without Windows")
	}
	switch on.(type) {
	case fileItem, *errorRecord, *url.URL, time.Time, *regex, typeRef:
		return nil, in.unsupported(at, "."+name, "this property of "+typeOf(on)+" is not known without Windows")
	}
	return nil, nil
}

// open tells objects whose properties are all there are.
func (o *object) open() bool {
	return o.kind == custom || strings.HasPrefix(o.kind, "Selected.") || o.kind == "System.Collections.DictionaryEntry"
}

func (in *interp) propertiesOf(on any) *list {
	l := newList()
	for _, name := range propertyNames(on) {
		v, _, _ := in.ownProperty(0, on, strings.ToLower(name), name)
		l.items = append(l.items, newObject("System.Management.Automation.PSNoteProperty", "Name", name, "Value", v, "MemberType", "NoteProperty"))
	}
	return l
}

// propertyNames lists the properties of a value that a table of it would show.
func propertyNames(v any) (names []string) {
	switch v := v.(type) {
	case *object:
		for _, i := range v.props.order() {
			if name := toString(v.props.keys[i]); !strings.HasPrefix(name, "\x00") {
				names = append(names, name)
			}
		}
	case *hashtable:
		for _, i := range v.order() {
			names = append(names, toString(v.keys[i]))
		}
	case fileItem:
		names = []string{"Name", "FullName", "Length", "LastWriteTime"}
	case keyItem:
		names = []string{"Name", "Property"}
	case *xmlNode:
		for _, a := range v.attrs {
			names = append(names, a.name)
		}
		for _, c := range v.children {
			if c.name != "" && !slices.Contains(names, c.name) {
				names = append(names, c.name)
			}
		}
	}
	return names
}

// ownProperty reads a property of a value itself.
func (in *interp) ownProperty(at pos, on any, lower, name string) (v any, ok bool, err error) {
	switch x := on.(type) {
	case string:
		if lower == "length" {
			return int64(len(nt.UTF16(x))), true, nil
		}
	case byteArray:
		if lower == "length" || lower == "count" {
			return int64(len(x)), true, nil
		}
	case *list:
		if lower == "count" || lower == "length" {
			return int64(len(x.items)), true, nil
		}
	case *matches:
		if lower == "count" || lower == "length" {
			return int64(len(x.all)), true, nil
		}
		v, err := in.property(at, newList(x.all...), name)
		return v, true, err
	case *match:
		switch lower {
		case "success":
			return x.index >= 0, true, nil
		case "value":
			return x.text, true, nil
		case "index":
			return int64(max(x.index, 0)), true, nil
		case "length":
			return int64(len(nt.UTF16(x.text))), true, nil
		case "groups", "captures":
			groups := newHash()
			groups.ordered = true
			for i, g := range x.groups {
				key := any(int64(i))
				if x.names[i] != "" {
					key = x.names[i]
				}
				groups.set(key, newObject("System.Text.RegularExpressions.Group", "Success", true, "Value", g, "\x00text", g))
			}
			return groups, true, nil
		}
	case *hashtable:
		if v, ok := x.get(name); ok {
			return v, true, nil
		}
		switch lower {
		case "count":
			return int64(len(x.keys)), true, nil
		case "keys", "values":
			l := newList()
			for _, i := range x.order() {
				if lower == "keys" {
					l.items = append(l.items, x.keys[i])
				} else {
					l.items = append(l.items, x.values[i])
				}
			}
			return l, true, nil
		}
	case *object:
		if v, ok := x.props.get(name); ok {
			return v, true, nil
		}
	case fileItem:
		return in.fileProperty(x, lower)
	case keyItem:
		return in.keyProperty(at, x, lower)
	case time.Time:
		v := map[string]int64{"year": int64(x.Year()), "month": int64(x.Month()), "day": int64(x.Day()), "hour": int64(x.Hour()), "minute": int64(x.Minute()),
			"second": int64(x.Second()), "millisecond": int64(x.Nanosecond() / 1e6), "dayofyear": int64(x.YearDay()), "ticks": int64(nt.FiletimeOf(x)) + 504911232000000000}
		if n, ok := v[lower]; ok {
			return n, true, nil
		}
		switch lower {
		case "dayofweek":
			return x.Weekday().String(), true, nil
		case "date":
			return time.Date(x.Year(), x.Month(), x.Day(), 0, 0, 0, 0, x.Location()), true, nil
		}
	case time.Duration:
		switch lower {
		case "totalmilliseconds":
			return float64(x) / 1e6, true, nil
		case "totalseconds":
			return x.Seconds(), true, nil
		case "totalminutes":
			return x.Minutes(), true, nil
		case "totalhours":
			return x.Hours(), true, nil
		case "totaldays":
			return x.Hours() / 24, true, nil
		case "ticks":
			return int64(x / 100), true, nil
		case "days":
			return int64(x / (24 * time.Hour)), true, nil
		case "hours":
			return int64(x / time.Hour % 24), true, nil
		case "minutes":
			return int64(x / time.Minute % 60), true, nil
		case "seconds":
			return int64(x / time.Second % 60), true, nil
		case "milliseconds":
			return int64(x / time.Millisecond % 1000), true, nil
		}
	case version:
		for i, n := range []string{"major", "minor", "build", "revision"} {
			if lower == n {
				return int64(x[i]), true, nil
			}
		}
	case *url.URL:
		return urlProperty(x, lower)
	case *errorRecord:
		switch lower {
		case "exception":
			if o, ok := x.value.(*object); ok && strings.HasSuffix(o.kind, "Exception") {
				return o, true, nil
			}
			return newObject(x.kind, "Message", x.message, "InnerException", nil, "StackTrace", "", "HResult", int64(-2146233087), "\x00text", x.kind+": "+x.message), true, nil
		case "fullyqualifiederrorid":
			return x.id, true, nil
		case "targetobject":
			return x.value, true, nil
		case "errordetails":
			return nil, true, nil
		case "scriptstacktrace":
			return "", true, nil
		case "invocationinfo":
			line, col := 1, 1
			if x.s != nil {
				line, col = place(x.s.text, x.at)
			}
			return newObject("System.Management.Automation.InvocationInfo", "ScriptLineNumber", int64(line), "OffsetInLine", int64(col), "PositionMessage", "", "Line", ""), true, nil
		case "categoryinfo":
			return newObject("System.Management.Automation.ErrorCategoryInfo", "Reason", x.kind[strings.LastIndexByte(x.kind, '.')+1:]), true, nil
		}
	case typeRef:
		switch lower {
		case "name":
			full := typeFull(x)
			return full[strings.LastIndexByte(full, '.')+1:], true, nil
		case "fullname":
			return typeFull(x), true, nil
		}
	case *xmlNode:
		return x.property(name)
	case *scriptBlock:
		if lower == "ast" {
			return nil, false, in.unsupported(at, "."+name, "the tree of a script is not known")
		}
	}
	return nil, false, nil
}

// typeFull is the full name of a type; only those that values have are spelled as
// .NET does.
func typeFull(t typeRef) string {
	for _, v := range []any{true, int64(1), int64(1 << 40), 1.5, char('a'), "", byteArray{}, time.Time{}, time.Duration(0), &url.URL{}, version{}, &list{}, &hashtable{}, &hashtable{ordered: true}, &scriptBlock{}} {
		if full := typeOf(v); strings.EqualFold(strings.TrimPrefix(full, "System."), t.name) {
			return full
		}
	}
	return typeText(t.name)
}

func urlProperty(u *url.URL, lower string) (any, bool, error) {
	path := u.EscapedPath()
	if path == "" && u.Host != "" {
		path = "/"
	}
	switch lower {
	case "absoluteuri", "originalstring":
		return u.String(), true, nil
	case "host", "dnssafehost":
		return u.Hostname(), true, nil
	case "scheme":
		return u.Scheme, true, nil
	case "absolutepath":
		return path, true, nil
	case "localpath":
		return u.Path, true, nil
	case "pathandquery":
		if u.RawQuery != "" {
			path += "?" + u.RawQuery
		}
		return path, true, nil
	case "query":
		if u.RawQuery == "" {
			return "", true, nil
		}
		return "?" + u.RawQuery, true, nil
	case "isabsoluteuri":
		return u.IsAbs(), true, nil
	case "segments":
		l := newList("/")
		for part := range strings.SplitAfterSeq(strings.TrimPrefix(path, "/"), "/") {
			if part != "" {
				l.items = append(l.items, part)
			}
		}
		return l, true, nil
	}
	return nil, false, nil
}

// setMember is $x.name = value.
func (in *interp) setMember(e *memberExpr, v any) error {
	name, err := in.memberName(e)
	if err != nil {
		return err
	}
	on, err := in.eval(e.on)
	if err != nil {
		return err
	}
	if e.static {
		t, ok := on.(typeRef)
		if ok && t.name == "net.servicepointmanager" || ok && t.name == "console" || ok && t.name == "environment" && strings.EqualFold(name, "CurrentDirectory") {
			return nil // which protocols are spoken is not the script's to say: TLS 1.2 and later
		}
		return in.unsupported(e.pos, "::"+name, "this cannot be set without Windows")
	}
	switch x := on.(type) {
	case *hashtable:
		x.set(name, v)
		return nil
	case *object:
		if _, ok := x.props.get(name); !ok && x.open() {
			return in.raise(e.pos, "System.Management.Automation.SetValueInvocationException", "The property '%s' cannot be found on this object. Verify that the property exists and can be set.", name)
		} else if !ok {
			return in.unsupported(e.pos, "."+name, "this property of "+x.kind+" is not known without Windows")
		}
		x.props.set(name, v)
		return nil
	case *xmlNode:
		return x.setProperty(in, e.pos, name, toString(v))
	case fileItem:
		return in.setFileProperty(e.pos, x, strings.ToLower(name), v)
	case nil:
		return in.raise(e.pos, runtimeException, "The property '%s' cannot be found on this object. Verify that the property exists and can be set.", name)
	}
	return in.unsupported(e.pos, "."+name, "this property cannot be set without Windows")
}

// index reads $x[i].
func (in *interp) index(e *indexExpr) (any, error) {
	on, err := in.eval(e.on)
	if err != nil {
		return nil, err
	}
	i, err := in.eval(e.index)
	if err != nil {
		return nil, err
	}
	if h, ok := on.(*hashtable); ok {
		if l, ok := i.(*list); ok {
			found := newList()
			for _, k := range l.items {
				v, _ := h.get(k)
				found.items = append(found.items, v)
			}
			return found, nil
		}
		if v, ok := h.get(i); ok {
			return v, nil
		}
		if n, ok := i.(int64); ok && h.ordered && n >= 0 && int(n) < len(h.values) {
			return h.values[n], nil
		}
		return nil, nil
	}
	if o, ok := on.(*object); ok {
		v, _ := o.props.get(i)
		return v, nil
	}
	var all []any
	switch x := on.(type) {
	case nil:
		return nil, in.raise(e.pos, runtimeException, "Cannot index into a null array.")
	case string:
		for _, u := range nt.UTF16(x) {
			all = append(all, char(u))
		}
	case *matches:
		all = x.all
	case *xmlNode:
		all = []any{x}
	default:
		all = items(x)
	}
	if l, ok := i.(*list); ok {
		found := newList()
		for _, one := range l.items {
			if v, ok := elementAt(all, one); ok {
				found.items = append(found.items, v)
			}
		}
		return found, nil
	}
	if _, ok := toInt(i); !ok {
		return nil, castError(i, "System.Int32")
	}
	v, _ := elementAt(all, i)
	return v, nil
}

func elementAt(all []any, i any) (any, bool) {
	n, ok := toInt(i)
	if n < 0 {
		n += int64(len(all))
	}
	if !ok || n < 0 || n >= int64(len(all)) {
		return nil, false
	}
	return all[n], true
}

// setIndex is $x[i] = value.
func (in *interp) setIndex(e *indexExpr, v any) error {
	on, err := in.eval(e.on)
	if err != nil {
		return err
	}
	i, err := in.eval(e.index)
	if err != nil {
		return err
	}
	switch x := on.(type) {
	case *hashtable:
		x.set(i, v)
		return nil
	case *object:
		if strings.HasSuffix(x.kind, "HeaderCollection") || x.kind == custom {
			x.props.set(i, v)
			return nil
		}
	case *list:
		n, ok := toInt(i)
		if n < 0 {
			n += int64(len(x.items))
		}
		if !ok || n < 0 || n >= int64(len(x.items)) {
			return in.raise(e.pos, "System.IndexOutOfRangeException", "Index was outside the bounds of the array.")
		}
		x.items[n] = v
		return nil
	case byteArray:
		n, ok := toInt(i)
		b, ok2 := toInt(v)
		if ok && ok2 && n >= 0 && n < int64(len(x)) && b >= 0 && b < 256 {
			x[n] = byte(b)
			return nil
		}
		return in.raise(e.pos, "System.IndexOutOfRangeException", "Index was outside the bounds of the array.")
	}
	return in.unsupported(e.pos, "[]", typeOf(on)+" cannot be changed this way")
}

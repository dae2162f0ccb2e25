package powershell

import (
	"math"
	"strings"
	"time"

	"github.com/mullion/mullion/internal/nt"
)

func (in *interp) unary(e *unaryExpr) (any, error) {
	v, err := in.eval(e.value)
	if err != nil {
		return nil, err
	}
	switch e.op {
	case "-not":
		return !truth(v), nil
	case "-":
		return in.apply(e.pos, "-", int64(0), v)
	case "+":
		return in.apply(e.pos, "+", int64(0), v)
	case "-bnot":
		n, ok := toInt(v)
		if !ok {
			return nil, castError(v, "System.Int32")
		}
		return ^n, nil
	case "-join":
		return join(items(v), ""), nil
	}
	l := newList() // -split
	for _, item := range items(v) {
		for _, w := range strings.Fields(toString(item)) {
			l.items = append(l.items, w)
		}
	}
	return l, nil
}

func join(all []any, separator string) string {
	parts := make([]string, len(all))
	for i, item := range all {
		parts[i] = toString(item)
	}
	return strings.Join(parts, separator)
}

func (in *interp) binary(e *binaryExpr) (any, error) {
	left, err := in.eval(e.left)
	if err != nil {
		return nil, err
	}
	switch e.op {
	case "-and":
		if !truth(left) {
			return false, nil
		}
	case "-or":
		if truth(left) {
			return true, nil
		}
	}
	if t, ok := e.right.(*typeExpr); ok && (e.op == "-is" || e.op == "-isnot" || e.op == "-as") {
		return in.typeTest(e, left, t.kind)
	}
	right, err := in.eval(e.right)
	if err != nil {
		return nil, err
	}
	switch e.op {
	case "-and", "-or":
		return truth(right), nil
	case "-xor":
		return truth(left) != truth(right), nil
	case "-is", "-isnot", "-as":
		name := strings.TrimPrefix(strings.ToLower(toString(right)), "system.")
		if t, ok := right.(typeRef); ok {
			name = t.name
		}
		return in.typeTest(e, left, &typeName{pos: e.pos, name: name, text: name})
	case "-f":
		return in.format(e.pos, toString(left), items(right))
	case "..":
		return in.span(e.pos, left, right)
	case "-join":
		return join(items(left), toString(right)), nil
	case "-band", "-bor", "-bxor", "-shl", "-shr":
		return bits(e.op, left, right)
	case "+", "-", "*", "/", "%":
		return in.apply(e.pos, e.op, left, right)
	}
	return in.comparison(e, left, right)
}

func (in *interp) typeTest(e *binaryExpr, left any, t *typeName) (any, error) {
	if e.op == "-as" {
		v, err := in.cast(left, t)
		if _, ok := asThrown(err); ok {
			return nil, nil
		}
		return v, err
	}
	return isType(left, t) == (e.op == "-is"), nil
}

func isType(v any, t *typeName) bool {
	name := strings.TrimPrefix(strings.ToLower(typeOf(v)), "system.")
	switch t.name {
	case name:
		return !t.list || strings.HasSuffix(name, "[]")
	case "int", "int32", "long", "int64":
		return name == "int32" && t.name != "long" && t.name != "int64" || name == "int64" && (t.name == "long" || t.name == "int64")
	case "bool":
		return name == "boolean"
	case "array", "collections.ienumerable", "collections.ilist":
		_, ok := v.(*list)
		return ok || name == "byte[]"
	case "object":
		return v != nil && !t.list || name == "object[]"
	case "hashtable", "collections.idictionary":
		_, ok := v.(*hashtable)
		return ok
	case "scriptblock":
		return strings.HasSuffix(name, "scriptblock")
	case "pscustomobject", "psobject":
		return name == strings.TrimPrefix(strings.ToLower(custom), "system.")
	case "valuetype":
		return name == "int32" || name == "int64" || name == "double" || name == "boolean" || name == "char" || name == "datetime"
	case "exception":
		return strings.HasSuffix(name, "exception")
	case "byte":
		return t.list && name == "byte[]"
	}
	return false
}

const maxSpan = 10_000_000

func (in *interp) span(at pos, left, right any) (any, error) {
	a, ok := toInt(left)
	b, ok2 := toInt(right)
	if !ok || !ok2 {
		return nil, castError(right, "System.Int32")
	}
	if b-a > maxSpan || a-b > maxSpan {
		return nil, in.unsupported(at, "..", "the range has more than 10,000,000 numbers")
	}
	l := newList()
	for ; a < b; a++ {
		l.items = append(l.items, a)
	}
	for ; a > b; a-- {
		l.items = append(l.items, a)
	}
	l.items = append(l.items, b)
	return l, nil
}

func bits(op string, left, right any) (any, error) {
	a, ok := toInt(left)
	b, ok2 := toInt(right)
	if !ok || !ok2 {
		// Names of flags, as of [Net.SecurityProtocolType], are put together by name.
		if op == "-bor" {
			return toString(left) + ", " + toString(right), nil
		}
		return nil, castError(right, "System.Int32")
	}
	switch op {
	case "-band":
		return a & b, nil
	case "-bor":
		return a | b, nil
	case "-bxor":
		return a ^ b, nil
	case "-shl":
		return a << (uint64(b) & 63), nil
	}
	return a >> (uint64(b) & 63), nil
}

// apply is + - * / %; the left side's type decides.
func (in *interp) apply(at pos, op string, left, right any) (any, error) {
	v, err := in.applyTo(at, op, left, right)
	return v, in.located(at, err)
}

func (in *interp) applyTo(at pos, op string, left, right any) (any, error) {
	switch l := left.(type) {
	case string:
		switch op {
		case "+":
			r := toString(right)
			if len(l)+len(r) > maxText {
				return nil, in.unsupported(at, op, "the string is longer than 256 MiB")
			}
			return l + r, nil
		case "*":
			n, ok := toInt(right)
			if !ok || n < 0 {
				return nil, castError(right, "System.Int32")
			}
			if int64(len(l))*n > maxText || n > maxText {
				return nil, in.unsupported(at, op, "the string is longer than 256 MiB")
			}
			return strings.Repeat(l, int(n)), nil
		}
	case char:
		if op == "+" {
			return string(rune(l)) + toString(right), nil
		}
	case *list:
		switch op {
		case "+":
			more := items(right)
			if right == nil {
				more = []any{nil}
			}
			if len(l.items)+len(more) > maxSpan {
				return nil, in.unsupported(at, op, "the array has more than 10,000,000 elements")
			}
			return newList(append(append(make([]any, 0, len(l.items)+len(more)), l.items...), more...)...), nil
		case "*":
			n, ok := toInt(right)
			if !ok || n < 0 || n*int64(len(l.items)) > maxSpan {
				return nil, castError(right, "System.Int32")
			}
			all := newList()
			for range n {
				all.items = append(all.items, l.items...)
			}
			return all, nil
		}
	case byteArray:
		if op == "+" {
			return newList(append(items(l), items(right)...)...), nil
		}
	case *hashtable:
		r, ok := right.(*hashtable)
		if op == "+" && ok {
			h := newHash()
			h.ordered = l.ordered
			for i, k := range l.keys {
				h.set(k, l.values[i])
			}
			for i, k := range r.keys {
				h.set(k, r.values[i])
			}
			return h, nil
		}
	case time.Time:
		switch r := right.(type) {
		case time.Duration:
			if op == "+" {
				return l.Add(r), nil
			}
			return l.Add(-r), nil
		case time.Time:
			if op == "-" {
				return l.Sub(r), nil
			}
		}
	case time.Duration:
		if r, ok := right.(time.Duration); ok {
			if op == "+" {
				return l + r, nil
			}
			return l - r, nil
		}
	case nil:
		if op == "+" {
			return right, nil
		}
	}
	return in.arithmetic(at, op, left, right)
}

func (in *interp) arithmetic(at pos, op string, left, right any) (any, error) {
	a, ok := toNumber(left)
	if !ok {
		return nil, in.raise(at, runtimeException, "Method invocation failed because [%s] does not contain a method named 'op_%s'.", typeOf(left), map[string]string{"+": "Addition", "-": "Subtraction", "*": "Multiply", "/": "Division", "%": "Modulus"}[op])
	}
	b, ok := toNumber(right)
	if !ok {
		return nil, castError(right, "System.Int32")
	}
	x, xInt := a.(int64)
	y, yInt := b.(int64)
	if xInt && yInt {
		switch op {
		case "+":
			if s := x + y; (s > x) == (y > 0) {
				return s, nil
			}
		case "-":
			if s := x - y; (s < x) == (y > 0) {
				return s, nil
			}
		case "*":
			if x == 0 || y == 0 {
				return int64(0), nil
			}
			if s := x * y; s/y == x && !(x == math.MinInt64 || y == math.MinInt64) {
				return s, nil
			}
		default:
			if y == 0 {
				return nil, in.raise(at, "System.DivideByZeroException", "Attempted to divide by zero.")
			}
			if op == "%" {
				return x % y, nil
			}
			if x%y == 0 {
				return x / y, nil
			}
		}
	}
	f, _ := toFloat(a)
	g, _ := toFloat(b)
	switch op {
	case "+":
		return f + g, nil
	case "-":
		return f - g, nil
	case "*":
		return f * g, nil
	case "/":
		return f / g, nil
	}
	return math.Mod(f, g), nil
}

// comparison is -eq and all like it. With an array on the left it gives those
// elements for which it holds.
func (in *interp) comparison(e *binaryExpr, left, right any) (any, error) {
	op := strings.TrimPrefix(e.op, "-")
	strict := false
	if base := op[1:]; (op[0] == 'c' || op[0] == 'i') && contains(comparisons(), "-"+base) {
		strict = op[0] == 'c'
		op = base
	}
	switch op {
	case "replace":
		return in.replace(left, right, strict)
	case "split":
		return in.split(left, right, strict)
	case "contains", "notcontains":
		return in.within(right, left, strict) == (op == "contains"), nil
	case "in", "notin":
		return in.within(left, right, strict) == (op == "in"), nil
	}
	if l, ok := left.(*list); ok {
		found := newList()
		for _, item := range l.items {
			ok, err := in.compare(e.pos, op, item, right, strict, false)
			if err != nil {
				return nil, err
			}
			if ok {
				found.items = append(found.items, item)
			}
		}
		return found, nil
	}
	return in.compare(e.pos, op, left, right, strict, true)
}

func (in *interp) within(v, all any, strict bool) bool {
	for _, item := range items(all) {
		if in.equal(item, v, strict) {
			return true
		}
	}
	return false
}

func (in *interp) compare(at pos, op string, left, right any, strict, remember bool) (bool, error) {
	switch op {
	case "eq":
		return in.equal(left, right, strict), nil
	case "ne":
		return !in.equal(left, right, strict), nil
	case "like", "notlike":
		return wildcard(toString(right), strict).MatchString(toString(left)) == (op == "like"), nil
	case "match", "notmatch":
		re, err := asRegex(right, strict)
		if err != nil {
			return false, in.located(at, err)
		}
		m := re.re.FindStringSubmatch(toString(left))
		if m != nil && remember {
			h := newHash()
			for i, name := range re.re.SubexpNames() {
				if name != "" {
					h.set(name, m[i])
				} else if m[i] != "" || i == 0 {
					h.set(int64(i), m[i])
				}
			}
			in.scope.vars["matches"] = h
		}
		return (m != nil) == (op == "match"), nil
	}
	order, err := in.order(at, left, right, strict)
	if err != nil {
		return false, err
	}
	switch op {
	case "gt":
		return order > 0, nil
	case "ge":
		return order >= 0, nil
	case "lt":
		return order < 0, nil
	}
	return order <= 0, nil
}

func asRegex(v any, strict bool) (*regex, error) {
	if r, ok := v.(*regex); ok {
		return r, nil
	}
	return newRegex(toString(v), strict)
}

// equal is -eq: the right side is turned into the left side's type.
func (in *interp) equal(left, right any, strict bool) bool {
	switch l := left.(type) {
	case nil:
		return right == nil
	case string, char, *object, fileItem, typeRef:
		if right == nil {
			return false
		}
		if strict {
			return toString(l) == toString(right)
		}
		return nt.EqualFold(toString(l), toString(right))
	case bool:
		return l == truth(right)
	case int64, float64:
		if right == nil {
			return false
		}
		n, ok := toNumber(right)
		if !ok {
			return false
		}
		a, _ := toFloat(l)
		b, _ := toFloat(n)
		return a == b
	case time.Time, time.Duration, version:
		order, err := in.order(0, left, right, strict)
		return err == nil && order == 0
	}
	if right == nil {
		return false
	}
	if strict {
		return toString(left) == toString(right)
	}
	return nt.EqualFold(toString(left), toString(right))
}

// order compares two values by the left one's type.
func (in *interp) order(at pos, left, right any, strict bool) (int, error) {
	switch l := left.(type) {
	case int64, float64, bool, nil:
		a, _ := toFloat(l)
		b, ok := toFloat(right)
		if !ok {
			return 0, castError(right, typeOf(left))
		}
		switch {
		case a < b:
			return -1, nil
		case a > b:
			return 1, nil
		}
		return 0, nil
	case time.Time:
		r, err := toTime(right)
		if err != nil {
			return 0, err
		}
		return l.Compare(r.(time.Time)), nil
	case time.Duration:
		r, err := toDuration(right)
		if err != nil {
			return 0, err
		}
		switch d := r.(time.Duration); {
		case l < d:
			return -1, nil
		case l > d:
			return 1, nil
		}
		return 0, nil
	case version:
		r, ok := right.(version)
		if !ok {
			if r, ok = parseVersion(toString(right)); !ok {
				return 0, castError(right, "System.Version")
			}
		}
		for i := range l {
			if l[i] != r[i] {
				if l[i] < r[i] {
					return -1, nil
				}
				return 1, nil
			}
		}
		return 0, nil
	}
	a, b := toString(left), toString(right)
	if order := nt.Compare(a, b); order != 0 || !strict {
		return order, nil
	}
	return -strings.Compare(a, b), nil // lower case comes first
}

func (in *interp) replace(left, right any, strict bool) (any, error) {
	args := items(right)
	with := ""
	if len(args) > 1 {
		if b, ok := args[1].(*scriptBlock); ok {
			return nil, in.unsupported(b.block.pos, "-replace", "a block as the replacement is not known without Windows")
		}
		with = toString(args[1])
	}
	if len(args) == 0 {
		return left, nil
	}
	re, err := asRegex(args[0], strict)
	if err != nil {
		return nil, err
	}
	do := func(v any) any { return re.re.ReplaceAllString(toString(v), replacement(with)) }
	if l, ok := left.(*list); ok {
		all := newList()
		for _, item := range l.items {
			all.items = append(all.items, do(item))
		}
		return all, nil
	}
	return do(left), nil
}

func (in *interp) split(left, right any, strict bool) (any, error) {
	args := items(right)
	if len(args) == 0 {
		return left, nil
	}
	limit := int64(-1)
	if len(args) > 1 {
		if n, ok := toInt(args[1]); ok && n > 0 {
			limit = n
		}
	}
	var re *regex
	var err error
	if len(args) > 2 && strings.EqualFold(toString(args[2]), "SimpleMatch") {
		re, err = newRegex(escapeRegex(toString(args[0])), strict)
	} else {
		re, err = asRegex(args[0], strict)
	}
	if err != nil {
		return nil, err
	}
	all := newList()
	for _, item := range items(left) {
		for _, part := range re.re.Split(toString(item), int(limit)) {
			all.items = append(all.items, part)
		}
	}
	return all, nil
}

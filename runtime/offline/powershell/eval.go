package powershell

import (
	"errors"
	"strings"
)

// statements runs a list.
func (in *interp) statements(list []statement, out sink) error {
	for _, s := range list {
		if err := in.guarded(s, out); err != nil {
			return err
		}
	}
	return nil
}

func (in *interp) statement(s statement, out sink) error {
	if err := in.step(s.at()); err != nil {
		return err
	}
	switch s := s.(type) {
	case *pipeline:
		return in.pipeline(s, out)
	case *assignStmt:
		return in.assignment(s)
	case *ifStmt:
		for _, c := range s.clauses {
			v, err := in.value(c.test)
			if err != nil {
				return err
			}
			if truth(v) {
				return in.statements(c.body, out)
			}
		}
		return in.statements(s.other, out)
	case *whileStmt:
		return in.while(s, out)
	case *forStmt:
		return in.forLoop(s, out)
	case *foreachStmt:
		return in.foreach(s, out)
	case *switchStmt:
		return in.switchOn(s, out)
	case *functionStmt:
		if in.scope.functions == nil {
			in.scope.functions = map[string]*function{}
		}
		in.scope.functions[strings.ToLower(s.name)] = &function{s.name, s.body, in.src, s.filter}
		return nil
	case *tryStmt:
		return in.try(s, out)
	case *flowStmt:
		return in.flow(s, out)
	case *chain:
		if err := in.statement(s.left, out); err != nil {
			return err
		}
		if in.ok == (s.op == "&&") {
			return in.statement(s.right, out)
		}
		return nil
	}
	return in.unsupported(s.at(), "statement", "it is not known without Windows")
}

// value runs a statement and takes all it puts out as one value.
func (in *interp) value(s statement) (any, error) {
	// An expression by itself keeps what it is: an array of one stays an array.
	if p, ok := s.(*pipeline); ok && len(p.elements) == 1 {
		if e, ok := p.elements[0].(*expressionElement); ok && len(e.redirs) == 0 {
			return in.eval(e.expr)
		}
	}
	all, err := in.collect(func(out sink) error { return in.statement(s, out) })
	return single(all), err
}

// collect gathers what run puts out.
func (in *interp) collect(run func(out sink) error) (all []any, err error) {
	err = run(func(v any) error { all = append(all, v); return nil })
	return all, err
}

// loop runs the body of a loop once; more is false when the loop ends.
func (in *interp) turn(body []statement, label string, out sink) (more bool, err error) {
	err = in.statements(body, out)
	var f *flow
	if errors.As(err, &f) && f.word != "return" && (f.label == "" || strings.EqualFold(f.label, label)) {
		return f.word == "continue", nil
	}
	return err == nil, err
}

func (in *interp) while(s *whileStmt, out sink) error {
	for first := true; ; first = false {
		if err := in.step(s.pos); err != nil {
			return err
		}
		if !s.after || !first {
			v, err := in.value(s.test)
			if err != nil {
				return err
			}
			if truth(v) == s.till {
				return nil
			}
		}
		if more, err := in.turn(s.body, s.label, out); err != nil || !more {
			return err
		}
	}
}

func (in *interp) forLoop(s *forStmt, out sink) error {
	if s.init != nil {
		if err := in.statement(s.init, discard); err != nil {
			return err
		}
	}
	for {
		if err := in.step(s.pos); err != nil {
			return err
		}
		if s.test != nil {
			v, err := in.value(s.test)
			if err != nil {
				return err
			}
			if !truth(v) {
				return nil
			}
		}
		if more, err := in.turn(s.body, s.label, out); err != nil || !more {
			return err
		}
		if s.step != nil {
			if err := in.statement(s.step, discard); err != nil {
				return err
			}
		}
	}
}

func (in *interp) foreach(s *foreachStmt, out sink) error {
	v, err := in.value(s.over)
	if err != nil {
		return err
	}
	for _, item := range append([]any(nil), items(v)...) {
		if err := in.set(s.name, item); err != nil {
			return err
		}
		if more, err := in.turn(s.body, s.label, out); err != nil || !more {
			return err
		}
	}
	return nil
}

func (in *interp) switchOn(s *switchStmt, out sink) error {
	v, err := in.value(s.over)
	if err != nil {
		return err
	}
	old := in.scope.vars["_"]
	defer func() { in.scope.vars["_"] = old }()
	values := items(v)
	if v == nil {
		values = []any{nil}
	}
	for _, item := range values {
		in.scope.vars["_"] = item
		matched := false
		for _, c := range s.cases {
			ok, err := in.caseMatches(s, c.test, item)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			matched = true
			err = in.statements(c.body, out)
			var f *flow
			if errors.As(err, &f) && f.word != "return" && (f.label == "" || strings.EqualFold(f.label, s.label)) {
				if f.word == "break" {
					return nil
				}
				break
			}
			if err != nil {
				return err
			}
		}
		if matched {
			continue
		}
		if more, err := in.turn(s.other, s.label, out); err != nil || !more {
			return err
		}
	}
	return nil
}

func (in *interp) caseMatches(s *switchStmt, test expression, item any) (bool, error) {
	if b, ok := test.(*blockExpr); ok {
		all, err := in.collect(func(out sink) error { return in.statements(b.body.body, out) })
		return truth(single(all)), err
	}
	v, err := in.eval(test)
	if err != nil {
		return false, err
	}
	op := "-eq"
	switch {
	case s.regex:
		op = "-match"
	case s.wildcard:
		op = "-like"
	}
	if s.strict {
		op = "-c" + op[1:]
	}
	if op == "-eq" || op == "-ceq" {
		// The case's type decides, as it stands on the left.
		return in.equal(v, item, s.strict) || in.equal(item, v, s.strict), nil
	}
	result, err := in.binary(&binaryExpr{pos: test.at(), op: op, left: &constantExpr{test.at(), item}, right: &constantExpr{test.at(), v}})
	return truth(result), err
}

func (in *interp) flow(s *flowStmt, out sink) error {
	var v any
	if s.value != nil && s.word != "break" && s.word != "continue" {
		if s.word == "return" {
			if err := in.statement(s.value, out); err != nil {
				return err
			}
			return &flow{word: "return"}
		}
		var err error
		if v, err = in.value(s.value); err != nil {
			return err
		}
	}
	switch s.word {
	case "return":
		return &flow{word: "return"}
	case "exit":
		code := uint32(0)
		if n, ok := toInt(v); ok {
			code = uint32(n)
		}
		return &exitError{code}
	case "throw":
		return in.throw(s.pos, v)
	}
	label := ""
	if s.value != nil {
		if p, ok := s.value.(*pipeline); ok && len(p.elements) == 1 {
			if c, ok := p.elements[0].(*command); ok {
				if name, ok := c.name.(*constantExpr); ok {
					label = toString(name.value)
				}
			}
		}
	}
	return &flow{s.word, label}
}

// throw makes an error of whatever a script throws.
func (in *interp) throw(at pos, v any) error {
	switch v := v.(type) {
	case *errorRecord:
		return &thrown{v, true}
	case *object:
		if message, ok := v.props.get("Message"); ok && strings.HasSuffix(v.kind, "Exception") {
			return &thrown{&errorRecord{message: toString(message), kind: v.kind, id: toString(message), value: v, at: at, s: in.src}, true}
		}
	case nil:
		if current, ok := in.scope.vars["_"].(*errorRecord); ok {
			return &thrown{current, true}
		}
		return &thrown{&errorRecord{message: "ScriptHalted", kind: runtimeException, id: "ScriptHalted", at: at, s: in.src}, true}
	}
	return &thrown{&errorRecord{message: toString(v), kind: runtimeException, id: toString(v), value: v, at: at, s: in.src}, true}
}

func (in *interp) try(s *tryStmt, out sink) (err error) {
	if s.finally != nil {
		defer func() {
			if ferr := in.statements(s.finally, out); ferr != nil {
				err = ferr
			}
		}()
	}
	// In a try an error that ends a statement ends the block.
	in.trying++
	err = in.statements(s.body, out)
	in.trying--
	t, ok := asThrown(err)
	if !ok {
		return err
	}
	for _, c := range s.catches {
		if !caught(c.types, t.record) {
			continue
		}
		in.remember(t.record)
		old, had := in.scope.vars["_"]
		in.scope.vars["_"] = t.record
		err := in.statements(c.body, out)
		if had {
			in.scope.vars["_"] = old
		} else {
			delete(in.scope.vars, "_")
		}
		return err
	}
	return err
}

// caught reports whether a catch names the type of an error.
func caught(types []*typeName, e *errorRecord) bool {
	if len(types) == 0 {
		return true
	}
	kind := strings.TrimPrefix(strings.ToLower(e.kind), "system.")
	for _, t := range types {
		switch {
		case t.name == kind, t.name == "exception", t.name == "systemexception":
			return true
		case t.name == "io.ioexception" && strings.HasPrefix(kind, "io."):
			return true
		case t.name == "management.automation.runtimeexception" && strings.HasPrefix(kind, "management.automation."):
			return true
		}
	}
	return false
}

func (in *interp) assignment(s *assignStmt) error {
	v, err := in.value(s.value)
	if err != nil {
		return err
	}
	if s.op != "=" {
		old, err := in.eval(s.target)
		if err != nil {
			return err
		}
		if s.op == "??=" {
			if old != nil {
				return nil
			}
		} else if v, err = in.apply(s.pos, s.op[:1], old, v); err != nil {
			return err
		}
	}
	in.ok = true
	return in.assign(s.target, v)
}

func (in *interp) assign(target expression, v any) error {
	switch t := target.(type) {
	case *variableExpr:
		return in.set(t, v)
	case *castExpr:
		c, err := in.cast(v, t.kind)
		if err != nil {
			return err
		}
		return in.assign(t.value, c)
	case *memberExpr:
		return in.setMember(t, v)
	case *indexExpr:
		return in.setIndex(t, v)
	case *arrayExpr:
		values := items(v)
		for i, item := range t.items {
			var one any
			if i < len(values) {
				one = values[i]
			}
			if i == len(t.items)-1 && len(values) > len(t.items) {
				one = newList(values[i:]...)
			}
			if err := in.assign(item, one); err != nil {
				return err
			}
		}
		return nil
	}
	return in.unsupported(target.at(), "assignment", "this cannot be assigned to")
}

// eval is the value of an expression.
func (in *interp) eval(e expression) (any, error) {
	v, err := in.evalRaw(e)
	if _, void := v.(nothing); void {
		v = nil
	}
	return v, err
}

// evalRaw tells a method without a result from one whose result is null.
func (in *interp) evalRaw(e expression) (any, error) {
	switch e := e.(type) {
	case *constantExpr:
		return e.value, nil
	case *expandExpr:
		var b strings.Builder
		for _, part := range e.parts {
			v, err := in.eval(part)
			if err != nil {
				return nil, err
			}
			b.WriteString(toString(v))
			if b.Len() > maxText {
				return nil, in.unsupported(e.pos, "string", "it is longer than 256 MiB")
			}
		}
		return b.String(), nil
	case *variableExpr:
		return in.lookup(e)
	case *typeExpr:
		return typeRef{e.kind.name}, nil
	case *castExpr:
		v, err := in.eval(e.value)
		if err != nil {
			return nil, err
		}
		c, err := in.cast(v, e.kind)
		return c, in.located(e.pos, err)
	case *unaryExpr:
		return in.unary(e)
	case *postfixExpr:
		return in.increment(e)
	case *binaryExpr:
		v, err := in.binary(e)
		return v, in.located(e.pos, err)
	case *arrayExpr:
		l := newList()
		for _, item := range e.items {
			v, err := in.eval(item)
			if err != nil {
				return nil, err
			}
			l.items = append(l.items, v)
		}
		return l, nil
	case *memberExpr:
		v, err := in.member(e)
		return v, in.located(e.pos, err)
	case *indexExpr:
		return in.index(e)
	case *parenExpr:
		return in.value(e.body)
	case *subExpr:
		all, err := in.collect(func(out sink) error {
			for _, s := range e.body {
				if err := in.guarded(s, out); err != nil {
					return err
				}
			}
			return nil
		})
		if e.array {
			return newList(all...), err
		}
		return single(all), err
	case *hashExpr:
		h := newHash()
		h.ordered = e.order
		for i, k := range e.keys {
			key, err := in.eval(k)
			if err != nil {
				return nil, err
			}
			v, err := in.value(e.values[i])
			if err != nil {
				return nil, err
			}
			h.set(key, v)
		}
		return h, nil
	case *blockExpr:
		return &scriptBlock{e.body, in.src}, nil
	}
	return nil, in.unsupported(e.at(), "expression", "it is not known without Windows")
}

// maxText bounds a string and a file that is read as one.
const maxText = 256 << 20

// located gives an error of a conversion the place where it came up.
func (in *interp) located(at pos, err error) error {
	if t, ok := asThrown(err); ok && t.record.s == nil {
		t.record.at, t.record.s = at, in.src
	}
	var r *unsupportedRegex
	if errors.As(err, &r) {
		return in.unsupported(at, r.text, r.Error())
	}
	return err
}

func (in *interp) increment(e *postfixExpr) (any, error) {
	old, err := in.eval(e.value)
	if err != nil {
		return nil, err
	}
	if old == nil {
		old = int64(0)
	}
	v, err := in.apply(e.pos, e.op[:1], old, int64(1))
	if err != nil {
		return nil, err
	}
	if err := in.assign(e.value, v); err != nil {
		return nil, err
	}
	if e.before {
		return v, nil
	}
	return old, nil
}

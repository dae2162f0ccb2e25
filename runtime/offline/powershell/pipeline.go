package powershell

import (
	"errors"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// nothing is what a method without a result gives. In an expression it is null; in
// a pipeline it is not even that.
type nothing struct{}

// stage is a command in a pipeline at work.
type stage struct {
	process func(v any) error
	end     func() error
}

// arg is an argument with its value.
type arg struct {
	pos
	name  string // of a parameter, "" for a value
	value any
	bare  bool // a word without quotes
	alone bool // a parameter whose value, if it has any, is the next argument
}

// pipeline runs commands that hand their output on object by object.
func (in *interp) pipeline(p *pipeline, out sink) error {
	if len(p.elements) == 1 {
		if e, ok := p.elements[0].(*expressionElement); ok {
			return in.expressionElement(e, out)
		}
	}
	stages := make([]*stage, len(p.elements))
	next := func(i int) sink {
		if i+1 == len(stages) {
			return out
		}
		return func(v any) error { return stages[i+1].process(v) }
	}
	start := 0
	if _, ok := p.elements[0].(*expressionElement); ok {
		start = 1
	}
	for i := start; i < len(stages); i++ {
		var err error
		if stages[i], err = in.stage(p.elements[i].(*command), i, next(i)); err != nil {
			in.ok = false
			return err
		}
	}
	in.ok = true
	if start == 1 {
		if err := in.expressionElement(p.elements[0].(*expressionElement), next(0)); err != nil {
			return err
		}
	}
	for _, st := range stages[start:] {
		if err := st.end(); err != nil {
			return err
		}
	}
	return nil
}

func (in *interp) expressionElement(e *expressionElement, out sink) error {
	undo, out, done, err := in.redirect(e.redirs, out)
	if err != nil {
		return err
	}
	defer undo()
	if _, ok := e.expr.(*postfixExpr); ok {
		_, err := in.eval(e.expr)
		return err
	}
	var v any
	if p, ok := e.expr.(*parenExpr); ok {
		// What brackets hold is handed on as it is, with its success.
		v, err = in.value(p.body)
	} else {
		v, err = in.evalRaw(e.expr)
		in.ok = err == nil
	}
	if err != nil {
		return err
	}
	if err := emit(v, out); err != nil {
		return err
	}
	return done()
}

// emit puts out a value, a list element by element.
func emit(v any, out sink) error {
	switch v := v.(type) {
	case nothing:
		return nil
	case nil:
		return out(nil)
	case *list:
		for _, item := range append([]any(nil), v.items...) {
			if err := out(item); err != nil {
				return err
			}
		}
		return nil
	case byteArray:
		for _, b := range v {
			if err := out(int64(b)); err != nil {
				return err
			}
		}
		return nil
	case *matches:
		for _, m := range v.all {
			if err := out(m); err != nil {
				return err
			}
		}
		return nil
	}
	return out(v)
}

// arguments evaluates those of a command.
func (in *interp) arguments(list []argument) ([]arg, error) {
	var args []arg
	for _, a := range list {
		if a.value == nil {
			args = append(args, arg{pos: a.pos, name: a.name, alone: true})
			continue
		}
		v, err := in.eval(a.value)
		if err != nil {
			return nil, err
		}
		if !a.splat {
			args = append(args, arg{pos: a.pos, name: a.name, value: v, bare: a.bare})
			continue
		}
		if h, ok := v.(*hashtable); ok {
			for i, k := range h.keys {
				args = append(args, arg{pos: a.pos, name: toString(k), value: h.values[i]})
			}
			continue
		}
		for _, item := range items(v) {
			args = append(args, arg{pos: a.pos, value: item})
		}
	}
	return args, nil
}

// stage makes a command ready to run as the i-th of its pipeline.
func (in *interp) stage(c *command, i int, out sink) (*stage, error) {
	if err := in.step(c.pos); err != nil {
		return nil, err
	}
	name, err := in.eval(c.name)
	if err != nil {
		return nil, err
	}
	args, err := in.arguments(c.args)
	if err != nil {
		return nil, err
	}
	undo, to, done, err := in.redirect(c.redirs, out)
	if err != nil {
		return nil, err
	}
	redirected := in.streams
	undo() // the redirections hold only while the command itself runs
	st, err := in.resolve(c, name, args, i, to)
	if err != nil || len(c.redirs) == 0 {
		return st, err
	}
	within := func(run func() error) error {
		old := in.streams
		in.streams = redirected
		defer func() { in.streams = old }()
		return run()
	}
	return &stage{
		process: func(v any) error { return within(func() error { return st.process(v) }) },
		end: func() error {
			if err := within(st.end); err != nil {
				return err
			}
			return done()
		},
	}, nil
}

// resolve finds what a command's name means: a script block, an alias, a function,
// a cmdlet, a script or a program, in this order.
func (in *interp) resolve(c *command, name any, args []arg, i int, out sink) (*stage, error) {
	if b, ok := name.(*scriptBlock); ok {
		return in.blockStage(b, args, out, c.operator != "."), nil
	}
	if o, ok := name.(*object); ok && o.kind == commandInfo {
		name, _ = o.props.get("Name")
	}
	text := toString(name)
	if text == "" {
		return nil, in.raise(c.pos, runtimeException, "The expression after '&' in a pipeline element produced an object that was not valid.")
	}
	if full, ok := in.alias(text); ok {
		text = full
	}
	if f := in.function(text); f != nil {
		return in.functionStage(c, f, args, out, c.operator != "."), nil
	}
	if def := findCmdlet(text); def != nil {
		return in.cmdletStage(c, def, args, i, out)
	}
	if why := elsewhere(text); why != "" {
		return nil, in.unsupported(c.pos, c.text, text+" "+why)
	}
	return in.programStage(c, text, args, out)
}

// streams says where the streams other than the output go; nil is the console.
type streams struct {
	err, warning, verbose, debug, info sink
}

// redirect applies redirections until undo is called. to takes the place of out;
// done ends the files that were written to.
func (in *interp) redirect(list []redirection, out sink) (undo func(), to sink, done func() error, err error) {
	old := in.streams
	undo = func() { in.streams = old }
	to, done = out, func() error { return nil }
	for _, r := range list {
		var target sink
		switch r.op {
		case ">&1":
			target = out
		case ">&2":
			target = func(v any) error { in.p.Complain("%s", toString(v)); return nil }
		default:
			v, err := in.eval(r.target)
			if err != nil {
				return undo, nil, nil, err
			}
			if v == nil {
				target = discard
				break
			}
			file := &outFile{in: in, at: r.pos, path: toString(v), appending: r.op == ">>"}
			target = file.add
			before := done
			done = func() error { return errors.Join(before(), file.close()) }
		}
		switch r.stream {
		case "1":
			to = target
		case "2":
			in.streams.err = target
		case "3":
			in.streams.warning = target
		case "4":
			in.streams.verbose = target
		case "5":
			in.streams.debug = target
		case "6":
			in.streams.info = target
		case "*":
			to = target
			in.streams = streams{target, target, target, target, target}
		}
	}
	return undo, to, done, nil
}

// blockStage runs a script block, in a scope of its own if fresh is set.
func (in *interp) blockStage(b *scriptBlock, args []arg, out sink, fresh bool) *stage {
	return in.functionStage(&command{pos: b.block.pos}, &function{name: "", block: b.block, s: b.s}, args, out, fresh)
}

// functionStage runs a function: begin, process for each object, end.
func (in *interp) functionStage(c *command, f *function, args []arg, out sink, fresh bool) *stage {
	var sc *scope
	var input []any
	var param *parameter
	for _, p := range f.block.params {
		if p.pipeline {
			param = p
		}
	}
	got := false
	enter := func(run func() error) error {
		up, err := in.deeper(c.pos)
		if err != nil {
			return err
		}
		defer up()
		oldScope, oldSource := in.scope, in.src
		defer func() { in.scope, in.src = oldScope, oldSource }()
		if sc == nil {
			sc = in.scope
			if fresh {
				sc = newScope(in.scope)
			}
			in.scope, in.src = sc, f.s
			if err := in.bindFunction(c, f, args); err != nil {
				return err
			}
			if f.block.named {
				if err := in.body(f.block, f.block.begin, out); err != nil {
					return err
				}
			}
		}
		in.scope, in.src = sc, f.s
		err = run()
		var fl *flow
		if errors.As(err, &fl) && fl.word == "return" {
			return nil
		}
		return err
	}
	each := func(v any, have bool) error {
		if have {
			sc.vars["_"] = v
			if param != nil {
				value := v
				if param.kind != nil {
					var err error
					if value, err = in.cast(v, param.kind); err != nil {
						return err
					}
				}
				sc.vars[strings.ToLower(param.name)] = value
			}
		}
		err := in.body(f.block, f.block.body, out)
		var fl *flow
		if errors.As(err, &fl) && fl.word == "return" {
			return nil
		}
		return err
	}
	return &stage{
		process: func(v any) error {
			got = true
			if f.block.inEach || f.each {
				return enter(func() error { return each(v, true) })
			}
			input = append(input, v)
			return nil
		},
		end: func() error {
			return enter(func() error {
				switch {
				case f.block.inEach:
					if !got {
						if err := each(nil, false); err != nil {
							return err
						}
					}
				case f.each:
					return nil
				case !f.block.named:
					sc.vars["input"] = newList(input...)
					if param != nil && len(input) > 0 {
						return each(input[len(input)-1], true)
					}
					return in.body(f.block, f.block.body, out)
				}
				return in.body(f.block, f.block.end, out)
			})
		},
	}
}

// body runs statements of a block with its traps.
func (in *interp) body(b *block, list []statement, out sink) error {
	for _, s := range list {
		err := in.guarded(s, out)
		t, ok := asThrown(err)
		if !ok {
			if err != nil {
				return err
			}
			continue
		}
		trap := trapOf(b, t.record)
		if trap == nil {
			return err
		}
		old := in.scope.vars["_"]
		in.scope.vars["_"] = t.record
		in.remember(t.record)
		err = in.statements(trap.body, out)
		in.scope.vars["_"] = old
		var fl *flow
		switch {
		case errors.As(err, &fl) && fl.word == "continue":
		case errors.As(err, &fl) && fl.word == "break":
			return t
		case err != nil:
			return err
		default:
			in.showError(t.record)
		}
	}
	return nil
}

func trapOf(b *block, e *errorRecord) *trapStmt {
	for _, t := range b.traps {
		if t.kind == nil || caught([]*typeName{t.kind}, e) {
			return t
		}
	}
	return nil
}

// guarded runs a statement. An error that ends only the statement is shown, and
// the next one follows, unless a try or $ErrorActionPreference wants it otherwise.
func (in *interp) guarded(s statement, out sink) error {
	err := in.statement(s, out)
	t, ok := asThrown(err)
	if !ok || t.final || in.trying > 0 {
		return err
	}
	return in.report(t.record, "")
}

// invokeBlock runs a block for its values, with $_ set if each.
func (in *interp) invokeBlock(b *scriptBlock, each bool, item any, args ...any) ([]any, error) {
	return in.collect(func(out sink) error { return in.blockInto(b, each, item, out, args...) })
}

// blockInto runs a block in the scope around it, as ForEach-Object and its like do.
func (in *interp) blockInto(b *scriptBlock, each bool, item any, out sink, args ...any) error {
	if each && len(b.block.params) == 0 && !b.block.named {
		old, had := in.scope.vars["_"]
		in.scope.vars["_"] = item
		oldSource := in.src
		in.src = b.s
		err := in.body(b.block, b.block.body, out)
		in.src = oldSource
		if had {
			in.scope.vars["_"] = old
		} else {
			delete(in.scope.vars, "_")
		}
		var fl *flow
		if errors.As(err, &fl) && fl.word == "return" {
			return nil
		}
		return err
	}
	var list []arg
	for _, a := range args {
		list = append(list, arg{pos: b.block.pos, value: a})
	}
	st := in.blockStage(b, list, out, true)
	if each {
		if err := st.process(item); err != nil {
			return err
		}
	}
	return st.end()
}

// bindFunction gives the parameters of a function their values; what is left over
// becomes $args.
func (in *interp) bindFunction(c *command, f *function, args []arg) error {
	params := f.block.params
	bound := map[*parameter]any{}
	var rest []any
	var values []arg
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a.name == "" {
			values = append(values, a)
			continue
		}
		p, err := in.parameterNamed(c, f, a)
		if err != nil {
			return err
		}
		if p == nil {
			strict := f.block.strict || hasAttributes(params)
			if strict && commonParameter(a.name) {
				value := a.value
				if a.alone && common[strings.ToLower(a.name)] && i+1 < len(args) && args[i+1].name == "" {
					i++
					value = args[i].value
				}
				switch strings.ToLower(a.name) {
				case "erroraction", "ea":
					in.scope.vars["erroractionpreference"] = value
				case "verbose", "vb":
					in.scope.vars["verbosepreference"] = "Continue"
				}
				continue
			}
			if strict {
				return in.raise(a.pos, "System.Management.Automation.ParameterBindingException", "A parameter cannot be found that matches parameter name '%s'.", a.name)
			}
			values = append(values, arg{pos: a.pos, value: "-" + a.name})
			if !a.alone {
				values = append(values, arg{pos: a.pos, value: a.value})
			}
			continue
		}
		value := a.value
		switch {
		case a.alone && isSwitch(p):
			value = true
		case a.alone:
			if i++; i >= len(args) || args[i].alone && args[i].name != "" {
				return in.raise(a.pos, "System.Management.Automation.ParameterBindingException", "Missing an argument for parameter '%s'.", p.name)
			}
			value = args[i].value
		}
		bound[p] = value
	}
	for _, p := range params {
		if _, ok := bound[p]; ok || isSwitch(p) || len(values) == 0 {
			continue
		}
		bound[p] = values[0].value
		values = values[1:]
	}
	for _, v := range values {
		rest = append(rest, v.value)
	}
	if len(rest) > 0 && (f.block.strict || hasAttributes(params)) {
		return in.raise(c.pos, "System.Management.Automation.ParameterBindingException", "A positional parameter cannot be found that accepts argument '%s'.", toString(rest[0]))
	}
	in.scope.vars["args"] = newList(rest...)
	names := newHash()
	for _, p := range params {
		value, ok := bound[p]
		var err error
		switch {
		case ok:
			names.set(p.name, value)
		case p.value != nil:
			if value, err = in.eval(p.value); err != nil {
				return err
			}
		case p.mandatory && !p.pipeline:
			return in.raise(c.pos, "System.Management.Automation.ParameterBindingException", "Cannot process command because of one or more missing mandatory parameters: %s.", p.name)
		}
		if p.kind != nil && (ok || p.value != nil || value == nil && defaultsOf(p.kind)) {
			if value, err = in.cast(value, p.kind); err != nil {
				return in.located(c.pos, err)
			}
		}
		if ok && len(p.set) > 0 {
			if err := in.inSet(c, p, value); err != nil {
				return err
			}
		}
		in.scope.vars[strings.ToLower(p.name)] = value
	}
	in.scope.vars["psboundparameters"] = names
	return nil
}

func (in *interp) inSet(c *command, p *parameter, value any) error {
	for _, e := range p.set {
		v, err := in.eval(e)
		if err != nil {
			return err
		}
		if in.equal(v, value, false) {
			return nil
		}
	}
	return in.raise(c.pos, "System.Management.Automation.ParameterBindingException", "Cannot validate argument on parameter '%s'. The argument \"%s\" does not belong to the set of the ValidateSet attribute.", p.name, toString(value))
}

// defaultsOf tells types whose parameters are never null.
func defaultsOf(t *typeName) bool {
	_, number := ranges[t.name]
	return !t.list && (number || t.name == "bool" || t.name == "switch" || t.name == "string" || t.name == "double")
}

func hasAttributes(params []*parameter) bool {
	for _, p := range params {
		if p.mandatory || p.pipeline {
			return true
		}
	}
	return false
}

func isSwitch(p *parameter) bool {
	return p.kind != nil && (p.kind.name == "switch" || p.kind.name == "management.automation.switchparameter")
}

// parameterNamed finds a parameter by its name, an alias or the start of one.
func (in *interp) parameterNamed(c *command, f *function, a arg) (*parameter, error) {
	var found []*parameter
	for _, p := range f.block.params {
		for _, name := range append([]string{p.name}, p.aliases...) {
			if nt.EqualFold(name, a.name) {
				return p, nil
			}
			if len(name) > len(a.name) && nt.EqualFold(name[:len(a.name)], a.name) {
				found = append(found, p)
				break
			}
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, in.raise(a.pos, "System.Management.Automation.ParameterBindingException", "Parameter cannot be processed because the parameter name '%s' is ambiguous.", a.name)
}

// showError prints an error, or hands it to where the error stream goes.
func (in *interp) showError(e *errorRecord) {
	if in.streams.err != nil {
		_ = in.streams.err(e) // what 2>&1 leads to is a collection or a file that close reports on
		return
	}
	in.show(e)
}

package powershell

import (
	"context"
	"errors"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// Need is something in a script that the interpreter does not carry out itself.
type Need struct {
	Program string // the command line of a program as far as it is known before the script runs; "" for anything else
	Command string // as written
	Why     string // what is not known
}

// Explain looks through a script that powershell.exe, or with core pwsh.exe, gets
// with these arguments, without running it. What depends on values, such as the
// method of a variable, it cannot see.
func Explain(args []string, core bool) []Need {
	h, why := hostArguments(args, core)
	if why != "" {
		return []Need{{Command: "powershell " + strings.Join(args, " "), Why: why}}
	}
	if h.file != "" {
		return []Need{{Program: h.file, Command: h.file}}
	}
	body, err := parse(h.command)
	if err != nil {
		return []Need{{Command: shorten(h.command), Why: err.Error()}}
	}
	in := &interp{ctx: context.Background(), p: &proc.Process{Env: nt.NewEnv()}, core: core, errors: &list{}, clock: &clock{}, scope: newScope(nil), src: &source{text: h.command}}
	e := &explainer{in: in, functions: map[string]bool{}}
	e.statements(body.begin, body.body, body.end)
	for _, t := range body.traps {
		e.statement(t)
	}
	var found []Need
	for _, n := range e.found {
		if n.Program == "" || !e.functions[strings.ToLower(strings.Fields(n.Program + " ")[0])] {
			found = append(found, n)
		}
	}
	return found
}

// explainer walks a tree.
type explainer struct {
	in        *interp
	functions map[string]bool
	found     []Need
}

func (e *explainer) unknown(err error) {
	var u *proc.Unsupported
	if errors.As(err, &u) {
		e.found = append(e.found, Need{Command: u.Command, Why: u.Why})
	}
}

func (e *explainer) statements(lists ...[]statement) {
	for _, l := range lists {
		for _, s := range l {
			e.statement(s)
		}
	}
}

func (e *explainer) block(b *block) {
	for _, p := range b.params {
		e.expression(p.value)
	}
	e.statements(b.begin, b.body, b.end)
	for _, t := range b.traps {
		e.statement(t)
	}
}

func (e *explainer) statement(s statement) {
	switch s := s.(type) {
	case nil:
	case *ifStmt:
		for _, c := range s.clauses {
			e.statement(c.test)
			e.statements(c.body)
		}
		e.statements(s.other)
	case *whileStmt:
		e.statement(s.test)
		e.statements(s.body)
	case *forStmt:
		for _, part := range []statement{s.init, s.test, s.step} {
			e.statement(part)
		}
		e.statements(s.body)
	case *foreachStmt:
		e.statement(s.over)
		e.statements(s.body)
	case *switchStmt:
		e.statement(s.over)
		for _, c := range s.cases {
			e.expression(c.test)
			e.statements(c.body)
		}
		e.statements(s.other)
	case *functionStmt:
		e.functions[strings.ToLower(s.name)] = true
		e.block(s.body)
	case *tryStmt:
		e.statements(s.body)
		for _, c := range s.catches {
			e.statements(c.body)
		}
		e.statements(s.finally)
	case *trapStmt:
		e.statements(s.body)
	case *flowStmt:
		if s.word != "break" && s.word != "continue" {
			e.statement(s.value)
		}
	case *assignStmt:
		e.expression(s.target)
		e.statement(s.value)
	case *chain:
		e.statement(s.left)
		e.statement(s.right)
	case *pipeline:
		for _, el := range s.elements {
			switch el := el.(type) {
			case *expressionElement:
				e.expression(el.expr)
				e.redirections(el.redirs)
			case *command:
				e.command(el)
			}
		}
	}
}

func (e *explainer) redirections(list []redirection) {
	for _, r := range list {
		e.expression(r.target)
	}
}

func (e *explainer) expressions(list []expression) {
	for _, x := range list {
		e.expression(x)
	}
}

func (e *explainer) expression(x expression) {
	switch x := x.(type) {
	case nil:
	case *expandExpr:
		e.expressions(x.parts)
	case *variableExpr:
		_, err := e.in.lookup(x)
		e.unknown(err)
	case *castExpr:
		_, err := e.in.cast(nil, x.kind)
		e.unknown(err)
		e.expression(x.value)
	case *unaryExpr:
		e.expression(x.value)
	case *postfixExpr:
		e.expression(x.value)
	case *binaryExpr:
		e.expression(x.left)
		e.expression(x.right)
	case *arrayExpr:
		e.expressions(x.items)
	case *memberExpr:
		e.member(x)
	case *indexExpr:
		e.expression(x.on)
		e.expression(x.index)
	case *parenExpr:
		e.statement(x.body)
	case *subExpr:
		e.statements(x.body)
	case *hashExpr:
		e.expressions(x.keys)
		e.statements(x.values)
	case *blockExpr:
		e.block(x.body)
	}
}

// member looks at [type]::name; what a method is of is known only when it runs.
func (e *explainer) member(m *memberExpr) {
	e.expression(m.on)
	e.expression(m.name)
	e.expressions(m.args)
	t, ok := m.on.(*typeExpr)
	name, constant := m.name.(*constantExpr)
	if !m.static || !ok || !constant {
		return
	}
	if knownStatic(t.kind.name, toString(name.value), m.call) {
		return
	}
	e.unknown(e.in.unsupported(m.pos, "["+t.kind.text+"]::"+toString(name.value), "this is not known without Windows"))
}

func (e *explainer) command(c *command) {
	for _, a := range c.args {
		e.expression(a.value)
	}
	e.redirections(c.redirs)
	constant, ok := c.name.(*constantExpr)
	if !ok {
		if _, block := c.name.(*blockExpr); block {
			e.expression(c.name)
			return
		}
		e.found = append(e.found, Need{Program: c.text, Command: c.text})
		return
	}
	name := toString(constant.value)
	full := name
	if f, ok := e.in.alias(name); ok {
		full = f
	}
	def := findCmdlet(full)
	switch {
	case def != nil:
		e.cmdlet(c, def)
	case e.functions[strings.ToLower(full)]:
	case elsewhere(full) != "":
		e.unknown(e.in.unsupported(c.pos, c.text, full+" "+elsewhere(full)))
	default:
		e.found = append(e.found, Need{Program: strings.TrimLeft(c.text, "&. "), Command: c.text})
	}
}

// cmdlet looks at the parameters of a call, and at what the calls of some start.
func (e *explainer) cmdlet(c *command, def *cmdlet) {
	k := &call{in: e.in, at: c.pos, text: c.text, def: def, args: map[string]any{}, piped: true}
	var args []arg
	for _, a := range c.args {
		if a.splat {
			continue
		}
		value, ok := a.value.(*constantExpr)
		one := arg{pos: a.pos, name: a.name, alone: a.value == nil, bare: a.bare}
		if one.value = any(unseen{}); ok {
			one.value = value.value
		} else if l, ok := a.value.(*arrayExpr); ok {
			var words []any
			for _, item := range l.items {
				if w, ok := item.(*constantExpr); ok {
					words = append(words, toString(w.value))
				}
			}
			one.value = newList(words...)
		}
		args = append(args, one)
	}
	e.unknown(k.bind(args))
	switch def.name {
	case "Start-Process":
		if s, ok := k.args["FilePath"].(string); ok {
			if strings.EqualFold(extension(s), ".msi") {
				s = "msiexec /i " + s
			}
			e.found = append(e.found, Need{Program: strings.TrimSpace(s + " " + strings.Join(k.strs("ArgumentList"), " ")), Command: c.text})
		}
	case "Invoke-Expression":
		e.unknown(e.in.unsupported(c.pos, c.text, "what it evaluates is known only when it runs"))
	case "New-Object":
		if k.has("ComObject") {
			e.unknown(def.run(k))
		} else if s, ok := k.args["TypeName"].(string); ok && !strings.HasSuffix(strings.ToLower(s), "info") { // that of a file needs the file
			_, err := e.in.newObject(c.pos, strings.TrimPrefix(strings.ToLower(s), "system."), nil)
			e.unknown(err)
		}
	case "Add-Type", "Import-Module":
		if def.name == "Add-Type" || k.has("Name") {
			e.unknown(def.run(k))
		}
	}
}

// unseen is a value that is known only when the script runs.
type unseen struct{}

// knownStatic tells whether static knows a member of a type.
func knownStatic(kind, name string, call bool) bool {
	lower := strings.ToLower(name)
	switch kind {
	case "net.servicepointmanager":
		return true
	case "int32":
		kind = "int"
	case "int64":
		kind = "long"
	case "text.regularexpressions.regex":
		kind = "regex"
	}
	if enumerations[kind] && !call || statics[kind+"::"+lower] != nil || lower == "new" {
		return true
	}
	_, number := ranges[kind]
	return lower == "parse" && (number || kind == "version" || kind == "datetime" || kind == "timespan" || kind == "bool" || kind == "double") || number && (lower == "maxvalue" || lower == "minvalue")
}

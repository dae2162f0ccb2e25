package powershell

import "strings"

// maxScript bounds a script, in bytes.
const maxScript = 4 << 20

// parse reads a script.
func parse(text string) (b *block, err error) {
	if len(text) > maxScript {
		return nil, &syntaxError{text, "the script is longer than 4 MiB", 0}
	}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*syntaxError)
			if !ok {
				panic(r)
			}
			b, err = nil, e
		}
	}()
	p := &parser{s: strings.TrimPrefix(text, "\ufeff")}
	b = p.blockBody()
	if p.pos < len(p.s) {
		p.fail("unexpected %q", p.near())
	}
	return b, nil
}

// blockBody reads param(...), the parts of a function and statements, up to a
// closing brace or the end.
func (p *parser) blockBody() *block {
	b := &block{pos: p.here()}
	start := p.pos
	p.separators()
	for p.attribute(b) {
		p.separators()
	}
	if p.word() == "param" {
		at := p.pos
		p.pos += len("param")
		if p.lines(); p.peek() == '(' {
			b.params = p.parameters()
		} else {
			p.pos = at
		}
	}
	for {
		p.separators()
		word := p.word()
		if word != "begin" && word != "process" && word != "end" && word != "dynamicparam" {
			break
		}
		at := p.pos
		p.pos += len(word)
		if p.lines(); p.peek() != '{' {
			p.pos = at
			break
		}
		b.named = true
		list := p.braces()
		switch word {
		case "begin":
			b.begin = list
		case "process":
			b.body, b.inEach = list, true
		case "end":
			b.end = list
		default:
			p.fail("%s is not known", word)
		}
	}
	if !b.named {
		b.body = p.statements()
	}
	for i := 0; i < len(b.body); i++ {
		if t, ok := b.body[i].(*trapStmt); ok {
			b.traps = append(b.traps, t)
			b.body = append(b.body[:i:i], b.body[i+1:]...)
			i--
		}
	}
	b.text = p.s[start:p.pos]
	return b
}

// attribute passes over [CmdletBinding()] and the like before param.
func (p *parser) attribute(b *block) bool {
	at := p.pos
	if !p.take("[") {
		return false
	}
	name := p.word()
	if name != "cmdletbinding" && name != "outputtype" && !strings.HasPrefix(name, "diagnostics") && name != "suppressmessage" {
		p.pos = at
		return false
	}
	p.pos += len(name)
	p.balanced('[', ']', 1)
	b.strict = b.strict || name == "cmdletbinding"
	return true
}

// balanced passes over text up to the bracket that closes depth open ones.
func (p *parser) balanced(open, closing byte, depth int) {
	for p.pos < len(p.s) && depth > 0 {
		switch c := p.s[p.pos]; c {
		case open:
			depth++
		case closing:
			depth--
		case '\'', '"':
			if i := strings.IndexByte(p.s[p.pos+1:], c); i >= 0 {
				p.pos += i + 1
			}
		}
		p.pos++
	}
}

// parameters reads (a, b = 1, ...) with types and attributes.
func (p *parser) parameters() (list []*parameter) {
	p.expect("(")
	for {
		p.lines()
		if p.take(")") {
			return list
		}
		list = append(list, p.parameter())
		p.lines()
		if !p.take(",") && p.peek() != ')' {
			p.fail("a comma or ) is missing in the parameters")
		}
	}
}

func (p *parser) parameter() *parameter {
	param := &parameter{pos: p.here()}
	for p.lines(); p.peek() == '['; p.lines() {
		at := p.pos
		p.pos++
		name := p.word()
		switch name {
		case "parameter", "alias", "validateset", "validatenotnullorempty", "validatenotnull", "allowemptystring", "allownull", "validaterange",
			"validatepattern", "validatescript", "allowemptycollection", "validatecount", "validatelength", "supportswildcards":
			p.pos += len(name)
			p.attributeOf(param, name)
		default:
			p.pos = at
			param.kind = p.typeName()
		}
	}
	if p.peek() != '$' {
		p.fail("a parameter's name is missing before %q", p.near())
	}
	v := p.variable(false)
	if v == nil {
		p.fail("a parameter's name is missing")
	}
	param.name = v.name
	p.lines()
	if p.peek() == '=' {
		p.pos++
		p.lines()
		param.value = p.noCommas(0)
	}
	return param
}

// attributeOf reads the parentheses of a parameter's attribute.
func (p *parser) attributeOf(param *parameter, name string) {
	p.blanks()
	if !p.take("(") {
		p.expect("]")
		return
	}
	start := p.pos
	if name == "alias" || name == "validateset" {
		var items []expression
		for p.lines(); !p.take(")"); p.lines() {
			items = append(items, p.unaryCast())
			p.lines()
			p.take(",")
		}
		p.lines()
		p.expect("]")
		if name == "validateset" {
			param.set = items
			return
		}
		for _, item := range items {
			if c, ok := item.(*constantExpr); ok {
				if s, ok := c.value.(string); ok {
					param.aliases = append(param.aliases, s)
				}
			}
		}
		return
	}
	p.balanced('(', ')', 1)
	text := strings.ToLower(strings.ReplaceAll(p.s[start:p.pos], " ", ""))
	if name == "parameter" {
		param.mandatory = strings.Contains(text, "mandatory") && !strings.Contains(text, "mandatory=$false")
		param.pipeline = strings.Contains(text, "valuefrompipeline") && !strings.Contains(text, "valuefrompipeline=$false")
	}
	p.lines()
	p.expect("]")
}

// braces reads { statements }.
func (p *parser) braces() []statement {
	p.lines()
	p.expect("{")
	list := p.statements()
	p.separators()
	p.expect("}")
	return list
}

// statements reads statements up to a closing bracket or the end.
func (p *parser) statements() (list []statement) {
	defer p.enter()()
	for {
		p.separators()
		if c := p.peek(); c == 0 && p.pos >= len(p.s) || c == '}' || c == ')' {
			return list
		}
		list = append(list, p.statement())
		p.blanks()
		switch p.peek() {
		case ';', '\n', '\r', '}', ')', 0:
		default:
			// A statement that ends with a brace needs nothing between it and the next.
			if p.pos > 0 && p.s[p.pos-1] == '}' || strings.HasSuffix(strings.TrimRight(p.s[:p.pos], " \t"), "}") {
				continue
			}
			p.fail("unexpected %q", p.near())
		}
	}
}

func (p *parser) statement() statement {
	defer p.enter()()
	label := ""
	if p.peek() == ':' && p.pos+1 < len(p.s) && isWordByte(p.s[p.pos+1]) {
		p.pos++
		label = p.word()
		p.pos += len(label)
		p.lines()
	}
	at := p.here()
	word := p.word()
	after := byte(0)
	if p.pos+len(word) < len(p.s) {
		after = p.s[p.pos+len(word)]
	}
	if after == '.' || after == '\\' || after == ':' && word != "exit" {
		word = "" // a program such as if.exe
	}
	read := func() { p.pos += len(word) }
	switch word {
	case "if":
		read()
		return p.ifStatement(at)
	case "while":
		read()
		test := p.condition()
		return &whileStmt{pos: at, label: label, test: test, body: p.braces()}
	case "do":
		read()
		return p.doStatement(at, label)
	case "for":
		read()
		return p.forStatement(at, label)
	case "foreach":
		// At the start of a statement it is the loop, not the cmdlet.
		read()
		return p.foreachStatement(at, label)
	case "switch":
		read()
		return p.switchStatement(at, label)
	case "function", "filter":
		read()
		return p.function(at, word)
	case "try":
		read()
		return p.tryStatement(at)
	case "trap":
		read()
		return p.trap(at)
	case "return", "throw", "exit":
		read()
		p.blanks()
		f := &flowStmt{pos: at, word: word}
		if !p.ends() {
			f.value = p.chain()
		}
		return f
	case "break", "continue":
		read()
		p.blanks()
		f := &flowStmt{pos: at, word: word}
		if !p.ends() {
			f.value = p.chain()
		}
		return f
	case "class", "enum", "using", "workflow", "configuration", "data", "parallel", "sequence", "inlinescript":
		p.fail("%s is not known without Windows", word)
	}
	return p.chain()
}

// ends reports whether a statement ends here.
func (p *parser) ends() bool {
	switch p.peek() {
	case ';', '\n', '\r', '}', ')', '|':
		return true
	}
	return p.pos >= len(p.s)
}

// condition reads (pipeline).
func (p *parser) condition() statement {
	p.lines()
	p.expect("(")
	p.lines()
	s := p.statement()
	p.lines()
	p.expect(")")
	return s
}

func (p *parser) ifStatement(at pos) statement {
	s := &ifStmt{pos: at}
	for {
		test := p.condition()
		s.clauses = append(s.clauses, clause{test, p.braces()})
		end := p.pos
		p.lines()
		switch {
		case p.keyword("elseif"):
			continue
		case p.keyword("else"):
			p.lines()
			if p.word() == "if" {
				p.fail("else if is elseif in PowerShell")
			}
			s.other = p.braces()
			return s
		}
		p.pos = end
		return s
	}
}

func (p *parser) doStatement(at pos, label string) statement {
	s := &whileStmt{pos: at, label: label, body: p.braces(), after: true}
	p.lines()
	switch {
	case p.keyword("while"):
	case p.keyword("until"):
		s.till = true
	default:
		p.fail("do has neither while nor until")
	}
	s.test = p.condition()
	return s
}

func (p *parser) forStatement(at pos, label string) statement {
	s := &forStmt{pos: at, label: label}
	p.lines()
	p.expect("(")
	for i, part := range []*statement{&s.init, &s.test, &s.step} {
		p.lines()
		if c := p.peek(); c != ';' && c != ')' {
			*part = p.statement()
		}
		p.lines()
		if i < 2 && !p.take(";") {
			break
		}
	}
	p.lines()
	p.expect(")")
	s.body = p.braces()
	return s
}

func (p *parser) foreachStatement(at pos, label string) statement {
	s := &foreachStmt{pos: at, label: label}
	p.lines()
	p.expect("(")
	p.lines()
	if p.peek() != '$' {
		p.fail("foreach has no variable")
	}
	if s.name = p.variable(false); s.name == nil {
		p.fail("foreach has no variable")
	}
	p.lines()
	if !p.keyword("in") {
		p.fail("foreach has no in")
	}
	p.lines()
	s.over = p.chain()
	p.lines()
	p.expect(")")
	s.body = p.braces()
	return s
}

func (p *parser) switchStatement(at pos, label string) statement {
	s := &switchStmt{pos: at, label: label}
	for p.lines(); p.peek() == '-'; p.lines() {
		switch word := p.operatorWord(); word {
		case "-regex":
			s.regex = true
		case "-wildcard":
			s.wildcard = true
		case "-casesensitive":
			s.strict = true
		case "-exact":
		default:
			p.fail("switch %s is not known without Windows", word)
		}
		p.pos += len(p.operatorWord())
	}
	s.over = p.condition()
	p.lines()
	p.expect("{")
	for {
		p.separators()
		if p.take("}") {
			return s
		}
		if p.word() == "default" {
			p.pos += len("default")
			s.other = p.braces()
			continue
		}
		var test expression
		if c := p.peek(); isWordByte(c) && (c < '0' || c > '9') {
			test = p.genericWord()
		} else {
			test = p.unary()
		}
		s.cases = append(s.cases, switchCase{test, p.braces()})
	}
}

func (p *parser) function(at pos, word string) statement {
	p.blanks()
	start := p.pos
	for p.pos < len(p.s) && strings.IndexByte(" \t\r\n({", p.s[p.pos]) < 0 {
		p.pos++
	}
	f := &functionStmt{pos: at, name: p.s[start:p.pos], filter: word == "filter"}
	if scope, name, ok := strings.Cut(f.name, ":"); ok && scope != "" {
		f.name = name
	}
	if f.name == "" {
		p.fail("the function has no name")
	}
	p.lines()
	var params []*parameter
	if p.peek() == '(' {
		params = p.parameters()
		p.lines()
	}
	f.body = p.scriptBlock()
	if params != nil {
		f.body.params = params
	}
	return f
}

// scriptBlock reads { ... }.
func (p *parser) scriptBlock() *block {
	defer p.enter()()
	p.expect("{")
	b := p.blockBody()
	p.separators()
	p.expect("}")
	return b
}

func (p *parser) tryStatement(at pos) statement {
	s := &tryStmt{pos: at, body: p.braces()}
	for {
		end := p.pos
		p.lines()
		switch {
		case p.keyword("catch"):
			c := catchClause{}
			for p.lines(); p.peek() == '['; p.lines() {
				c.types = append(c.types, p.typeName())
				p.lines()
				p.take(",")
			}
			c.body = p.braces()
			s.catches = append(s.catches, c)
			continue
		case p.keyword("finally"):
			s.finally = p.braces()
			return s
		}
		p.pos = end
		if len(s.catches) == 0 {
			p.fail("try has neither catch nor finally")
		}
		return s
	}
}

func (p *parser) trap(at pos) statement {
	t := &trapStmt{pos: at}
	if p.lines(); p.peek() == '[' {
		t.kind = p.typeName()
	}
	t.body = p.braces()
	return t
}

// chain reads pipelines joined by && and ||.
func (p *parser) chain() statement {
	left := p.assignment()
	for {
		p.blanks()
		op := ""
		switch {
		case p.take("&&"):
			op = "&&"
		case p.take("||"):
			op = "||"
		default:
			return left
		}
		p.lines()
		left = &chain{left.at(), op, left, p.assignment()}
	}
}

var assignments = []string{"=", "+=", "-=", "*=", "/=", "%=", "??="}

// assignment reads an assignment or a pipeline.
func (p *parser) assignment() statement {
	at := p.here()
	if !p.startsExpression() {
		return p.pipeline(nil)
	}
	e := p.expression()
	p.blanks()
	for _, op := range assignments {
		if !p.has(op) {
			continue
		}
		switch e.(type) {
		case *variableExpr, *memberExpr, *indexExpr, *castExpr, *arrayExpr:
		default:
			p.fail("this cannot be assigned to")
		}
		p.pos += len(op)
		p.lines()
		return &assignStmt{at, e, op, p.statement()}
	}
	return p.pipeline(e)
}

// startsExpression tells an expression from a command by how it starts.
func (p *parser) startsExpression() bool {
	switch c := p.peek(); {
	case c == '$', c == '(', c == '"', c == '\'', c == '[', c == '{', c == '!', c == '+':
		return true
	case c == '@':
		return p.has("@(") || p.has("@{") || p.has("@'") || p.has(`@"`)
	case c == ',':
		return true
	case c == '-':
		if p.has("--") && !p.has("--%") {
			return true
		}
		word := p.operatorWord()
		return word == "-not" || word == "-join" || word == "-split" || word == "-bnot" ||
			word == "-" && p.pos+1 < len(p.s) && strings.IndexByte("0123456789.$(", p.s[p.pos+1]) >= 0
	case c >= '0' && c <= '9', c == '.' && p.pos+1 < len(p.s) && p.s[p.pos+1] >= '0' && p.s[p.pos+1] <= '9':
		at := p.pos
		_, ok := p.number()
		end := p.pos
		p.pos = at
		// 7z is a program, 7 is a number.
		return ok && (end >= len(p.s) || strings.IndexByte(" \t\r\n;|)}]+-*/%.,", p.s[end]) >= 0)
	case c >= 0x80:
		return p.atQuote("\u2018\u2019\u201c\u201d")
	}
	return false
}

// pipeline reads commands joined by |; first is the expression that it begins with.
func (p *parser) pipeline(first expression) statement {
	pl := &pipeline{pos: p.here()}
	if first != nil {
		pl.pos = first.at()
		e := &expressionElement{pos: first.at(), expr: first}
		for {
			p.blanks()
			r, ok := p.redirection()
			if !ok {
				break
			}
			e.redirs = append(e.redirs, r)
		}
		pl.elements = append(pl.elements, e)
	} else {
		pl.elements = append(pl.elements, p.command())
	}
	for {
		p.blanks()
		at := p.pos
		// A line that begins with | goes on with the one before it.
		if p.lines(); !p.has("|") || p.has("||") {
			p.pos = at
			return pl
		}
		p.pos++
		p.lines()
		if p.startsExpression() && p.peek() != '"' && p.peek() != '\'' {
			p.fail("an expression can only be the first in a pipeline")
		}
		pl.elements = append(pl.elements, p.command())
	}
}

package powershell

import "strings"

// How tightly the binary operators bind, loosest first.
var binaryLevels = [][]string{
	{"-and", "-or", "-xor"},
	{"-band", "-bor", "-bxor", "-shl", "-shr"},
	comparisons(),
}

// comparisons are the operators that exist with i, c and without.
func comparisons() []string {
	list := []string{"-is", "-isnot", "-as", "-join"}
	for _, op := range []string{
		"eq", "ne", "gt", "ge", "lt", "le", "like", "notlike", "match", "notmatch", "contains", "notcontains", "in", "notin", "replace", "split",
	} {
		list = append(list, "-"+op, "-i"+op, "-c"+op)
	}
	return list
}

func (p *parser) expression() expression {
	defer p.enter()()
	return p.binary(0)
}

func (p *parser) binary(level int) expression {
	if level == len(binaryLevels) {
		return p.symbols(0)
	}
	left := p.binary(level + 1)
	for {
		p.blanks()
		op := p.operatorWord()
		if !contains(binaryLevels[level], op) {
			return left
		}
		p.pos += len(op)
		p.lines()
		left = &binaryExpr{left.at(), op, left, p.binary(level + 1)}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

var symbolLevels = [][]string{{"+", "-"}, {"*", "/", "%"}, {"-f"}, {".."}}

func (p *parser) symbols(level int) expression {
	if level == len(symbolLevels) {
		return p.unary()
	}
	left := p.symbols(level + 1)
	for {
		p.blanks()
		op := ""
		for _, o := range symbolLevels[level] {
			if !p.has(o) || p.has("++") || p.has("--") || o == "-" && len(p.operatorWord()) > 1 || o == "-f" && p.operatorWord() != "-f" {
				continue
			}
			if next := p.s[p.pos+len(o):]; o != ".." && o != "-f" && strings.HasPrefix(next, "=") {
				continue // an assignment
			}
			op = o
		}
		if o := p.operatorWord(); level == 2 && o == "-f" {
			op = p.s[p.pos : p.pos+2]
		}
		if op == "" {
			return left
		}
		p.pos += len(op)
		p.lines()
		left = &binaryExpr{left.at(), strings.ToLower(op), left, p.symbols(level + 1)}
	}
}

// unary reads operators before an operand.
func (p *parser) unary() expression {
	defer p.enter()()
	at := p.here()
	switch {
	case p.take("!"):
		p.lines()
		return &unaryExpr{at, "-not", p.unary()}
	case p.has("++"), p.has("--"):
		op := p.s[p.pos : p.pos+2]
		p.pos += 2
		p.lines()
		return &postfixExpr{at, op, p.unaryCast(), true}
	case p.has("+"), p.has("-") && len(p.operatorWord()) == 1:
		op := p.s[p.pos : p.pos+1]
		p.pos++
		p.lines()
		return &unaryExpr{at, op, p.unary()}
	}
	switch op := p.operatorWord(); op {
	case "-not", "-bnot", "-join", "-split":
		p.pos += len(op)
		p.lines()
		if op == "-join" || op == "-split" {
			return &unaryExpr{at, op, p.unaryCast()}
		}
		return &unaryExpr{at, op, p.unary()}
	}
	return p.commas()
}

// commas reads a, b, c.
func (p *parser) commas() expression {
	at := p.here()
	if p.take(",") {
		p.lines()
		return &arrayExpr{at, []expression{p.unaryCast()}}
	}
	return p.list(p.unaryCast)
}

// list reads items with commas between them; one alone is no list.
func (p *parser) list(item func() expression) expression {
	first := item()
	items := []expression{first}
	for {
		end := p.pos
		p.blanks()
		if !p.take(",") {
			p.pos = end
			break
		}
		p.lines()
		items = append(items, item())
	}
	if len(items) == 1 {
		return first
	}
	return &arrayExpr{first.at(), items}
}

// unaryCast reads casts and a primary, with signs between them.
func (p *parser) unaryCast() expression {
	defer p.enter()()
	at := p.here()
	switch {
	case p.has("-") && len(p.operatorWord()) == 1 && !p.has("--"), p.has("!"), p.has("+") && !p.has("++"):
		op := p.s[p.pos : p.pos+1]
		if op == "!" {
			op = "-not"
		}
		p.pos++
		return &unaryExpr{at, op, p.unaryCast()}
	case p.operatorWord() == "-not":
		p.pos += len("-not")
		p.lines()
		return &unaryExpr{at, "-not", p.unaryCast()}
	case p.peek() == '[':
		t := p.typeName()
		if p.has("::") {
			return p.suffixes(&typeExpr{at, t})
		}
		end := p.pos
		p.blanks()
		if !p.startsOperand() {
			p.pos = end
			return p.suffixes(&typeExpr{at, t})
		}
		if h := p.has("@{"); h && (t.name == "ordered" || t.name == "pscustomobject") {
			value := p.suffixes(p.hash())
			if t.name == "ordered" {
				if h, ok := value.(*hashExpr); ok {
					h.order = true
					return h
				}
			}
			if h, ok := value.(*hashExpr); ok {
				h.order = true
			}
			return &castExpr{at, t, value}
		}
		return &castExpr{at, t, p.unaryCast()}
	}
	return p.suffixes(p.primary())
}

func (p *parser) startsOperand() bool {
	c := p.peek()
	return c != 0 && (strings.IndexByte("$(\"'[{@", c) >= 0 || c >= '0' && c <= '9' || c == '-' && len(p.operatorWord()) == 1 || p.atQuote("\u2018\u2019\u201c\u201d"))
}

// typeName reads [name].
func (p *parser) typeName() *typeName {
	t := &typeName{pos: p.here()}
	p.expect("[")
	start := p.pos
	depth := 1
	for p.pos < len(p.s) && depth > 0 {
		switch p.s[p.pos] {
		case '[':
			depth++
		case ']':
			depth--
		case '\n', '"', '\'', '$', '(':
			p.fail("this is no name of a type")
		}
		p.pos++
	}
	if depth > 0 {
		p.fail("the type has no ]")
	}
	t.text = strings.TrimSpace(p.s[start : p.pos-1])
	t.name = strings.ToLower(t.text)
	if strings.HasSuffix(t.name, "[]") {
		t.list = true
		t.name = strings.TrimSuffix(t.name, "[]")
	}
	t.name = strings.TrimPrefix(t.name, "system.")
	return t
}

// primary reads a literal, a variable or something in brackets.
func (p *parser) primary() expression {
	at := p.here()
	if e := p.hereString(); e != nil {
		return e
	}
	switch c := p.peek(); {
	case c == '$':
		if p.has("$(") {
			return p.subexpression(false)
		}
		if v := p.variable(false); v != nil {
			return v
		}
		p.fail("the name of a variable is missing after $")
	case c == '(':
		p.pos++
		p.lines()
		body := p.statement()
		p.lines()
		p.expect(")")
		return &parenExpr{at, body}
	case p.has("@("):
		return p.subexpression(true)
	case p.has("@{"):
		return p.hash()
	case c == '{':
		return &blockExpr{at, p.scriptBlock()}
	case c == '\'', p.atQuote("\u2018\u2019"):
		return &constantExpr{at, p.singleQuoted()}
	case c == '"', p.atQuote("\u201c\u201d"):
		return p.doubleQuoted()
	case c >= '0' && c <= '9', c == '.':
		if n, ok := p.number(); ok {
			return &constantExpr{at, n}
		}
	}
	if p.pos >= len(p.s) {
		p.fail("an expression is missing at the end")
	}
	p.fail("an expression is missing before %q", p.near())
	return nil
}

// subexpression reads $(...) or @(...).
func (p *parser) subexpression(array bool) expression {
	at := p.here()
	p.pos += 2
	list := p.statements()
	p.separators()
	p.expect(")")
	return &subExpr{at, list, array}
}

// hash reads @{ key = value ... }.
func (p *parser) hash() expression {
	defer p.enter()()
	h := &hashExpr{pos: p.here()}
	p.pos += 2
	for {
		p.separators()
		if p.take("}") {
			return h
		}
		var key expression
		if isWordByte(p.peek()) && !(p.peek() >= '0' && p.peek() <= '9') {
			start := p.here()
			word := p.word()
			key = &constantExpr{start, p.s[p.pos : p.pos+len(word)]}
			p.pos += len(word)
		} else {
			key = p.unaryCast()
		}
		p.lines()
		p.expect("=")
		p.lines()
		h.keys = append(h.keys, key)
		h.values = append(h.values, p.statement())
	}
}

// suffixes reads what follows an operand without a space: .name, ::name, [index],
// calls, ++ and --.
func (p *parser) suffixes(e expression) expression {
	for {
		at := p.here()
		switch {
		case p.has("::"):
			p.pos += 2
			e = p.member(e, true)
		case p.peek() == '.' && !p.has(".."):
			p.pos++
			e = p.member(e, false)
		case p.peek() == '[':
			p.pos++
			p.lines()
			index := p.expression()
			p.lines()
			p.expect("]")
			e = &indexExpr{at, e, index}
		case p.has("++"), p.has("--"):
			if _, ok := e.(*constantExpr); ok {
				return e
			}
			e = &postfixExpr{at, p.s[p.pos : p.pos+2], e, false}
			p.pos += 2
		default:
			// A chain of calls may go on in the next line.
			end := p.pos
			if p.lines(); p.pos > end && p.peek() == '.' && p.pos+1 < len(p.s) && p.s[p.pos+1]|0x20 >= 'a' && p.s[p.pos+1]|0x20 <= 'z' && strings.Contains(p.s[end:p.pos], "\n") {
				if _, ok := e.(*memberExpr); ok {
					continue
				}
			}
			p.pos = end
			return e
		}
	}
}

// member reads the name after a dot and the arguments of a call.
func (p *parser) member(on expression, static bool) expression {
	m := &memberExpr{pos: p.here(), on: on, static: static}
	switch c := p.peek(); {
	case c == '$':
		if p.has("$(") {
			m.name = p.subexpression(false)
		} else if v := p.variable(false); v != nil {
			m.name = v
		}
	case c == '(':
		m.name = p.primary()
	case c == '"':
		m.name = p.doubleQuoted()
	case c == '\'':
		m.name = &constantExpr{m.pos, p.singleQuoted()}
	default:
		start := p.pos
		for p.pos < len(p.s) && isWordByte(p.s[p.pos]) {
			p.pos++
		}
		if p.pos > start {
			m.name = &constantExpr{m.pos, p.s[start:p.pos]}
		}
	}
	if m.name == nil {
		p.fail("the name of a member is missing before %q", p.near())
	}
	if p.take("(") {
		m.call = true
		for p.lines(); !p.take(")"); p.lines() {
			if len(m.args) > 0 {
				p.expect(",")
				p.lines()
			}
			m.args = append(m.args, p.callArgument())
		}
	}
	return m
}

// callArgument reads one argument of a method: commas separate arguments there.
func (p *parser) callArgument() expression {
	defer p.enter()()
	return p.noCommas(0)
}

// noCommas is binary without lists.
func (p *parser) noCommas(level int) expression {
	all := len(binaryLevels) + len(symbolLevels)
	if level == all {
		return p.unaryCast()
	}
	left := p.noCommas(level + 1)
	for {
		end := p.pos
		p.lines()
		op := ""
		if level < len(binaryLevels) {
			if o := p.operatorWord(); contains(binaryLevels[level], o) {
				op = o
			}
		} else {
			for _, o := range symbolLevels[level-len(binaryLevels)] {
				if p.has(o) && !(o == "-" && len(p.operatorWord()) > 1) && !(o == "-f" && p.operatorWord() != "-f") {
					op = o
				}
			}
		}
		if op == "" {
			p.pos = end
			return left
		}
		p.pos += len(op)
		p.lines()
		if op == "-f" || op == "-join" || op == "-split" || op == "-replace" {
			// The right side of these takes a list, in a call too when it is in brackets.
			left = &binaryExpr{left.at(), op, left, p.noCommas(level + 1)}
			continue
		}
		left = &binaryExpr{left.at(), op, left, p.noCommas(level + 1)}
	}
}

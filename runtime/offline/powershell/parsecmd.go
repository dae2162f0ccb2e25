package powershell

import "strings"

// command reads the call of a command.
func (p *parser) command() *command {
	defer p.enter()()
	c := &command{pos: p.here()}
	start := p.pos
	switch {
	case p.peek() == '&' && !p.has("&&"):
		c.operator = "&"
		p.pos++
		p.blanks()
	case p.peek() == '.' && p.pos+1 < len(p.s) && strings.IndexByte(" \t$\"'(", p.s[p.pos+1]) >= 0:
		c.operator = "."
		p.pos++
		p.blanks()
	}
	if p.ends() {
		p.fail("a command is missing")
	}
	if c.operator != "" && p.startsExpression() {
		c.name = p.suffixes(p.primary())
	} else {
		c.name = p.genericWord()
	}
	for {
		p.blanks()
		if p.ends() || p.has("&&") || p.has("||") {
			break
		}
		if p.take("--%") {
			c.args = append(c.args, p.verbatim()...)
			break
		}
		if r, ok := p.redirection(); ok {
			c.redirs = append(c.redirs, r)
			continue
		}
		if p.peek() == '&' {
			p.fail("& here would start a job in the background, which is not known without Windows")
		}
		c.args = append(c.args, p.argument())
	}
	c.text = strings.TrimSpace(p.s[start:p.pos])
	return c
}

// verbatim reads what follows --%: words as they are, up to the end of the line.
func (p *parser) verbatim() (args []argument) {
	at := p.here()
	end := len(p.s)
	if i := strings.IndexAny(p.s[p.pos:], "\r\n|"); i >= 0 {
		end = p.pos + i
	}
	for _, w := range strings.Fields(p.s[p.pos:end]) {
		args = append(args, argument{pos: at, value: &constantExpr{at, w}, bare: true})
	}
	p.pos = end
	return args
}

// argument reads one argument of a command.
func (p *parser) argument() argument {
	a := argument{pos: p.here()}
	c := p.peek()
	switch {
	case c == '-' && p.pos+1 < len(p.s) && (p.s[p.pos+1]|0x20 >= 'a' && p.s[p.pos+1]|0x20 <= 'z' || p.s[p.pos+1] == '?'):
		start := p.pos
		i := p.pos + 1
		for i < len(p.s) && (isWordByte(p.s[i]) || p.s[i] == '?') {
			i++
		}
		if i < len(p.s) && strings.IndexByte(" \t\r\n;|)},`", p.s[i]) < 0 && p.s[i] != ':' {
			break // a word such as -foo=bar
		}
		a.name = p.s[start+1 : i]
		if p.pos = i; p.take(":") {
			p.blanks()
			a.value = p.list(p.argumentValue)
		}
		return a
	case c == '@' && p.pos+1 < len(p.s) && isWordByte(p.s[p.pos+1]):
		p.pos++
		start := p.pos
		for p.pos < len(p.s) && (isWordByte(p.s[p.pos]) || p.s[p.pos] == ':') {
			p.pos++
		}
		a.splat = true
		v := &variableExpr{pos: a.pos, name: p.s[start:p.pos]}
		if scope, name, ok := strings.Cut(v.name, ":"); ok {
			v.scope, v.name = strings.ToLower(scope), name
		}
		a.value = v
		return a
	}
	a.bare = strings.IndexByte("$(\"'@{", c) < 0
	a.value = p.list(p.argumentValue)
	return a
}

// argumentValue reads a single value in the way of commands.
func (p *parser) argumentValue() expression {
	at := p.here()
	switch c := p.peek(); {
	case c == '(', c == '{', p.has("@("), p.has("@{"), p.has("@'"), p.has(`@"`):
		return p.suffixes(p.primary())
	case c == '$':
		if e := p.suffixes(p.primaryOrNil()); p.wordEnds() {
			return e
		}
		p.pos = int(at)
	case c == '\'' || c == '"' || p.atQuote("\u2018\u2019\u201c\u201d"):
		if e := p.suffixes(p.primary()); p.wordEnds() {
			return e
		}
		p.pos = int(at)
	case c >= '0' && c <= '9', c == '-', c == '.':
		negative := p.take("-")
		if n, ok := p.number(); ok && p.wordEnds() {
			if !negative {
				return &constantExpr{at, n}
			}
			return &unaryExpr{at, "-", &constantExpr{at, n}}
		}
		p.pos = int(at)
	}
	return p.genericWord()
}

// primaryOrNil reads a variable or $(...); a dollar sign by itself is text.
func (p *parser) primaryOrNil() expression {
	if p.has("$(") {
		return p.subexpression(false)
	}
	at := p.here()
	if v := p.variable(false); v != nil {
		return v
	}
	p.pos = int(at) + 1
	return &constantExpr{at, "$"}
}

// wordEnds reports whether an argument ends here.
func (p *parser) wordEnds() bool {
	return p.pos >= len(p.s) || strings.IndexByte(" \t\r\n;|,)}", p.s[p.pos]) >= 0 || p.has("&&")
}

// genericWord reads a bare word, in which variables, quotes and escapes count.
func (p *parser) genericWord() expression {
	start := p.here()
	e := p.word1()
	if len(e.parts) == 0 {
		p.fail("a command or a value is missing before %q", p.near())
	}
	e.pos = start
	return simplify(e)
}

func (p *parser) word1() *expandExpr {
	e := &expandExpr{pos: p.here()}
	var b strings.Builder
	flush := func() { e.text(p.here(), &b) }
	for p.pos < len(p.s) {
		c := p.s[p.pos]
		switch {
		case strings.IndexByte(" \t\r\n;|,(){}<>", c) >= 0, p.has("&&"), c == '&' && b.Len()+len(e.parts) == 0:
			flush()
			return e
		case c == '`' && (p.has("`\n") || p.has("`\r\n")):
			flush()
			return e
		case c == '`':
			p.pos++
			b.WriteString(p.escape())
		case c == '$':
			part := p.reference()
			if part == nil {
				b.WriteByte('$')
				p.pos++
				continue
			}
			flush()
			e.parts = append(e.parts, part)
		case p.atQuote("'\u2018\u2019"):
			flush()
			e.parts = append(e.parts, &constantExpr{p.here(), p.singleQuoted()})
		case p.atQuote(doubleQuotes):
			flush()
			e.parts = append(e.parts, p.doubleQuoted())
		default:
			b.WriteByte(c)
			p.pos++
		}
	}
	flush()
	return e
}

// redirection reads >file, 2>&1 and the like.
func (p *parser) redirection() (redirection, bool) {
	r := redirection{pos: p.here(), stream: "1"}
	at := p.pos
	if c := p.peek(); c == '*' || c >= '1' && c <= '6' {
		if !strings.HasPrefix(p.s[p.pos+1:], ">") {
			return r, false
		}
		r.stream = string(c)
		p.pos++
	}
	switch {
	case p.take(">>"):
		r.op = ">>"
	case p.take(">&1"):
		r.op = ">&1"
		return r, true
	case p.take(">&2"):
		r.op = ">&2"
		return r, true
	case p.take(">"):
		r.op = ">"
	case p.peek() == '<':
		p.fail("< is not known in PowerShell")
	default:
		p.pos = at
		return r, false
	}
	p.blanks()
	r.target = p.argumentValue()
	return r, true
}

package cmdexe

import (
	"strings"

	"github.com/mullion/mullion/runtime/offline/proc"
)

const (
	delims   = " \t,;=\v\f"
	maxDepth = 64 // of parentheses and ifs
)

type parser struct {
	s     string
	pos   int
	depth int // of parentheses
	nest  int // of all that recurses
}

// errOpen says that the text ends within parentheses: a batch file goes on with
// its next line.
var errOpen = &syntaxError{}

// parse turns expanded text into a tree; nil for text without commands. Only the
// text of a batch file has several lines, and only within parentheses.
func parse(text string) (node, error) {
	p := &parser{s: strings.TrimRight(text, "\r\n")}
	if p.skip(); p.pos == len(p.s) {
		return nil, nil
	}
	n, err := p.list(anyLine)
	if err != nil {
		return nil, err
	}
	if p.skip(); p.pos < len(p.s) {
		return nil, &syntaxError{p.s[p.pos : p.pos+1]}
	}
	return n, nil
}

// operators by how loosely they bind. A line end is one within parentheses.
var operators = [...]string{"\n", "&", "||", "&&", "|"}

// Where a list begins: with all operators, or with those of one line.
const (
	anyLine = 0
	oneLine = 1
)

// list parses commands joined by the operators from level on; all of them group
// to the left.
func (p *parser) list(level int) (node, error) {
	if level == len(operators) {
		return p.command()
	}
	left, err := p.list(level + 1)
	if err != nil {
		return nil, err
	}
	for p.operator() == operators[level] {
		p.pos += len(operators[level])
		if p.skip(); level == anyLine {
			p.skipLines()
		}
		if level <= oneLine && p.ends() {
			break // a final & or line end is allowed
		}
		right, err := p.list(level + 1)
		if err != nil {
			return nil, err
		}
		left = &seq{operators[level], left, right}
	}
	return left, nil
}

// ends reports whether no further command comes in this line.
func (p *parser) ends() bool {
	return p.pos == len(p.s) || p.s[p.pos] == ')' || p.s[p.pos] == '\n'
}

// skipLines passes over empty lines.
func (p *parser) skipLines() {
	for p.pos < len(p.s) && p.s[p.pos] == '\n' {
		p.pos++
		p.skip()
	}
}

// operator looks at the operator that comes next; "" if none does.
func (p *parser) operator() string {
	p.skip()
	rest := p.s[p.pos:]
	for _, op := range []string{"||", "&&", "|", "&", "\n"} {
		if strings.HasPrefix(rest, op) {
			return op
		}
	}
	return ""
}

// skip passes over delimiters.
func (p *parser) skip() {
	for p.pos < len(p.s) && strings.IndexByte(delims, p.s[p.pos]) >= 0 {
		p.pos++
	}
}

// command parses one command, block or if.
func (p *parser) command() (node, error) {
	if p.nest++; p.nest > maxDepth {
		return nil, &proc.Unsupported{Command: "cmd", Why: "the command is nested too deeply"}
	}
	defer func() { p.nest-- }()
	p.skip()
	for p.pos < len(p.s) && p.s[p.pos] == '@' {
		p.pos++
		p.skip()
	}
	if p.pos == len(p.s) {
		return nil, &syntaxError{}
	}
	switch c := p.s[p.pos]; {
	case c == '(':
		return p.block()
	case c == '&' || c == '|' || c == ')':
		return nil, &syntaxError{p.s[p.pos : p.pos+1]}
	case c == ':':
		return nil, &proc.Unsupported{Command: p.s[p.pos:], Why: "labels stand at the start of a batch file's line"}
	}
	switch word := strings.ToLower(p.peek()); word {
	case "if":
		return p.condition()
	case "for":
		return p.loop()
	case "rem":
		return p.remark()
	}
	return p.simple()
}

// peek returns the word that comes next, up to a delimiter or special character.
func (p *parser) peek() string {
	rest := p.s[p.pos:]
	if i := strings.IndexAny(rest, delims+"&|<>()\"^/.:\n"); i >= 0 {
		// A dot or colon right after the word makes it another one: "if.exe".
		if strings.IndexByte(".:", rest[i]) >= 0 {
			return ""
		}
		return rest[:i]
	}
	return rest
}

func (p *parser) block() (node, error) {
	p.pos++
	p.depth++
	p.skip()
	if p.skipLines(); p.pos < len(p.s) && p.s[p.pos] == ')' {
		return nil, &syntaxError{")"}
	}
	if p.pos == len(p.s) {
		return nil, errOpen
	}
	body, err := p.list(anyLine)
	if err != nil {
		return nil, err
	}
	p.depth--
	if p.skip(); p.pos == len(p.s) {
		return nil, errOpen
	}
	if p.s[p.pos] != ')' {
		return nil, &syntaxError{}
	}
	p.pos++
	b := &block{body: body}
	for {
		p.skip()
		handle := -1
		if p.pos+1 < len(p.s) && p.s[p.pos] >= '0' && p.s[p.pos] <= '9' && (p.s[p.pos+1] == '<' || p.s[p.pos+1] == '>') {
			handle = int(p.s[p.pos] - '0')
			p.pos++
		}
		if p.pos == len(p.s) || (p.s[p.pos] != '<' && p.s[p.pos] != '>') {
			return b, nil
		}
		r, err := p.redirect(handle)
		if err != nil {
			return nil, err
		}
		b.redirs = append(b.redirs, r)
	}
}

// remark parses rem, which hides the rest of the line unless an operator comes
// right after it.
func (p *parser) remark() (node, error) {
	p.pos += len("rem")
	if p.operator() == "" {
		if i := strings.IndexByte(p.s[p.pos:], '\n'); i >= 0 {
			p.pos += i
		} else {
			p.pos = len(p.s)
		}
	}
	return &simple{text: "rem"}, nil
}

// simple parses a command and its redirections, which may stand anywhere in it.
func (p *parser) simple() (node, error) {
	c := &simple{}
	var text strings.Builder
	quoted, plain := false, false // plain: the last byte of text is neither quoted nor escaped
loop:
	for p.pos < len(p.s) {
		ch := p.s[p.pos]
		if quoted && ch != '\n' {
			quoted = ch != '"'
			text.WriteByte(ch)
			p.pos++
			plain = false
			continue
		}
		switch ch {
		case '&', '|', '\n':
			break loop
		case ')':
			if p.depth > 0 {
				break loop
			}
		case '<', '>':
			handle := -1
			if plain {
				handle = takeHandle(&text)
			}
			r, err := p.redirect(handle)
			if err != nil {
				return nil, err
			}
			c.redirs = append(c.redirs, r)
			plain = false
			continue
		case '^':
			if p.pos++; p.pos < len(p.s) {
				text.WriteByte(p.s[p.pos])
				p.pos++
			}
			plain = false
			continue
		case '"':
			quoted = true
		}
		text.WriteByte(ch)
		plain = ch != '"'
		p.pos++
	}
	c.text = text.String()
	if strings.Trim(c.text, delims) == "" && len(c.redirs) == 0 {
		return nil, &syntaxError{}
	}
	return c, nil
}

// takeHandle removes the digit before a redirection from the text and returns
// it; -1 if what stands there is not a handle.
func takeHandle(text *strings.Builder) int {
	s := text.String()
	n := len(s)
	if n == 0 || s[n-1] < '0' || s[n-1] > '9' || (n > 1 && strings.IndexByte(delims, s[n-2]) < 0) {
		return -1
	}
	text.Reset()
	text.WriteString(s[:n-1])
	return int(s[n-1] - '0')
}

// redirect parses a redirection from its < or > on.
func (p *parser) redirect(handle int) (redirect, error) {
	r := redirect{handle: handle, op: p.s[p.pos : p.pos+1]}
	p.pos++
	if handle < 0 {
		r.handle = 1
		if r.op == "<" {
			r.handle = 0
		}
	}
	if p.pos < len(p.s) && p.s[p.pos] == '>' && r.op == ">" {
		r.op = ">>"
		p.pos++
	}
	if p.pos < len(p.s) && p.s[p.pos] == '&' {
		r.op = ">&"
		p.pos++
	}
	p.skip()
	r.target = p.word()
	switch {
	case r.target == "":
		near := ""
		if p.pos < len(p.s) {
			near = p.s[p.pos : p.pos+1]
		}
		return r, &syntaxError{near}
	case r.handle > 2 || (r.op == ">&" && r.target != "1" && r.target != "2"):
		return r, &proc.Unsupported{Command: p.s, Why: "only the handles 1 and 2 can be redirected"}
	}
	return r, nil
}

// word reads up to a delimiter or special character; quotes keep both, and stay.
func (p *parser) word() string {
	var b strings.Builder
	quoted := false
	for p.pos < len(p.s) {
		ch := p.s[p.pos]
		if !quoted {
			if strings.IndexByte(delims, ch) >= 0 || strings.IndexByte("&|<>\n", ch) >= 0 || (ch == ')' && p.depth > 0) {
				break
			}
			if ch == '^' && p.pos+1 < len(p.s) {
				p.pos++
				ch = p.s[p.pos]
				b.WriteByte(ch)
				p.pos++
				continue
			}
		}
		if ch == '"' {
			quoted = !quoted
		}
		b.WriteByte(ch)
		p.pos++
	}
	return b.String()
}

// splitName takes the command's name off the front of its text.
func splitName(text string) (name, args string) {
	text = strings.TrimLeft(text, delims)
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(delims, text[i]) >= 0:
			return text[:i], text[i:]
		}
	}
	return text, ""
}

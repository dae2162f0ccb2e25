package powershell

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// syntaxError is what PowerShell says to a script that it cannot read.
type syntaxError struct {
	text string
	what string
	pos  pos
}

func (e *syntaxError) Error() string {
	line, col := place(e.text, e.pos)
	return fmt.Sprintf("line %d, column %d: %s", line, col, e.what)
}

// place turns an offset into a line and a column, from 1.
func place(text string, p pos) (line, col int) {
	before := text[:min(int(p), len(text))]
	line = strings.Count(before, "\n") + 1
	return line, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}

// maxNesting bounds how deep the pieces of a script may be within each other.
const maxNesting = 200

// parser reads a script. PowerShell has no tokens by themselves: what a character
// means depends on whether an expression or a command is read, so the parser works
// on the text.
type parser struct {
	s    string
	pos  int
	nest int
	work int // how many pieces were begun
}

// fail ends the parse with a syntax error, which parse recovers.
func (p *parser) fail(format string, args ...any) {
	panic(&syntaxError{p.s, fmt.Sprintf(format, args...), pos(p.pos)})
}

func (p *parser) here() pos { return pos(p.pos) }

func (p *parser) enter() func() {
	if p.nest++; p.nest > maxNesting {
		p.fail("the script is nested too deeply")
	}
	// A word that begins like an expression is read twice, and so is each within it: this bounds how often.
	if p.work++; p.work > 100_000+100*len(p.s) {
		p.fail("the script is too intricate")
	}
	return func() { p.nest-- }
}

func (p *parser) peek() byte {
	if p.pos < len(p.s) {
		return p.s[p.pos]
	}
	return 0
}

func (p *parser) has(prefix string) bool { return strings.HasPrefix(p.s[p.pos:], prefix) }

// take passes over prefix if it comes next.
func (p *parser) take(prefix string) bool {
	if p.has(prefix) {
		p.pos += len(prefix)
		return true
	}
	return false
}

func (p *parser) expect(s string) {
	if !p.take(s) {
		if p.pos >= len(p.s) {
			p.fail("missing %q at the end", s)
		}
		p.fail("missing %q before %q", s, p.near())
	}
}

// near is what comes next, for errors.
func (p *parser) near() string {
	rest := p.s[p.pos:]
	if i := strings.IndexAny(rest, " \t\r\n"); i > 0 {
		rest = rest[:i]
	}
	return rest[:min(len(rest), 20)]
}

// blanks passes over spaces, comments and line ends that a backtick hides.
func (p *parser) blanks() {
	for p.pos < len(p.s) {
		switch {
		case strings.IndexByte(" \t\f\v", p.s[p.pos]) >= 0:
			p.pos++
		case p.has("`\r\n"):
			p.pos += 3
		case p.has("`\n"):
			p.pos += 2
		case p.has("\u00a0"):
			p.pos += 2
		case p.s[p.pos] == '#':
			i := strings.IndexByte(p.s[p.pos:], '\n')
			if i < 0 {
				p.pos = len(p.s)
			} else {
				p.pos += i
			}
		case p.has("<#"):
			i := strings.Index(p.s[p.pos:], "#>")
			if i < 0 {
				p.fail("the comment <# has no #>")
			}
			p.pos += i + 2
		default:
			return
		}
	}
}

// lines is blanks and line ends.
func (p *parser) lines() {
	for {
		p.blanks()
		if c := p.peek(); c != '\n' && c != '\r' {
			return
		}
		p.pos++
	}
}

// separators is lines and semicolons.
func (p *parser) separators() {
	for {
		p.lines()
		if !p.take(";") {
			return
		}
	}
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= utf8.RuneSelf
}

// word looks at the letters, digits and dashes that come next, in lower case.
func (p *parser) word() string {
	i := p.pos
	for i < len(p.s) && (isWordByte(p.s[i]) || p.s[i] == '-' && i > p.pos) {
		i++
	}
	return lower(p.s[p.pos:i])
}

// lower is strings.ToLower for ASCII alone, which leaves the length as it is.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// keyword passes over a word if it comes next.
func (p *parser) keyword(word string) bool {
	if p.word() == word {
		p.pos += len(word)
		return true
	}
	return false
}

// operatorWord looks at an operator such as -eq, in lower case with its dash.
func (p *parser) operatorWord() string {
	if p.peek() != '-' {
		return ""
	}
	i := p.pos + 1
	for i < len(p.s) && p.s[i]|0x20 >= 'a' && p.s[i]|0x20 <= 'z' {
		i++
	}
	return strings.ToLower(p.s[p.pos:i])
}

// number reads a number literal; ok is false, and nothing is read, if what comes
// next is none.
func (p *parser) number() (value any, ok bool) {
	start := p.pos
	i := start
	digits := func(hex bool) int {
		n := 0
		for i < len(p.s) && (p.s[i] >= '0' && p.s[i] <= '9' || hex && (p.s[i]|0x20 >= 'a' && p.s[i]|0x20 <= 'f')) {
			i++
			n++
		}
		return n
	}
	real, hex := false, false
	if strings.HasPrefix(strings.ToLower(p.s[i:]), "0x") {
		hex = true
		i += 2
		if digits(true) == 0 {
			return nil, false
		}
	} else {
		whole := digits(false)
		if i+1 < len(p.s) && p.s[i] == '.' && p.s[i+1] >= '0' && p.s[i+1] <= '9' {
			i++
			real = true
			whole += digits(false)
		}
		if whole == 0 {
			return nil, false
		}
		if i+1 < len(p.s) && p.s[i]|0x20 == 'e' {
			save := i
			if i++; p.s[i] == '+' || p.s[i] == '-' {
				i++
			}
			if digits(false) == 0 {
				i = save
			} else {
				real = true
			}
		}
	}
	text := p.s[start:i]
	scale := 1.0
	suffix := strings.ToLower(p.s[i:min(len(p.s), i+3)])
	if strings.HasPrefix(suffix, "l") || strings.HasPrefix(suffix, "d") && !hex {
		real = real || suffix[0] == 'd'
		i++
		suffix = suffix[1:]
	}
	for unit, factor := range map[string]float64{"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40, "pb": 1 << 50} {
		if strings.HasPrefix(suffix, unit) {
			scale = factor
			i += 2
			break
		}
	}
	p.pos = i
	if !real {
		if n, err := strconv.ParseInt(text, 0, 64); err == nil && !strings.HasPrefix(text, "0") || err == nil && hex {
			if hex && n > math.MaxInt32 && n <= math.MaxUint32 {
				n = int64(int32(uint32(n)))
			}
			return n * int64(scale), true
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n * int64(scale), true
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		p.pos = start
		return nil, false
	}
	return f * scale, true
}

// singleQuoted reads a string in single quotes, the typographic ones included.
func (p *parser) singleQuoted() string {
	open := p.here()
	p.quote("'\u2018\u2019\u201a\u201b")
	var b strings.Builder
	for p.pos < len(p.s) {
		if p.quote("'\u2018\u2019\u201a\u201b") {
			if !p.quote("'\u2018\u2019\u201a\u201b") {
				return b.String()
			}
			b.WriteByte('\'')
			continue
		}
		r, n := utf8.DecodeRuneInString(p.s[p.pos:])
		if r == utf8.RuneError {
			b.WriteByte(p.s[p.pos])
		} else {
			b.WriteRune(r)
		}
		p.pos += n
	}
	p.pos = int(open)
	p.fail("the string has no end")
	return ""
}

// quote passes over one of the quotes.
func (p *parser) quote(quotes string) bool {
	if p.pos >= len(p.s) {
		return false
	}
	r, n := utf8.DecodeRuneInString(p.s[p.pos:])
	if r != utf8.RuneError && strings.ContainsRune(quotes, r) {
		p.pos += n
		return true
	}
	return false
}

const doubleQuotes = "\"\u201c\u201d\u201e"

func (p *parser) atQuote(quotes string) bool {
	at := p.pos
	ok := p.quote(quotes)
	p.pos = at
	return ok
}

// doubleQuoted reads a string in double quotes.
func (p *parser) doubleQuoted() expression {
	start := p.here()
	p.quote(doubleQuotes)
	e := p.expandable(func() bool {
		if !p.atQuote(doubleQuotes) {
			return false
		}
		at := p.pos
		p.quote(doubleQuotes)
		if p.atQuote(doubleQuotes) {
			p.pos = at // a doubled quote
			return false
		}
		return true
	}, true)
	e.pos = start
	return simplify(e)
}

// simplify turns a string without anything to expand into a constant.
func simplify(e *expandExpr) expression {
	switch len(e.parts) {
	case 0:
		return &constantExpr{e.pos, ""}
	case 1:
		if c, ok := e.parts[0].(*constantExpr); ok {
			return &constantExpr{e.pos, c.value}
		}
	}
	return e
}

// text adds what b holds as a part, and empties b.
func (e *expandExpr) text(at pos, b *strings.Builder) {
	if b.Len() > 0 {
		e.parts = append(e.parts, &constantExpr{at, b.String()})
		b.Reset()
	}
}

// expandable reads text with variables until end says so; end passes over what
// ends it. doubled: two quotes stand for one.
func (p *parser) expandable(end func() bool, doubled bool) *expandExpr {
	defer p.enter()()
	e := &expandExpr{pos: p.here()}
	var b strings.Builder
	flush := func() { e.text(p.here(), &b) }
	for {
		if end() {
			flush()
			return e
		}
		if p.pos >= len(p.s) {
			p.pos = int(e.pos)
			p.fail("the string has no end")
		}
		switch c := p.s[p.pos]; {
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
		case doubled && p.atQuote(doubleQuotes):
			p.quote(doubleQuotes)
			p.quote(doubleQuotes)
			b.WriteByte('"')
		default:
			b.WriteByte(c)
			p.pos++
		}
	}
}

// escape reads what follows a backtick.
func (p *parser) escape() string {
	if p.pos >= len(p.s) {
		return ""
	}
	r, n := utf8.DecodeRuneInString(p.s[p.pos:])
	p.pos += n
	switch r {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 'r':
		return "\r"
	case '0':
		return "\x00"
	case 'a':
		return "\a"
	case 'b':
		return "\b"
	case 'f':
		return "\f"
	case 'v':
		return "\v"
	case 'e':
		return "\x1b"
	case '\r':
		p.take("\n")
		return ""
	case '\n':
		return ""
	}
	return string(r)
}

// reference reads $name, ${name} or $(...) within a string; nil if the dollar sign
// stands for itself.
func (p *parser) reference() expression {
	if p.has("$(") {
		return p.subexpression(false)
	}
	at := p.pos
	if v := p.variable(true); v != nil {
		return v
	}
	p.pos = at
	return nil
}

// variable reads a variable from its dollar sign on; nil if it is none. In a string
// a colon at the end does not belong to it.
func (p *parser) variable(inString bool) *variableExpr {
	v := &variableExpr{pos: p.here()}
	p.pos++
	if p.take("{") {
		end := strings.IndexByte(p.s[p.pos:], '}')
		if end < 0 {
			p.fail("${ has no }")
		}
		v.name = strings.ReplaceAll(p.s[p.pos:p.pos+end], "`", "")
		p.pos += end + 1
		if scope, name, ok := strings.Cut(v.name, ":"); ok && len(scope) > 1 {
			v.scope, v.name = strings.ToLower(scope), name
		}
		return v
	}
	if c := p.peek(); c == '$' || c == '?' || c == '^' {
		if c != '?' && inString {
			return nil
		}
		p.pos++
		v.name = string(c)
		return v
	}
	start := p.pos
	for p.pos < len(p.s) {
		r, n := utf8.DecodeRuneInString(p.s[p.pos:])
		switch {
		case r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
		case r == '?' && !inString:
		case r == ':' && v.scope == "" && p.pos > start && p.pos+1 < len(p.s) && (isWordByte(p.s[p.pos+1]) && p.s[p.pos+1] != ':'):
			v.scope = strings.ToLower(p.s[start:p.pos])
			start = p.pos + 1
		default:
			v.name = p.s[start:p.pos]
			if v.name == "" {
				return nil
			}
			return v
		}
		p.pos += n
	}
	if v.name = p.s[start:p.pos]; v.name == "" {
		return nil
	}
	return v
}

// hereString reads @' ... '@ or @" ... "@ if that comes next.
func (p *parser) hereString() expression {
	start := p.here()
	quote := ""
	switch {
	case p.has("@'"):
		quote = "'"
	case p.has(`@"`):
		quote = `"`
	default:
		return nil
	}
	p.pos += 2
	for p.peek() == ' ' || p.peek() == '\t' {
		p.pos++
	}
	p.take("\r")
	if !p.take("\n") {
		p.fail("a line end is missing after @%s", quote)
	}
	rest := p.s[p.pos:]
	end, skip := -1, 0
	if strings.HasPrefix(rest, quote+"@") {
		end, skip = 0, 2
	} else if i := strings.Index(rest, "\n"+quote+"@"); i >= 0 {
		end, skip = i, 3
	}
	if end < 0 {
		p.fail("the here-string has no %s@ at the start of a line", quote)
	}
	text := strings.TrimSuffix(rest[:end], "\r")
	stop := p.pos + len(text)
	if quote == "'" {
		p.pos += end + skip
		return &constantExpr{start, text}
	}
	e := p.expandable(func() bool { return p.pos >= stop }, false)
	p.pos = stop + (end - len(text)) + skip
	e.pos = start
	return simplify(e)
}

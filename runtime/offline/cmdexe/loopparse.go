package cmdexe

import (
	"strings"

	"github.com/mullion/mullion/runtime/offline/proc"
)

// loop parses "for [OPTION] %v in (SET) do COMMAND".
func (p *parser) loop() (node, error) {
	start := p.pos
	p.pos += len("for")
	l := &loop{}
	p.skip()
	word := p.word()
	if len(word) > 1 && word[0] == '/' {
		switch kind := strings.ToLower(word[1:]); kind {
		case "d", "r", "l", "f":
			l.kind = kind[0]
		default:
			return nil, &syntaxError{word}
		}
		p.skip()
		if word = p.word(); l.kind == 'r' || l.kind == 'f' {
			if !strings.HasPrefix(word, "%") {
				l.option = word
				p.skip()
				word = p.word()
			}
		}
	}
	if len(word) != 2 || word[0] != '%' {
		return nil, &syntaxError{word}
	}
	l.variable = word[1]
	if p.skip(); !strings.EqualFold(p.peek(), "in") {
		return nil, &syntaxError{p.peek()}
	}
	p.pos += len("in")
	var err error
	if l.set, err = p.set(); err != nil {
		return nil, err
	}
	if p.skip(); !strings.EqualFold(p.peek(), "do") {
		return nil, &syntaxError{p.peek()}
	}
	p.pos += len("do")
	body, inParens, err := p.branch()
	if err != nil {
		return nil, err
	}
	if inParens && p.joined() {
		return nil, ambiguous(p.s[start:])
	}
	l.body = body
	return l, nil
}

// set reads the parentheses of a for; within quotes they count as text.
func (p *parser) set() (string, error) {
	if p.skip(); p.pos == len(p.s) || p.s[p.pos] != '(' {
		return "", &syntaxError{p.peek()}
	}
	p.pos++
	var b strings.Builder
	quote := byte(0) // the quote that is open
	for ; p.pos < len(p.s); p.pos++ {
		switch ch := p.s[p.pos]; {
		case ch == quote:
			quote = 0
		case quote == 0 && (ch == '"' || ch == '`' || ch == '\''):
			// A word in the set may hold an apostrophe: only one that starts the set quotes.
			if ch == '"' || strings.Trim(b.String(), delims) == "" {
				quote = ch
			}
		case quote == 0 && ch == ')':
			p.pos++
			return b.String(), nil
		case quote != '"' && ch == '^' && p.pos+1 < len(p.s):
			p.pos++
		case ch == '\n':
			if quote != 0 {
				return "", &proc.Unsupported{Command: p.s, Why: "a quote in the set of a for goes over lines"}
			}
			b.WriteByte(' ')
			continue
		}
		b.WriteByte(p.s[p.pos])
	}
	return "", errOpen
}

package nt

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// parseCondition turns the text of a condition, in parentheses, into its binary form.
func parseCondition(s string) ([]byte, error) {
	p := conditionParser{rest: s, out: []byte(conditionSign)}
	if p.skip(); !strings.HasPrefix(p.rest, "(") {
		return nil, fmt.Errorf("%q is not in parentheses", s)
	}
	if err := p.or(0); err != nil {
		return nil, err
	}
	if p.skip(); p.rest != "" {
		return nil, fmt.Errorf("unexpected %q", p.rest)
	}
	for len(p.out)%4 != 0 {
		p.out = append(p.out, 0)
	}
	return p.out, nil
}

// conditionParser turns text into tokens.
type conditionParser struct {
	rest string
	out  []byte
}

func (p *conditionParser) skip() { p.rest = strings.TrimLeft(p.rest, " \t") }

// eat takes text off the front, if it is there.
func (p *conditionParser) eat(text string) bool {
	p.skip()
	if len(p.rest) < len(text) || !strings.EqualFold(p.rest[:len(text)], text) {
		return false
	}
	if after := p.rest[len(text):]; plainAttr(text[0]) && after != "" && plainAttr(after[0]) {
		return false // a longer word
	}
	p.rest = p.rest[len(text):]
	return true
}

func (p *conditionParser) or(depth int) error {
	return p.chain(depth, "||", tokenOr, p.and)
}

func (p *conditionParser) and(depth int) error {
	return p.chain(depth, "&&", tokenAnd, p.unary)
}

func (p *conditionParser) chain(depth int, sign string, code byte, next func(int) error) error {
	if err := next(depth); err != nil {
		return err
	}
	for p.eat(sign) {
		if err := next(depth); err != nil {
			return err
		}
		p.out = append(p.out, code)
	}
	return nil
}

func (p *conditionParser) unary(depth int) error {
	if depth > 3*maxConditionDepth {
		return fmt.Errorf("more than %d levels", maxConditionDepth)
	}
	switch {
	case p.eat("!"):
		if err := p.unary(depth + 1); err != nil {
			return err
		}
		p.out = append(p.out, tokenNot)
		return nil
	case p.eat("("):
		if err := p.or(depth + 1); err != nil {
			return err
		}
		if !p.eat(")") {
			return fmt.Errorf("missing ) before %q", p.rest)
		}
		return nil
	}
	return p.relation()
}

func (p *conditionParser) relation() error {
	for _, o := range prefixOperators {
		if p.eat(o.name) {
			if err := p.operand(false); err != nil {
				return err
			}
			p.out = append(p.out, o.code)
			return nil
		}
	}
	if err := p.attribute(); err != nil {
		return err
	}
	for _, o := range infixOperators {
		if p.eat(o.name) {
			if err := p.operand(false); err != nil {
				return err
			}
			p.out = append(p.out, o.code)
			return nil
		}
	}
	return nil
}

// operand reads a literal, a list of literals or an attribute.
func (p *conditionParser) operand(inList bool) error {
	p.skip()
	switch {
	case p.rest == "":
		return errors.New("missing operand")
	case p.rest[0] == '"':
		text, rest, ok := strings.Cut(p.rest[1:], `"`)
		if !ok {
			return fmt.Errorf("unterminated %q", p.rest)
		}
		p.rest = rest
		p.counted(tokenString, UTF16Bytes(text))
		return nil
	case p.rest[0] == '#':
		return p.octets()
	case p.rest[0] == '{' && !inList:
		return p.list()
	case strings.IndexByte("+-0123456789", p.rest[0]) >= 0:
		return p.integer()
	case len(p.rest) > 4 && strings.EqualFold(p.rest[:4], "SID("):
		return p.account()
	}
	return p.attribute()
}

func (p *conditionParser) counted(code byte, body []byte) {
	p.out = binary.LittleEndian.AppendUint32(append(p.out, code), uint32(len(body)))
	p.out = append(p.out, body...)
}

// word takes the characters off the front that set has.
func (p *conditionParser) word(set func(byte) bool) string {
	n := 0
	for n < len(p.rest) && set(p.rest[n]) {
		n++
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return w
}

func (p *conditionParser) octets() error {
	p.rest = p.rest[1:]
	w := p.word(plainAttr)
	b, err := hex.DecodeString(w)
	if err != nil {
		return fmt.Errorf("octets %q: %w", w, err)
	}
	p.counted(tokenOctets, b)
	return nil
}

func (p *conditionParser) list() error {
	p.rest = p.rest[1:]
	outer := p.out
	p.out = nil
	for !p.eat("}") {
		if len(p.out) > 0 && !p.eat(",") {
			return fmt.Errorf("missing } before %q", p.rest)
		}
		if err := p.operand(true); err != nil {
			return err
		}
	}
	body := p.out
	p.out = outer
	p.counted(tokenList, body)
	return nil
}

func (p *conditionParser) integer() error {
	sign, base := byte(signNone), byte(baseDecimal)
	w := p.word(func(c byte) bool { return plainAttr(c) || c == '+' || c == '-' })
	digits := strings.TrimLeft(w, "+-")
	switch {
	case w[0] == '+':
		sign = signPlus
	case w[0] == '-':
		sign = signMinus
	}
	switch {
	case strings.HasPrefix(digits, "0x"):
		base = baseHex
	case len(digits) > 1 && digits[0] == '0':
		base = baseOctal
	}
	v, err := strconv.ParseInt(digits, 0, 64)
	if err != nil || len(w)-len(digits) > 1 {
		return fmt.Errorf("number %q", w)
	}
	if sign == signMinus {
		v = -v
	}
	p.out = binary.LittleEndian.AppendUint64(append(p.out, tokenInt64), uint64(v))
	p.out = append(p.out, sign, base)
	return nil
}

func (p *conditionParser) account() error {
	text, rest, ok := strings.Cut(p.rest[4:], ")")
	if !ok {
		return fmt.Errorf("unterminated %q", p.rest)
	}
	s, err := parseSDDLSID(strings.TrimSpace(text))
	if err != nil {
		return err
	}
	p.rest = rest
	p.counted(tokenSID, []byte(s))
	return nil
}

func (p *conditionParser) attribute() error {
	p.skip()
	code := byte(tokenAttr)
	for i, scope := range attrScopes {
		if i > 0 && len(p.rest) >= len(scope) && strings.EqualFold(p.rest[:len(scope)], scope) {
			code, p.rest = tokenAttr+byte(i), p.rest[len(scope):]
		}
	}
	w := p.word(func(c byte) bool { return plainAttr(c) || c == '%' })
	var units []uint16
	for i := 0; i < len(w); i++ {
		if w[i] != '%' {
			units = append(units, uint16(w[i]))
			continue
		}
		if len(w) < i+5 {
			return fmt.Errorf("attribute %q: unfinished escape", w)
		}
		u, err := strconv.ParseUint(w[i+1:i+5], 16, 16)
		if err != nil {
			return fmt.Errorf("attribute %q: %w", w, err)
		}
		units, i = append(units, uint16(u)), i+4
	}
	if len(units) == 0 {
		return fmt.Errorf("missing attribute before %q", p.rest)
	}
	p.counted(code, UTF16Bytes(String(units)))
	return nil
}

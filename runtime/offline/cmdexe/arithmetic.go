package cmdexe

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// arithmeticError is what set /a prints, with the exit code that it has.
type arithmeticError struct {
	text string
	code uint32
}

func (e *arithmeticError) Error() string { return e.text }

var (
	errParens   = &arithmeticError{"Unbalanced parenthesis.", 1073750988}
	errOperand  = &arithmeticError{"Missing operand.", 1073750989}
	errOperator = &arithmeticError{"Missing operator.", 1073750990}
	errNumber   = &arithmeticError{"Invalid number.  Numeric constants are either decimal (17),\r\nhexadecimal (0x11), or octal (021).", 1073750991}
	errRange    = &arithmeticError{"Invalid number.  Numbers are limited to 32-bits of precision.", 1073750992}
	errDivide   = &arithmeticError{"Divide by zero error.", 1073750993}
)

// setNumber is set /a: an expression over 32-bit numbers. On a command line, and
// not in a batch file, its value is printed.
func (s *shell) setNumber(text string) (uint32, error) {
	c := &calculator{text: strings.ReplaceAll(text, `"`, ""), env: s.p.Env}
	value, err := c.list()
	if err != nil {
		s.p.Complain("%s", err)
		s.errorlevel = err.code
		return err.code, nil
	}
	if s.script == nil {
		if _, err := fmt.Fprint(s.p.Stdout, value); err != nil {
			return 0, err
		}
	}
	s.errorlevel = 0
	return 0, nil
}

// calculator evaluates an expression while it reads it.
type calculator struct {
	text string
	pos  int
	nest int
	env  *nt.Env
}

// levels are the binary operators by how loosely they bind.
var levels = [][]string{{"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"*", "/", "%"}}

func (c *calculator) skip() {
	for c.pos < len(c.text) && strings.IndexByte(" \t\v\f", c.text[c.pos]) >= 0 {
		c.pos++
	}
}

// list evaluates expressions joined by commas; the last is the value.
func (c *calculator) list() (int32, *arithmeticError) {
	for {
		value, err := c.assignment()
		if err != nil {
			return 0, err
		}
		c.skip()
		if c.pos == len(c.text) {
			return value, nil
		}
		switch c.text[c.pos] {
		case ',':
			c.pos++
		case ')':
			if c.nest > 0 {
				return value, nil
			}
			return 0, errParens
		default:
			return 0, errOperator
		}
	}
}

// assignment is NAME=..., NAME+=... and the like, or an expression.
func (c *calculator) assignment() (int32, *arithmeticError) {
	if c.nest++; c.nest > maxDepth {
		return 0, errParens
	}
	defer func() { c.nest-- }()
	c.skip()
	start := c.pos
	if name := c.name(); name != "" {
		c.skip()
		for _, op := range []string{"=", "<<=", ">>=", "*=", "/=", "%=", "+=", "-=", "&=", "^=", "|="} {
			if !strings.HasPrefix(c.text[c.pos:], op) {
				continue
			}
			c.pos += len(op)
			value, err := c.assignment()
			if err != nil {
				return 0, err
			}
			if op != "=" {
				old, err := c.variable(name)
				if err != nil {
					return 0, err
				}
				if value, err = apply(strings.TrimSuffix(op, "="), old, value); err != nil {
					return 0, err
				}
			}
			c.env.Set(name, strconv.Itoa(int(value)))
			return value, nil
		}
	}
	c.pos = start
	return c.binary(0)
}

func (c *calculator) binary(level int) (int32, *arithmeticError) {
	if level == len(levels) {
		return c.unary()
	}
	left, err := c.binary(level + 1)
	if err != nil {
		return 0, err
	}
	for {
		op := c.operator(level)
		if op == "" {
			return left, nil
		}
		c.pos += len(op)
		right, err := c.binary(level + 1)
		if err != nil {
			return 0, err
		}
		if left, err = apply(op, left, right); err != nil {
			return 0, err
		}
	}
}

func (c *calculator) operator(level int) string {
	c.skip()
	for _, op := range levels[level] {
		if strings.HasPrefix(c.text[c.pos:], op) {
			return op
		}
	}
	return ""
}

func apply(op string, a, b int32) (int32, *arithmeticError) {
	switch op {
	case "|":
		return a | b, nil
	case "^":
		return a ^ b, nil
	case "&":
		return a & b, nil
	case "<<":
		if b < 0 || b > 31 {
			return 0, nil
		}
		return a << b, nil
	case ">>":
		return a >> min(31, uint32(b)), nil
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	}
	if b == 0 {
		return 0, errDivide
	}
	if op == "/" {
		return a / b, nil
	}
	return a % b, nil
}

func (c *calculator) unary() (int32, *arithmeticError) {
	negate, invert, not := false, false, false
	for {
		c.skip()
		if c.pos == len(c.text) {
			return 0, errOperand
		}
		switch c.text[c.pos] {
		case '+':
		case '-':
			negate = !negate
		case '~':
			invert = !invert
		case '!':
			not = !not
		default:
			value, err := c.operand()
			if not {
				value = map[bool]int32{true: 1}[value == 0]
			}
			if invert {
				value = ^value
			}
			if negate {
				value = -value
			}
			return value, err
		}
		c.pos++
	}
}

func (c *calculator) operand() (int32, *arithmeticError) {
	if c.text[c.pos] == '(' {
		c.pos++
		if c.nest++; c.nest > maxDepth {
			return 0, errParens
		}
		value, err := c.list()
		c.nest--
		if err != nil {
			return 0, err
		}
		if c.skip(); c.pos == len(c.text) || c.text[c.pos] != ')' {
			return 0, errParens
		}
		c.pos++
		return value, nil
	}
	word := c.name()
	switch {
	case word == "":
		return 0, errOperand
	case word[0] >= '0' && word[0] <= '9':
		return numeric(word)
	}
	return c.variable(word)
}

// name reads a variable's name or a number.
func (c *calculator) name() string {
	start := c.pos
	for c.pos < len(c.text) && strings.IndexByte(" \t\v\f()!~-*/%+<>&^|=,", c.text[c.pos]) < 0 {
		c.pos++
	}
	return c.text[start:c.pos]
}

// variable is a variable's value: the number it starts with, or 0.
func (c *calculator) variable(name string) (int32, *arithmeticError) {
	value, _ := c.env.Get(name)
	value = strings.TrimSpace(value)
	end := 0
	for end < len(value) && strings.IndexByte("+-0123456789abcdefABCDEFxX", value[end]) >= 0 {
		end++
	}
	for ; end > 0; end-- {
		if n, err := numeric(value[:end]); err == nil {
			return n, nil
		}
	}
	return 0, nil
}

// numeric reads a decimal, octal (0...) or hexadecimal (0x...) number.
func numeric(s string) (int32, *arithmeticError) {
	if strings.ContainsAny(s, "_oObB") && !strings.HasPrefix(strings.ToLower(s), "0x") {
		return 0, errNumber // Go's other notations
	}
	n, err := strconv.ParseInt(s, 0, 64)
	switch {
	case err != nil && strings.Contains(err.Error(), "range"):
		return 0, errRange
	case err != nil:
		return 0, errNumber
	case n > 0xffffffff || n < -0x80000000:
		return 0, errRange
	}
	return int32(uint32(n)), nil
}

package cmdexe

import (
	"strconv"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// condition parses "if [/i] [not] TEST COMMAND [else COMMAND]".
func (p *parser) condition() (node, error) {
	start := p.pos
	p.pos += len("if")
	c := &condition{}
	p.skip()
	word := p.word()
	if strings.EqualFold(word, "/i") {
		c.fold = true
		p.skip()
		word = p.word()
	}
	if strings.EqualFold(word, "not") {
		c.not = true
		p.skip()
		word = p.word()
	}
	if err := p.test(c, word); err != nil {
		return nil, err
	}
	then, inParens, err := p.branch()
	if err != nil {
		return nil, err
	}
	c.then = then
	p.skip()
	if !inParens || !strings.EqualFold(p.peek(), "else") {
		if inParens && p.joined() {
			return nil, ambiguous(p.s[start:])
		}
		return c, nil
	}
	p.pos += len("else")
	if c.other, inParens, err = p.branch(); err != nil {
		return nil, err
	}
	if inParens && p.joined() {
		return nil, ambiguous(p.s[start:])
	}
	return c, nil
}

// joined reports whether an operator comes next in the same line.
func (p *parser) joined() bool {
	op := p.operator()
	return op != "" && op != "\n"
}

func ambiguous(text string) error {
	return &proc.Unsupported{Command: text, Why: "what follows the closing parenthesis belongs to it as well; put parentheses around the whole command"}
}

// branch parses what an if does. Without parentheses that is the rest of the
// list.
func (p *parser) branch() (n node, inParens bool, err error) {
	p.skip()
	if strings.HasPrefix(strings.TrimLeft(p.s[p.pos:], "@"+delims), "(") {
		n, err = p.command()
		return n, true, err
	}
	n, err = p.list(oneLine)
	return n, false, err
}

// test parses the condition proper, whose first word has been read.
func (p *parser) test(c *condition, word string) error {
	switch lower := strings.ToLower(word); lower {
	case "exist", "defined", "errorlevel":
		p.skip()
		c.test, c.left = lower, p.word()
		if c.left == "" {
			return &syntaxError{}
		}
		return nil
	case "cmdextversion":
		return &proc.Unsupported{Command: "if cmdextversion", Why: "not known without Windows"}
	case "":
		return &syntaxError{}
	}
	c.left = word
	for p.pos < len(p.s) && (p.s[p.pos] == ' ' || p.s[p.pos] == '\t') {
		p.pos++
	}
	if strings.HasPrefix(p.s[p.pos:], "==") {
		p.pos += 2
		c.test = "=="
	} else {
		p.skip()
		c.test = strings.ToUpper(p.word())
		switch c.test {
		case "EQU", "NEQ", "LSS", "LEQ", "GTR", "GEQ":
		default:
			return &syntaxError{c.test}
		}
	}
	p.skip()
	if c.right = p.word(); c.right == "" {
		return &syntaxError{}
	}
	return nil
}

// holds evaluates an if.
func (s *shell) holds(n *condition) (bool, error) {
	c := *n
	var err error
	if c.left, err = s.late(c.left); err != nil {
		return false, err
	}
	if c.right, err = s.late(c.right); err != nil {
		return false, err
	}
	yes, err := s.holdsPlain(&c)
	return yes != c.not, err
}

func (s *shell) holdsPlain(c *condition) (bool, error) {
	switch c.test {
	case "exist":
		return s.exists(unquote(c.left)), nil
	case "defined":
		return s.defined(c.left), nil
	case "errorlevel":
		n, err := strconv.Atoi(c.left)
		if err != nil {
			return false, &syntaxError{c.left}
		}
		return int(int32(s.errorlevel)) >= n, nil
	}
	return compare(c), nil
}

// compare compares two words: as numbers if both are, else as text.
func compare(c *condition) bool {
	left, right := c.left, c.right
	if c.fold {
		left, right = nt.Fold(left), nt.Fold(right)
	}
	if c.test == "==" {
		return left == right
	}
	order := strings.Compare(left, right)
	if l, err := strconv.ParseInt(left, 0, 32); err == nil {
		if r, err := strconv.ParseInt(right, 0, 32); err == nil {
			order = int(max(-1, min(1, l-r)))
		}
	}
	switch c.test {
	case "EQU":
		return order == 0
	case "NEQ":
		return order != 0
	case "LSS":
		return order < 0
	case "LEQ":
		return order <= 0
	case "GTR":
		return order > 0
	}
	return order >= 0
}

// exists tells whether a file, directory or pattern is there.
func (s *shell) exists(path string) bool {
	if proc.IsNull(path) {
		return true
	}
	if strings.ContainsAny(path, "*?") {
		found, _ := s.p.Glob(path)
		return len(found) > 0
	}
	_, ok := s.p.Find(path)
	return ok
}

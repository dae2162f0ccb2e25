package cmdexe

import (
	"bytes"
	"context"
	"maps"
	"strconv"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// loop runs a for.
func (s *shell) loop(ctx context.Context, l *loop) (rc uint32, err error) {
	if err := s.deeper(); err != nil {
		return 0, err
	}
	outer := s.loops
	s.loops = maps.Clone(outer)
	if s.loops == nil {
		s.loops = map[byte]string{}
	}
	defer func() { s.loops = outer; s.depth-- }()
	set, err := s.late(l.set)
	if err != nil {
		return 0, err
	}
	option, err := s.late(l.option)
	if err != nil {
		return 0, err
	}
	each := func(values ...string) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		for i, v := range values {
			s.loops[l.variable+byte(i)] = v
		}
		rc, err = s.run(ctx, l.body)
		return err == nil && !s.stopped(), err
	}
	switch l.kind {
	case 'l':
		err = s.count(set, each)
	case 'f':
		err = s.forLines(ctx, option, set, each)
	case 'r':
		err = s.forTree(option, set, each)
	default:
		err = s.forItems(l.kind == 'd', set, each)
	}
	return rc, err
}

// each runs the body of a for; more is false when the loop is to end.
type each func(values ...string) (more bool, err error)

// count is for /l: (start,step,end).
func (s *shell) count(set string, do each) error {
	var n [3]int64
	for i, w := range strings.FieldsFunc(set, isDelim) {
		if i == len(n) {
			break
		}
		v, err := strconv.ParseInt(w, 0, 32)
		if err != nil {
			v = 0
		}
		n[i] = v
	}
	for i := n[0]; n[1] >= 0 && i <= n[2] || n[1] < 0 && i >= n[2]; i += n[1] {
		if more, err := do(strconv.FormatInt(i, 10)); err != nil || !more {
			return err
		}
	}
	return nil
}

func isDelim(r rune) bool { return strings.ContainsRune(delims, r) || r == '\n' }

// forItems is for and for /d: each word of the set, and for a word with * or ? the
// files, or directories, that it names.
func (s *shell) forItems(directories bool, set string, do each) error {
	for _, item := range parameters(set) {
		values := []string{item}
		if strings.ContainsAny(item, "*?") {
			values = s.matches(unquote(item), directories)
		}
		for _, v := range values {
			if more, err := do(v); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// matches lists what a pattern names, spelled with the pattern's own folder.
func (s *shell) matches(pattern string, directories bool) (names []string) {
	folder := pattern[:strings.LastIndexAny(pattern, `\/:`)+1]
	found, _ := s.p.Glob(pattern)
	for _, f := range found {
		isDir := f.Entry.Attributes&layers.AttrDirectory != 0
		if isDir == directories && f.Entry.Attributes&layers.AttrHidden == 0 {
			names = append(names, folder+f.Name())
		}
	}
	return names
}

// forTree is for /r: the set in each directory below root. A word without * and ?
// is not looked for: it is put behind each directory.
func (s *shell) forTree(root, set string, do each) error {
	root = unquote(root)
	if root == "" {
		root = "."
	}
	f, ok := s.p.Find(root)
	if !ok || !f.IsDir() {
		return nil
	}
	for _, dir := range s.subdirectories(strings.TrimSuffix(nt.Win(f.Path), `\`) + `\`) {
		for _, item := range parameters(set) {
			values := []string{dir + unquote(item)}
			if strings.ContainsAny(item, "*?") {
				values = s.matches(values[0], false)
			}
			for _, v := range values {
				if more, err := do(v); err != nil || !more {
					return err
				}
			}
		}
	}
	return nil
}

// forOptions are what stands in the quotes after for /f.
type forOptions struct {
	eol      string // one character or none
	skip     int
	delims   string
	tokens   []int // numbers from 1, ascending
	rest     bool  // whether what follows the last token is one more value
	useBackq bool
}

const maxTokens = 31

func parseForOptions(text string) (forOptions, error) {
	o := forOptions{eol: ";", delims: " \t", tokens: []int{1}}
	text = unquote(text)
	for {
		text = strings.TrimLeft(text, " \t")
		if text == "" {
			return o, nil
		}
		lower := strings.ToLower(text)
		switch {
		case strings.HasPrefix(lower, "usebackq"):
			o.useBackq, text = true, text[len("usebackq"):]
		case strings.HasPrefix(lower, "eol="):
			o.eol, text = "", text[len("eol="):]
			if text != "" {
				o.eol, text = text[:1], text[1:]
			}
		case strings.HasPrefix(lower, "skip="):
			word, rest := cutSpace(text[len("skip="):])
			n, err := strconv.ParseInt(word, 0, 32)
			if err != nil || n <= 0 {
				return o, &syntaxError{text}
			}
			o.skip, text = int(n), rest
		case strings.HasPrefix(lower, "delims="):
			// A blank in the list counts only at its end.
			text = text[len("delims="):]
			i := strings.IndexByte(text, ' ')
			if i < 0 || strings.TrimRight(text, " ") == text[:i] {
				i = len(text)
			}
			o.delims, text = text[:i], text[i:]
		case strings.HasPrefix(lower, "tokens="):
			word, rest := cutSpace(text[len("tokens="):])
			var ok bool
			if o.tokens, o.rest, ok = parseTokens(word); !ok {
				return o, &syntaxError{text}
			}
			text = rest
		default:
			return o, &syntaxError{text}
		}
	}
}

func cutSpace(s string) (word, rest string) {
	if i := strings.IndexByte(s, ' '); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// parseTokens reads "1,3-5*".
func parseTokens(text string) (tokens []int, rest, ok bool) {
	text, rest = strings.CutSuffix(text, "*")
	wanted := [maxTokens + 1]bool{}
	for part := range strings.SplitSeq(strings.TrimSuffix(text, ","), ",") {
		if part == "" && rest {
			continue // "*" alone
		}
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(first)
		b := a
		if err == nil && isRange {
			b, err = strconv.Atoi(last)
		}
		if err != nil || a < 1 || b > maxTokens {
			return nil, false, false
		}
		for i := a; i <= b; i++ {
			wanted[i] = true
		}
	}
	for i, w := range wanted {
		if w {
			tokens = append(tokens, i)
		}
	}
	return tokens, rest, true
}

// forLines is for /f: the lines of files, of a string or of a command's output.
func (s *shell) forLines(ctx context.Context, option, set string, do each) error {
	o, err := parseForOptions(option)
	if err != nil {
		return err
	}
	texts, err := s.forTexts(ctx, o, strings.TrimSpace(set))
	if err != nil {
		return err
	}
	for _, text := range texts {
		lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
		for _, line := range lines[min(o.skip, len(lines)):] {
			values, ok := o.split(line)
			if !ok {
				continue
			}
			if more, err := do(values...); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// forTexts reads what the set of a for /f names.
func (s *shell) forTexts(ctx context.Context, o forOptions, set string) ([]string, error) {
	quote := byte(0)
	if len(set) >= 2 && set[0] == set[len(set)-1] {
		quote = set[0]
	}
	command, str := byte('\''), byte('"')
	if o.useBackq {
		command, str = '`', '\''
	}
	switch quote {
	case command:
		text, err := s.output(ctx, set[1:len(set)-1])
		return []string{text}, err
	case str:
		return []string{set[1 : len(set)-1]}, nil
	}
	var texts []string
	for _, name := range parameters(set) {
		name = unquote(name)
		f, ok := s.p.Find(name)
		if !ok || f.IsDir() {
			s.p.Complain("The system cannot find the file %s.", name)
			s.errorlevel = 1
			return texts, nil
		}
		b, err := s.read(f, maxPipe)
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(b))
	}
	return texts, nil
}

// output runs a command in a shell of its own and returns what it prints.
func (s *shell) output(ctx context.Context, command string) (string, error) {
	var out bytes.Buffer
	child := s.child()
	child.loops, child.script = nil, nil
	child.p.Stdout = &limited{&out, maxPipe}
	_, err := child.line(ctx, command)
	return out.String(), err
}

// split takes a line apart; ok is false for a line that the loop passes over.
func (o forOptions) split(line string) (values []string, ok bool) {
	if line == "" || (o.eol != "" && strings.HasPrefix(strings.TrimLeft(line, o.delims), o.eol)) {
		return nil, false
	}
	rest, at := line, 0
	next := func() (string, bool) {
		rest = strings.TrimLeft(rest, o.delims)
		if rest == "" {
			return "", false
		}
		at++
		i := len(rest)
		if o.delims != "" {
			if j := strings.IndexAny(rest, o.delims); j >= 0 {
				i = j
			}
		}
		word := rest[:i]
		rest = rest[i:]
		return word, true
	}
	for _, want := range o.tokens {
		value := ""
		for more := true; at < want && more; {
			value, more = next()
		}
		ok = ok || value != ""
		values = append(values, value)
	}
	if o.rest {
		tail := strings.TrimLeft(rest, o.delims)
		ok = ok || tail != ""
		values = append(values, tail)
	}
	return values, ok
}

// ask is set /p: a question whose answer is a line of the input.
func (s *shell) ask(args string) (uint32, error) {
	text := strings.TrimLeft(args, delims)
	if after, ok := strings.CutPrefix(text, `"`); ok {
		if i := strings.LastIndexByte(after, '"'); i >= 0 {
			after = after[:i]
		}
		text = after
	}
	name, prompt, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return s.syntax()
	}
	if _, err := s.p.Stdout.Write([]byte(unquote(strings.TrimLeft(prompt, " ")))); err != nil {
		return 0, err
	}
	line, err := proc.ReadLine(s.p.Stdin)
	if err != nil {
		return 0, err
	}
	if line == "" {
		s.errorlevel = 1
		return 1, nil
	}
	s.p.Env.Set(name, line)
	return 0, nil
}

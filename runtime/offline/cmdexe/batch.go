package cmdexe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime/offline/proc"
)

const (
	maxScript = 8 << 20 // bytes of a batch file
	maxCalls  = 200     // batch files, subroutines and loops within each other
)

// script is a running batch file, or a subroutine of one.
type script struct {
	path    string // the file's Windows path
	lines   []string
	next    int    // the line that is read next
	all     string // %*
	args    []string
	jump    string // the label that goto named, until it is found
	done    bool   // whether the file ends here
	echoOff *bool  // shared by all files of the shell
	locals  []local
}

// local is what endlocal brings back.
type local struct {
	env     *nt.Env
	cwd     string
	delayed bool
}

func (c *script) arg(i int) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return ""
}

func (c *script) quiet() bool { return *c.echoOff }

// child is the file as a shell of its own within it sees it.
func (c *script) child() *script {
	if c == nil {
		return nil
	}
	copied := *c
	return &copied
}

// batchFile finds the batch file that a command's name stands for.
func (s *shell) batchFile(name string) *view.File {
	found := s.p.Search(unquote(name))
	switch strings.ToLower(path.Ext(found)) {
	case ".bat", ".cmd":
	default:
		return nil
	}
	f, err := s.p.Files.Resolve(found)
	if err != nil {
		return nil
	}
	return f
}

// transfer runs a batch file that is not called: one within another takes its
// place, so that the first does not go on.
func (s *shell) transfer(ctx context.Context, f *view.File, name, args string) (uint32, error) {
	outer := s.script
	rc, err := s.runFile(ctx, f, name, args)
	if outer != nil {
		outer.done = true
	}
	return rc, err
}

// runFile runs a batch file with the arguments as written.
func (s *shell) runFile(ctx context.Context, f *view.File, name, args string) (uint32, error) {
	lines, err := s.readScript(f)
	if err != nil {
		return 0, err
	}
	off := new(bool)
	if s.script != nil {
		off = s.script.echoOff
	}
	all := strings.TrimLeft(args, delims)
	return s.runScript(ctx, &script{path: nt.Win(f.Path), lines: lines, all: all, args: append([]string{name}, parameters(all)...), echoOff: off})
}

// readScript reads the lines of a batch file.
func (s *shell) readScript(f *view.File) ([]string, error) {
	b, err := s.read(f, maxScript)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(b) {
		return nil, &proc.Unsupported{Command: nt.Win(f.Path), Why: "it has characters outside ASCII in a code page; save it as UTF-8 without a mark"}
	}
	text := strings.ReplaceAll(string(b), "\r\n", "\n")
	if i := strings.IndexByte(text, 0x1a); i >= 0 {
		text = text[:i] // Ctrl-Z ends a file
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n"), nil
}

// read returns the bytes of a file of at most limit bytes.
func (s *shell) read(f *view.File, limit int64) ([]byte, error) {
	if f.Entry.Size > limit {
		return nil, &proc.Unsupported{Command: nt.Win(f.Path), Why: fmt.Sprintf("it is larger than %d MiB", limit>>20)}
	}
	r, err := s.p.Files.Open(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, limit))
	if err == nil && bytes.HasPrefix(b, []byte{0xff, 0xfe}) {
		return nil, &proc.Unsupported{Command: nt.Win(f.Path), Why: "it is UTF-16; save it as UTF-8 without a mark"}
	}
	return b, err
}

// parameters splits the arguments of a batch file; quotes stay.
func parameters(text string) []string {
	var list []string
	for {
		text = strings.TrimLeft(text, delims)
		if text == "" {
			return list
		}
		word, rest := splitName(text)
		list, text = append(list, word), rest
	}
}

// runScript runs c from where it stands to its end.
func (s *shell) runScript(ctx context.Context, c *script) (rc uint32, err error) {
	if err := s.deeper(); err != nil {
		return 0, err
	}
	outer, loops := s.script, s.loops
	s.script, s.loops = c, nil
	defer func() {
		for len(c.locals) > 0 {
			s.restore()
		}
		s.script, s.loops = outer, loops
		s.depth--
	}()
	for !s.exited && !c.done && c.next < len(c.lines) {
		if rc, err = s.step(ctx, c); err != nil {
			return 0, err
		}
		if c.jump != "" {
			s.findLabel(c)
		}
	}
	return s.errorlevel, nil
}

func (s *shell) deeper() error {
	if s.depth++; s.depth > maxCalls {
		s.depth--
		return &proc.Unsupported{Command: "call", Why: fmt.Sprintf("more than %d calls and loops are within each other", maxCalls)}
	}
	return nil
}

// step reads one command, which parentheses and carets may take over several
// lines, and runs it.
func (s *shell) step(ctx context.Context, c *script) (uint32, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	text, first := "", c.lines[c.next]
	for {
		line := c.logicalLine()
		if strings.HasPrefix(strings.TrimLeft(line, delims), ":") {
			line = "" // a label, or a remark by two colons
		}
		line, err := s.expand(line)
		if err != nil {
			return 0, err
		}
		if text += line; len(text) > maxScript {
			return 0, &proc.Unsupported{Command: c.path, Why: "a command within parentheses is too long"}
		}
		n, err := parse(text)
		if err == error(errOpen) && c.next < len(c.lines) {
			text += "\n"
			continue
		}
		if err != nil {
			rc, err := s.complained(err)
			c.done = err == nil // cmd gives a batch file up at a line it cannot read
			return rc, err
		}
		if n == nil {
			return 0, nil
		}
		if !c.quiet() && !strings.HasPrefix(strings.TrimLeft(first, delims), "@") {
			s.p.Println("\r\n%s>%s ", s.p.Cwd, strings.TrimRight(text, " "))
		}
		rc, err := s.run(ctx, n)
		if err != nil {
			return s.complained(err)
		}
		return rc, nil
	}
}

// logicalLine reads a line and those that a caret at its end joins to it.
func (c *script) logicalLine() string {
	line := ""
	for c.next < len(c.lines) {
		line += c.lines[c.next]
		c.next++
		carets := len(line) - len(strings.TrimRight(line, "^"))
		if carets%2 == 0 || strings.Count(line, `"`)%2 == 1 {
			break
		}
		line = line[:len(line)-1]
	}
	return line
}

// jump is goto: the label is looked for from here on, then from the start.
func (s *shell) jump(args string) (uint32, error) {
	if s.script == nil {
		return unsupported("goto", args, "labels stand in batch files")
	}
	label := labelOf(":" + strings.TrimLeft(args, delims+":"))
	if label == "" {
		return s.syntax()
	}
	if strings.EqualFold(label, "eof") && strings.HasPrefix(strings.TrimLeft(args, delims), ":") {
		s.script.done = true
		return 0, nil
	}
	s.script.jump = label
	return 0, nil
}

// labelOf is the label that a line sets; "" for any other line.
func labelOf(line string) string {
	line, ok := strings.CutPrefix(strings.TrimLeft(line, delims), ":")
	if !ok {
		return ""
	}
	line = strings.TrimLeft(line, delims)
	if i := strings.IndexAny(line, delims+":+&|<>"); i >= 0 {
		line = line[:i]
	}
	return line
}

// findLabel goes to the label that c.jump names. Without it the file ends.
func (s *shell) findLabel(c *script) bool {
	label := c.jump
	c.jump = ""
	for i := range c.lines {
		at := (c.next + i) % len(c.lines)
		if strings.EqualFold(labelOf(c.lines[at]), label) {
			c.next = at + 1
			return true
		}
	}
	s.p.Complain("The system cannot find the batch label specified - %s", label)
	s.errorlevel = 1
	c.done = true
	return false
}

// call runs a batch file or subroutine and comes back, or any command after its
// percent signs were replaced once more.
func (s *shell) call(ctx context.Context, args string) (uint32, error) {
	text, err := s.expand(strings.TrimLeft(args, delims))
	if err != nil {
		return 0, err
	}
	name, rest := splitName(text)
	switch {
	case name == "":
		return 0, nil
	case strings.HasPrefix(name, ":"):
		return s.subroutine(ctx, name, rest)
	case strings.EqualFold(name, "if"), strings.EqualFold(name, "for"), strings.HasPrefix(name, "("):
		return unsupported("call", args, "call takes a file, a label or a plain command")
	}
	lower, _ := builtinName(name, rest)
	if _, ok := builtin(lower); !ok {
		if f := s.batchFile(name); f != nil {
			return s.runFile(ctx, f, name, rest)
		}
	}
	return s.dispatch(ctx, text)
}

func (s *shell) subroutine(ctx context.Context, label, args string) (uint32, error) {
	outer := s.script
	if outer == nil {
		return unsupported("call", " "+label, "labels stand in batch files")
	}
	all := strings.TrimLeft(args, delims)
	c := &script{path: outer.path, lines: outer.lines, next: outer.next, all: all,
		args: append([]string{label}, parameters(all)...), echoOff: outer.echoOff, jump: labelOf(label)}
	if strings.EqualFold(c.jump, "eof") {
		return s.errorlevel, nil
	}
	if !s.findLabel(c) {
		return 1, nil
	}
	return s.runScript(ctx, c)
}

func (s *shell) shift(args string) (uint32, error) {
	from := 0
	if text := strings.TrimLeft(args, delims); text != "" {
		if len(text) != 2 || text[0] != '/' || text[1] < '0' || text[1] > '8' {
			return s.syntax()
		}
		from = int(text[1] - '0')
	}
	if c := s.script; c != nil && from < len(c.args) {
		c.args = append(c.args[:from:from], c.args[from+1:]...)
	}
	return 0, nil
}

func (s *shell) setlocal(args string) (uint32, error) {
	if s.script == nil {
		return 0, nil // on a command line it does nothing
	}
	delayed := s.delayed
	for _, w := range strings.Fields(strings.ToLower(args)) {
		switch w {
		case "enabledelayedexpansion":
			delayed = true
		case "disabledelayedexpansion":
			delayed = false
		case "enableextensions":
		default:
			return unsupported("setlocal", args, "command extensions cannot be turned off here")
		}
	}
	s.script.locals = append(s.script.locals, local{nt.NewEnv(s.p.Env.List()...), s.p.Cwd, s.delayed})
	s.delayed = delayed
	return 0, nil
}

func (s *shell) endlocal(string) (uint32, error) {
	if s.script != nil && len(s.script.locals) > 0 {
		s.restore()
	}
	return 0, nil
}

func (s *shell) restore() {
	last := len(s.script.locals) - 1
	saved := s.script.locals[last]
	s.script.locals = s.script.locals[:last]
	s.p.Env, s.p.Cwd, s.delayed = saved.env, saved.cwd, saved.delayed
}

// pause has nobody to wait for.
func (s *shell) pause(string) (uint32, error) {
	s.p.Println("Press any key to continue . . . ")
	return 0, nil
}

// path prints or sets PATH.
func (s *shell) path(args string) (uint32, error) {
	switch text := strings.Trim(args, " \t="); text {
	case "":
		value, ok := s.p.Env.Get("PATH")
		if !ok {
			s.p.Println("PATH=(null)")
			return 0, nil
		}
		s.p.Println("PATH=%s", value)
	case ";":
		s.p.Env.Unset("PATH")
	default:
		s.p.Env.Set("PATH", text)
	}
	return 0, nil
}

// start runs a program and waits for it; one that nobody waits for would not
// outlive the step.
func (s *shell) start(ctx context.Context, args string) (uint32, error) {
	text := strings.TrimLeft(args, delims)
	if strings.HasPrefix(text, `"`) { // the title of a window
		if i := strings.IndexByte(text[1:], '"'); i >= 0 {
			text = strings.TrimLeft(text[i+2:], delims)
		}
	}
	wait := false
	for strings.HasPrefix(text, "/") {
		var option string
		option, text = splitName(text)
		text = strings.TrimLeft(text, delims)
		switch o := strings.ToLower(option); {
		case o == "/w" || o == "/wait":
			wait = true
		case o == "/b" || o == "/min" || o == "/max" || o == "/low" || o == "/normal" || o == "/high" || o == "/belownormal" || o == "/abovenormal":
		default:
			return unsupported("start", args, "only the options /WAIT, /B and those of priority and window are known without Windows")
		}
	}
	name, rest := splitName(text)
	if !wait || name == "" {
		return unsupported("start", args, "a program that nobody waits for ends with the step; add /WAIT")
	}
	if f := s.batchFile(name); f != nil {
		return s.program(ctx, "cmd", " /c "+text)
	}
	return s.program(ctx, name, rest)
}

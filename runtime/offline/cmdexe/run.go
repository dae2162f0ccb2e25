package cmdexe

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/mullion/mullion/runtime/offline/proc"
)

// Exec starts the program of a command line in a process of its own.
type Exec func(ctx context.Context, p *proc.Process, commandLine string) (uint32, error)

// shell is one running cmd.
type shell struct {
	p          *proc.Process
	exec       Exec
	errorlevel uint32
	exited     bool
	code       uint32   // the exit code, once exited
	dirs       []string // of pushd

	loops   map[byte]string // the variables of the loops around what runs
	delayed bool            // whether !NAME! is replaced
	script  *script         // the batch file that runs; nil on a command line
	depth   int             // of calls and loops
}

// stopped reports whether the rest of a line is not to be run.
func (s *shell) stopped() bool {
	return s.exited || (s.script != nil && (s.script.done || s.script.jump != ""))
}

// Main is cmd.exe. rest is the command line after the program's name, as
// written.
func Main(ctx context.Context, p *proc.Process, rest string, exec Exec) (uint32, error) {
	line, err := commandText(rest)
	if err != nil {
		return 0, err
	}
	s := &shell{p: p.Child(), exec: exec}
	rc, err := s.line(ctx, line)
	if s.exited {
		rc = s.code
	}
	return rc, err
}

// commandText finds the command in the arguments of cmd: what follows /C or /K,
// without the outer quotes by the rules of /S.
func commandText(rest string) (string, error) {
	strip := false
	for {
		rest = strings.TrimLeft(rest, delims)
		if len(rest) < 2 || rest[0] != '/' {
			return "", &proc.Unsupported{Command: "cmd " + rest, Why: "a shell without /C would wait for input"}
		}
		flag := strings.ToLower(rest[1:2])
		rest = rest[2:]
		switch flag {
		case "c", "r":
			return outerQuotes(strings.TrimLeft(rest, " \t"), strip), nil
		case "s":
			strip = true
		case "d", "q", "a":
		case "e":
			if !strings.HasPrefix(strings.ToLower(rest), ":on") {
				return "", &proc.Unsupported{Command: "cmd /E" + rest, Why: "command extensions cannot be turned off here"}
			}
			rest = rest[len(":on"):]
		default:
			return "", &proc.Unsupported{Command: "cmd /" + strings.ToUpper(flag) + rest, Why: "this option is not known without Windows"}
		}
	}
}

// outerQuotes removes the first and the last quote of a command that starts with
// one. Without /S, quotes that only enclose the path of a program stay.
func outerQuotes(s string, strip bool) string {
	if !strings.HasPrefix(s, `"`) {
		return s
	}
	if !strip && strings.Count(s, `"`) == 2 && !strings.ContainsAny(s, "&<>()@^|") {
		if path := s[1:strings.LastIndexByte(s, '"')]; strings.ContainsAny(path, " \t") && strings.Contains(path, `\`) {
			return s
		}
	}
	s = s[1:]
	if i := strings.LastIndexByte(s, '"'); i >= 0 {
		s = s[:i] + s[i+1:]
	}
	return s
}

// line expands, parses and runs one line.
func (s *shell) line(ctx context.Context, line string) (uint32, error) {
	if len(line) > maxLine {
		return 0, tooLong
	}
	if i := strings.IndexAny(strings.TrimRight(line, "\r\n"), "\r\n"); i >= 0 {
		return 0, &proc.Unsupported{Command: "cmd", Why: "the command has several lines, and cmd ends at the first line break; join them with &&"}
	}
	line, err := s.expand(line)
	if err != nil {
		return 0, err
	}
	n, err := parse(line)
	if err != nil || n == nil {
		return s.complained(err)
	}
	rc, err := s.run(ctx, n)
	if err != nil {
		return s.complained(err)
	}
	return rc, nil
}

// complained prints the error of a line that cmd cannot read, whose exit code is
// 1; any other error is ours.
func (s *shell) complained(err error) (uint32, error) {
	var syntax *syntaxError
	if errors.As(err, &syntax) {
		s.p.Complain("%s", syntax)
		s.errorlevel = 1
		return 1, nil
	}
	return 0, err
}

// run executes a node and returns its return code, which && and || go by. It may
// differ from ERRORLEVEL.
func (s *shell) run(ctx context.Context, n node) (uint32, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	switch n := n.(type) {
	case *seq:
		return s.sequence(ctx, n)
	case *block:
		return s.redirected(n.redirs, func() (uint32, error) { return s.run(ctx, n.body) })
	case *condition:
		yes, err := s.holds(n)
		if err != nil {
			return 0, err
		}
		if yes {
			return s.run(ctx, n.then)
		}
		if n.other != nil {
			return s.run(ctx, n.other)
		}
		return 0, nil
	case *loop:
		return s.loop(ctx, n)
	case *simple:
		return s.redirected(n.redirs, func() (uint32, error) {
			text, err := s.late(n.text)
			if err != nil {
				return 0, err
			}
			return s.dispatch(ctx, text)
		})
	}
	return 0, nil
}

func (s *shell) sequence(ctx context.Context, n *seq) (uint32, error) {
	if n.op == "|" {
		return s.pipe(ctx, n)
	}
	rc, err := s.run(ctx, n.left)
	if err != nil || s.stopped() {
		return rc, err
	}
	switch {
	case n.op == "&&" && rc != 0:
		return rc, nil
	case n.op == "||" && rc == 0:
		return rc, nil
	case n.op == "||":
		s.errorlevel = rc
	}
	return s.run(ctx, n.right)
}

// maxPipe bounds what a pipe holds: the left side ends before the right begins.
const maxPipe = 64 << 20

// pipe runs both sides in shells of their own, as cmd does.
func (s *shell) pipe(ctx context.Context, n *seq) (uint32, error) {
	var between bytes.Buffer
	left := s.child()
	left.p.Stdout = &limited{&between, maxPipe}
	if _, err := left.run(ctx, n.left); err != nil {
		return 0, err
	}
	right := s.child()
	right.p.Stdin = &between
	rc, err := right.run(ctx, n.right)
	if right.exited {
		rc = right.code
	}
	s.errorlevel = rc
	return rc, err
}

func (s *shell) child() *shell {
	return &shell{p: s.p.Child(), exec: s.exec, loops: s.loops, script: s.script.child(), depth: s.depth}
}

// limited refuses to write more than left bytes.
type limited struct {
	b    *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errors.New("a pipe holds more than 64 MiB")
	}
	return l.b.Write(p)
}

// dispatch runs a built-in command, a batch file or a program.
func (s *shell) dispatch(ctx context.Context, text string) (uint32, error) {
	name, args := splitName(text)
	if name == "" {
		return 0, nil
	}
	if len(name) == 2 && name[1] == ':' {
		return s.drive(name)
	}
	lower, rest := builtinName(name, args)
	switch lower {
	case "call":
		return s.call(ctx, rest)
	case "start":
		return s.start(ctx, rest)
	}
	if b, ok := builtin(lower); ok {
		rc, err := b.run(s, rest)
		if !b.keepsErrorlevel || (rc != 0 && !b.keepsOnFailure) {
			s.errorlevel = rc
		}
		return rc, err
	}
	if f := s.batchFile(name); f != nil {
		return s.transfer(ctx, f, name, args)
	}
	return s.program(ctx, name, args)
}

func (s *shell) program(ctx context.Context, name, args string) (uint32, error) {
	rc, err := s.exec(ctx, s.p.Child(), programLine(name, args))
	s.errorlevel = rc
	return rc, err
}

// programLine is the command line of a program. A slash ends an unquoted name:
// "ipconfig/all" is a name and an option.
func programLine(name, args string) string {
	if i := strings.IndexByte(name, '/'); i > 0 && !strings.Contains(name, `"`) {
		name, args = name[:i], " "+name[i:]+args
	}
	return name + args
}

// drive changes to a drive, of which there is one.
func (s *shell) drive(name string) (uint32, error) {
	if strings.EqualFold(name, "c:") {
		return 0, nil
	}
	s.p.Complain("The system cannot find the drive specified.")
	s.errorlevel = 1
	return 1, nil
}

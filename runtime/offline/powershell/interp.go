package powershell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// Exec starts a program, a batch file among them, in a process of its own.
type Exec func(ctx context.Context, p *proc.Process, commandLine string) (uint32, error)

// interp runs one script and what it calls.
type interp struct {
	ctx   context.Context
	p     *proc.Process
	exec  Exec
	core  bool // PowerShell 7 rather than Windows PowerShell 5.1
	scope *scope
	src   *source // of what runs

	ok       bool // $?
	lastExit any  // $LASTEXITCODE
	errors   *list
	streams  streams
	trying   int // how many try blocks are around
	strict   bool
	aliases  map[string]string
	drives   map[string]string // of New-PSDrive, to the roots of keys
	stack    []string          // of Push-Location
	clock    *clock
	depth    int
	steps    int
}

const (
	maxDepth = 200      // calls within each other
	maxSteps = 50 << 20 // statements and loop turns of one script, a bound on memory it can take by growing
)

// scope is a level of variables and functions.
type scope struct {
	outer     *scope
	vars      map[string]any
	functions map[string]*function
	script    bool // whether it is a script's own
}

type function struct {
	name  string
	block *block
	s     *source
	each  bool // a filter
}

func newScope(outer *scope) *scope { return &scope{outer: outer, vars: map[string]any{}} }

// thrown is an error that try can catch.
type thrown struct {
	record *errorRecord
	final  bool // it ends the script, not only the statement
}

func (t *thrown) Error() string { return t.record.message }

// flow is a break, continue or return on its way.
type flow struct {
	word, label string
}

func (f *flow) Error() string { return f.word + " outside of a loop" }

// exitError is exit on its way.
type exitError struct{ code uint32 }

func (e *exitError) Error() string { return fmt.Sprintf("exit %d", e.code) }

// sink takes in what a statement puts out.
type sink func(v any) error

func discard(any) error { return nil }

// unsupported is the error for what the interpreter does not know.
func (in *interp) unsupported(at pos, command, why string) error {
	line, col := place(in.src.text, at)
	where := fmt.Sprintf("line %d, column %d", line, col)
	if in.src.file != "" {
		where = in.src.file + ", " + where
	}
	return &proc.Unsupported{Command: strings.TrimSpace(command), Why: where + ": " + why}
}

// raise makes an error that try can catch.
func (in *interp) raise(at pos, kind, format string, args ...any) error {
	return &thrown{record: &errorRecord{message: fmt.Sprintf(format, args...), kind: kind, id: kind[strings.LastIndexByte(kind, '.')+1:], at: at, s: in.src}}
}

const runtimeException = "System.Management.Automation.RuntimeException"

// lookup finds a variable.
func (in *interp) lookup(v *variableExpr) (any, error) {
	name := strings.ToLower(v.name)
	switch v.scope {
	case "env":
		if value, ok := in.p.Env.Get(v.name); ok {
			return value, nil
		}
		return in.machineVariable(v)
	case "", "script", "global", "local", "private", "using", "variable":
	default:
		if path := v.scope + `:\` + v.name; v.scope == "function" || v.scope == "c" {
			return nil, in.unsupported(v.pos, "$"+path, "only variables and $env: are known this way")
		}
		return nil, in.unsupported(v.pos, "$"+v.scope+":"+v.name, "this drive is not known without Windows")
	}
	switch name {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "null":
		return nil, nil
	case "?":
		return in.ok, nil
	case "lastexitcode":
		return in.lastExit, nil
	case "error":
		return in.errors, nil
	case "pwd":
		return in.location(), nil
	case "home":
		home, _ := in.p.Env.Get("USERPROFILE")
		return home, nil
	case "psversiontable":
		return in.versionTable(), nil
	case "psedition":
		return in.edition(), nil
	case "iswindows":
		if in.core {
			return true, nil
		}
	case "islinux", "ismacos", "iscoreclr":
		if in.core {
			return name == "iscoreclr", nil
		}
	case "pid", "host", "profile", "pshome", "shellid", "myinvocation", "executioncontext", "psculture", "psuiculture":
		if name == "pshome" {
			return `C:\Windows\System32\WindowsPowerShell\v1.0`, nil
		}
		if name == "myinvocation" || name == "profile" {
			break
		}
		return nil, in.unsupported(v.pos, "$"+v.name, "its value depends on the machine")
	}
	for s := in.scopeOf(v.scope); s != nil; s = s.outer {
		if value, ok := s.vars[name]; ok {
			return value, nil
		}
		if v.scope == "local" || v.scope == "private" {
			break
		}
	}
	if in.strict && name != "_" && name != "args" && name != "input" && name != "matches" && !strings.HasSuffix(name, "preference") {
		return nil, in.raise(v.pos, runtimeException, "The variable '$%s' cannot be retrieved because it has not been set.", v.name)
	}
	return nil, nil
}

// machineVariable explains variables that Windows always has and the build has not.
func (in *interp) machineVariable(v *variableExpr) (any, error) {
	switch strings.ToUpper(v.name) {
	case "COMPUTERNAME", "NUMBER_OF_PROCESSORS", "PROCESSOR_IDENTIFIER":
		return nil, in.unsupported(v.pos, "$env:"+v.name, "its value depends on the machine and would differ from build to build")
	}
	return nil, nil
}

func (in *interp) edition() string {
	if in.core {
		return "Core"
	}
	return "Desktop"
}

func (in *interp) versionTable() any {
	v := version{5, 1, 20348, 2227}
	if in.core {
		v = version{7, 4, 6, -1}
	}
	h := newHash()
	h.set("PSVersion", v)
	h.set("PSEdition", in.edition())
	if in.core {
		h.set("Platform", "Win32NT")
		h.set("OS", "Microsoft Windows "+in.p.Version)
	}
	return h
}

func (in *interp) scopeOf(name string) *scope {
	s := in.scope
	switch name {
	case "global":
		for s.outer != nil {
			s = s.outer
		}
	case "script":
		for s.outer != nil && !s.script {
			s = s.outer
		}
	}
	return s
}

// set gives a variable a value.
func (in *interp) set(v *variableExpr, value any) error {
	name := strings.ToLower(v.name)
	switch v.scope {
	case "env":
		if text := toString(value); text == "" {
			in.p.Env.Unset(v.name)
		} else {
			in.p.Env.Set(v.name, text)
		}
		return nil
	case "", "script", "global", "local", "private", "variable":
	default:
		return in.unsupported(v.pos, "$"+v.scope+":"+v.name, "this drive is not known without Windows")
	}
	switch name {
	case "true", "false", "null", "?", "pwd", "psversiontable", "home", "pid":
		if name == "null" {
			return nil
		}
		return in.raise(v.pos, "System.Management.Automation.SessionStateUnauthorizedAccessException", "Cannot overwrite variable %s because it is read-only or constant.", v.name)
	case "lastexitcode":
		in.lastExit = value
		return nil
	}
	in.scopeOf(v.scope).vars[name] = value
	return nil
}

// preference is the value of a variable such as $ErrorActionPreference.
func (in *interp) preference(name string) string {
	v, err := in.lookup(&variableExpr{name: name})
	if err != nil {
		return ""
	}
	return strings.ToLower(toString(v))
}

// function finds a function by its name.
func (in *interp) function(name string) *function {
	for s := in.scope; s != nil; s = s.outer {
		if f, ok := s.functions[strings.ToLower(name)]; ok {
			return f
		}
	}
	return nil
}

// step counts what runs, and ends with the context.
func (in *interp) step(at pos) error {
	if err := in.ctx.Err(); err != nil {
		return err
	}
	if in.steps++; in.steps > maxSteps {
		return in.unsupported(at, "the script", "it runs for too many steps; does it wait for something that a build has not got?")
	}
	return nil
}

// deeper counts calls within each other; the result undoes it.
func (in *interp) deeper(at pos) (func(), error) {
	if in.depth++; in.depth > maxDepth {
		in.depth--
		return nil, in.raise(at, "System.Management.Automation.ScriptCallDepthException", "The script failed due to call depth overflow.")
	}
	return func() { in.depth-- }, nil
}

// write prints a line to the process's output.
func (in *interp) write(line string) error {
	_, err := io.WriteString(in.p.Stdout, strings.ReplaceAll(strings.ReplaceAll(line, "\r\n", "\n"), "\n", "\r\n")+"\r\n")
	return err
}

// show prints an error as PowerShell does to the error stream.
func (in *interp) show(e *errorRecord) {
	text := e.message
	if e.s != nil {
		line, col := place(e.s.text, e.at)
		where := "line:"
		if e.s.file != "" {
			where = e.s.file + ":"
		}
		text = fmt.Sprintf("%s\nAt %s%d char:%d", text, where, line, col)
	}
	in.p.Complain("%s", strings.ReplaceAll(text, "\n", "\r\n"))
}

// report takes in an error that does not end the script, unless
// $ErrorActionPreference or the command's -ErrorAction (action) say so.
func (in *interp) report(e *errorRecord, action string) error {
	if action == "" {
		action = in.preference("ErrorActionPreference")
	}
	in.ok = false
	switch action {
	case "stop", "1":
		return &thrown{record: e, final: true}
	case "ignore", "4":
		return nil
	}
	in.remember(e)
	if action != "silentlycontinue" && action != "0" {
		in.showError(e)
	}
	return nil
}

// maxErrors is how many errors $Error keeps, as PowerShell's $MaximumErrorCount.
const maxErrors = 256

func (in *interp) remember(e *errorRecord) {
	in.errors.items = append([]any{e}, in.errors.items[:min(len(in.errors.items), maxErrors-1)]...)
}

// path turns a path of a script into one of the Scratch, by the rules of the file
// system provider.
func (in *interp) path(at pos, s string) (string, error) {
	s = strings.TrimPrefix(s, "Microsoft.PowerShell.Core\\FileSystem::")
	s = strings.TrimPrefix(s, "FileSystem::")
	if strings.HasPrefix(s, "~") && (len(s) == 1 || s[1] == '\\' || s[1] == '/') {
		home, _ := in.p.Env.Get("USERPROFILE")
		s = home + s[1:]
	}
	if i := strings.IndexByte(s, ':'); i > 1 && !strings.ContainsAny(s[:i], `\/`) {
		return "", in.raise(at, "System.Management.Automation.DriveNotFoundException", "Cannot find drive. A drive with the name '%s' does not exist.", s[:i])
	}
	cpath, err := nt.Rel(in.p.Cwd, s)
	if err != nil {
		return "", in.raise(at, "System.ArgumentException", "%v", err)
	}
	return cpath, nil
}

// asError turns an error of ours into one of the script, if it is one that Windows
// would have had too.
func asThrown(err error) (*thrown, bool) {
	var t *thrown
	ok := errors.As(err, &t)
	return t, ok
}

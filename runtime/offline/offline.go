// Package offline is a Windows command shell without Windows: it carries out the
// command lines of RUN on the files and the registry of a Scratch.
//
// What it does, it does as Windows would. What it does not know is an
// [*UnsupportedError]; it never skips a command and never guesses.
package offline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime/offline/cmdexe"
	"github.com/mullion/mullion/runtime/offline/powershell"
	"github.com/mullion/mullion/runtime/offline/proc"
	"github.com/mullion/mullion/runtime/offline/tools"
)

// Options says what a command line runs over.
type Options struct {
	Scratch *view.Scratch // what it changes
	Cwd     string        // the working directory, a Windows path that exists; "" means `C:\`
	Env     *nt.Env       // the environment, see [Environment]; it is not changed
	Stdout  io.Writer     // nil discards
	Stderr  io.Writer     // nil discards
	Pos     string        // where the command line stands, "Containerfile:12", for errors
	Version string        // of the image's Windows, "10.0.20348.2700"; "" if unknown
	User    string        // the account that the command runs as; "" for ContainerAdministrator
	Web     *http.Client  // for downloads; nil if the command has no network
	// Program runs the command line of a program that is not known here over what the Scratch holds by then, and has what it
	// wrote in the Scratch; nil if there is nothing that can. Without it such a program is an [*UnsupportedError].
	Program func(ctx context.Context, c ProgramCall) (exit uint32, err error)
}

// ProgramCall is the start of a program.
type ProgramCall struct {
	CommandLine    string
	Cwd            string
	Env            []string // NAME=VALUE, all of them
	Stdout, Stderr io.Writer
}

// UnsupportedError reports a command that cannot be carried out without Windows.
type UnsupportedError struct {
	Pos     string // "Containerfile:12"
	Command string // the command as written
	Why     string // what about it is not known
	Program bool   // it is a program that a Runtime may run
}

// Error is one line: where, what, why, and the ways out.
func (e *UnsupportedError) Error() string {
	at := ""
	if e.Pos != "" {
		at = e.Pos + ": "
	}
	return fmt.Sprintf("%sRUN %s: %s (docs/run.md lists what is known; or COPY in what the command would make, or build this stage on Windows and name it in FROM)", at, e.Command, e.Why)
}

// Commands lists what the shell knows, in a fixed order.
func Commands() []string { return append(cmdexe.Builtins(), tools.Names()...) }

// Run carries out one command line, as CreateProcess takes it, and returns the
// exit code of its program. An exit code other than 0 is no error. After an
// error the Scratch may hold part of the changes.
func Run(ctx context.Context, o Options, commandLine string) (exit uint32, err error) {
	p := &proc.Process{
		Files: o.Scratch, Cwd: o.Cwd, Env: nt.NewEnv(o.Env.List()...),
		Stdin: strings.NewReader(""), Stdout: o.Stdout, Stderr: o.Stderr, Version: o.Version,
		Admin: administrator(o.User), Web: o.Web,
	}
	if o.Program != nil {
		p.Run = func(ctx context.Context, p *proc.Process, line string) (uint32, error) {
			return o.Program(ctx, ProgramCall{line, p.Cwd, p.Env.List(), p.Stdout, p.Stderr})
		}
	}
	if p.Cwd == "" {
		p.Cwd = `C:\`
	}
	if p.Stdout == nil {
		p.Stdout = io.Discard
	}
	if p.Stderr == nil {
		p.Stderr = io.Discard
	}
	exit, err = start(ctx, p, commandLine)
	var unsupported *proc.Unsupported
	if errors.As(err, &unsupported) {
		return 0, &UnsupportedError{Pos: o.Pos, Command: unsupported.Command, Why: unsupported.Why, Program: unsupported.Program}
	}
	if err != nil && o.Pos != "" {
		err = fmt.Errorf("%s: %w", o.Pos, err)
	}
	return exit, err
}

// maxDepth is how many programs may wait for each other.
const maxDepth = 50

// start runs the program that a command line names.
func start(ctx context.Context, p *proc.Process, line string) (uint32, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if p.Depth > maxDepth {
		return 0, &proc.Unsupported{Command: line, Why: fmt.Sprintf("more than %d programs have started each other", maxDepth)}
	}
	name, rest := cmdexe.SplitProgram(line)
	base := strings.TrimSuffix(strings.ToLower(path.Base(strings.ReplaceAll(name, `\`, "/"))), ".exe")
	if base == "" {
		return 0, &proc.Unsupported{Command: line, Why: "the command line is empty"}
	}
	if ext := strings.ToLower(path.Ext(p.Search(name))); ext == ".bat" || ext == ".cmd" {
		return cmdexe.Main(ctx, p, " /c "+line, start) // as CreateProcess does
	}
	if err := ours(p, name, base); err != nil {
		return run(ctx, p, line, err)
	}
	if base == "cmd" {
		return cmdexe.Main(ctx, p, rest, start)
	}
	if base == "powershell" || base == "pwsh" {
		return powershell.Main(ctx, p.Child(), nt.SplitCommandLine(line)[1:], base == "pwsh", start)
	}
	if tool, ok := tools.Find(base); ok {
		args := nt.SplitCommandLine(line)
		return tool(ctx, p, args[1:])
	}
	return run(ctx, p, line, &proc.Unsupported{Command: name, Why: why(base), Program: base == "msiexec"})
}

// run starts a program where programs can be run; unknown is the error where they cannot.
func run(ctx context.Context, p *proc.Process, line string, unknown error) (uint32, error) {
	var u *proc.Unsupported
	if p.Run == nil || !errors.As(unknown, &u) || !u.Program {
		return 0, unknown
	}
	return p.Run(ctx, p, line)
}

// why explains what is missing for a program, for the well-known ones in
// particular.
func why(base string) string {
	switch base {
	case "msiexec", "dism", "choco", "winget":
		return "installers cannot be run without Windows"
	}
	return "this program cannot be run without Windows"
}

// administrator tells whether an account may write the machine's registry.
func administrator(user string) bool {
	switch strings.ToLower(account(user)) {
	case "containeradministrator", "administrator", "system":
		return true
	}
	return false
}

// ours makes sure that name means the system's own program: a file of the image
// by the same name that comes first in the search, or that is elsewhere than in
// System32, is a program that cannot be run.
func ours(p *proc.Process, name, base string) error {
	system := "windows/system32/" + base
	found := p.Search(name)
	if found == "" && strings.ContainsAny(name, `\/:`) {
		path, err := p.Path(name)
		if err != nil || !nt.EqualFold(path, system) && !nt.EqualFold(path, system+".exe") {
			return &proc.Unsupported{Command: name, Why: "the image has no such program"}
		}
		return nil
	}
	if found == "" || nt.EqualFold(found, system+".exe") {
		return nil
	}
	return &proc.Unsupported{Command: name, Why: fmt.Sprintf("%s is a program of the image and cannot be run without Windows", nt.Win(found)), Program: true}
}

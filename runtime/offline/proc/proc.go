// Package proc is what a command of the offline shell sees: a process without a
// machine, over the files and the registry of a Scratch.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
)

// Process is the surroundings of one command: what it may read and change, and
// where its output goes. Env and Cwd belong to it alone; Files is shared with the
// processes around it.
type Process struct {
	Files          *view.Scratch
	Cwd            string // an absolute Windows path
	Env            *nt.Env
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Version        string       // of Windows, "10.0.20348.2700"; "" if the image has none
	Admin          bool         // whether it may write the machine's registry
	Depth          int          // how many processes it descends from
	Web            *http.Client // for downloads; nil if there is no network
	// Run carries out the command line of a program that is not known here, on Files as they are, and has what it wrote in
	// them; nil if there is nothing that could.
	Run func(ctx context.Context, p *Process, commandLine string) (exit uint32, err error)
}

// Program is a command that is a process of its own. args are those after its
// name. An error means that the command could not be simulated; failing as the
// real one would is an exit code.
type Program func(ctx context.Context, p *Process, args []string) (exit uint32, err error)

// Unsupported says that a command, or a way of calling it, is not known to the
// offline shell. Nothing was changed on its behalf.
type Unsupported struct {
	Command string // as written
	Why     string // what about it
	Program bool   // it is a program that could run elsewhere: one of the image, or an installer that Wine has too
}

func (e *Unsupported) Error() string { return fmt.Sprintf("%s: %s", e.Command, e.Why) }

// Child is a process started by p: it has copies of p's environment and working
// directory and shares the rest.
func (p *Process) Child() *Process {
	c := *p
	c.Env = nt.NewEnv(p.Env.List()...)
	c.Depth++
	return &c
}

// Path turns a path that a command was given into one of Files.
func (p *Process) Path(path string) (string, error) {
	return nt.Rel(p.Cwd, strings.Trim(path, `"`))
}

// Println writes a line to the process's output with Windows' line end.
func (p *Process) Println(format string, args ...any) {
	fmt.Fprintf(p.Stdout, format+"\r\n", args...)
}

// Complain writes a line to the process's error output.
func (p *Process) Complain(format string, args ...any) {
	fmt.Fprintf(p.Stderr, format+"\r\n", args...)
}

// Confirm reads one line of the answer to a question, as programs do that are
// not run by a person: only a line that starts with y means yes, and the end of
// input means no.
func (p *Process) Confirm() bool {
	line, _ := ReadLine(p.Stdin)
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

// ReadLine reads a line of at most 4096 bytes without its end, byte by byte, so
// that the next command finds the rest. At the input's end the line is empty.
func ReadLine(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for r != nil && len(line) < 4096 {
		n, err := r.Read(b)
		if n > 0 && b[0] == '\n' {
			break
		}
		line = append(line, b[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
	}
	return strings.TrimSuffix(string(line), "\r"), nil
}

// IsNull reports whether path is the null device.
func IsNull(path string) bool {
	path = strings.TrimPrefix(path, `\\.\`)
	return strings.EqualFold(strings.TrimSuffix(path, ":"), "nul")
}

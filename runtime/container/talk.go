package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/wire"
)

// A client and a supervisor speak frames: over the supervisor's standard input and
// output with the command that launched it, over the container's control socket
// with any other. The client's first frame says what it wants.
const (
	// kindRequest is a request in JSON, the client's first frame.
	kindRequest wire.Kind = 'q'
	// kindStdin is a piece of standard input, sent when asked for by kindWant; an
	// empty one is its end.
	kindStdin wire.Kind = 'i'
	// kindSize is the terminal's new size, a runtime.Size in JSON.
	kindSize wire.Kind = 'z'
	// kindSignal is a Signal.
	kindSignal wire.Kind = 'g'

	// kindReply is a reply in JSON, the supervisor's first frame.
	kindReply wire.Kind = 'r'
	// kindWant asks for a piece of standard input. It is empty.
	kindWant wire.Kind = 'w'
	// kindStdout and kindStderr are pieces of output.
	kindStdout wire.Kind = 'o'
	kindStderr wire.Kind = 'e'
	// kindEnd is an Ending in JSON, the last frame.
	kindEnd wire.Kind = 'x'
)

// Signal is what a client passes on to the program it is attached to.
type Signal string

const (
	// Interrupt is Ctrl+C.
	Interrupt Signal = "interrupt"
	// Stop is what Container.Stop does.
	Stop Signal = "stop"
	// Kill is what Container.Kill does.
	Kill Signal = "kill"
)

// What a request can ask for.
const (
	opAttach = "attach" // to take part in the program's streams, answered by its end too
	opExec   = "exec"   // to run another program, likewise
	opSignal = "signal"
	opTop    = "top"
	opStats  = "stats"
	opUpdate = "update"
)

// request is what a client wants.
type request struct {
	Op string `json:"op"`
	// Stdin and Output say which streams an attached client takes part in.
	Stdin  bool         `json:"stdin,omitempty"`
	Output bool         `json:"output,omitempty"`
	Size   runtime.Size `json:"size,omitzero"`
	Exec   *ExecConfig  `json:"exec,omitempty"`
	Signal Signal       `json:"signal,omitempty"`
	// Seconds is how long a program may take to stop.
	Seconds int            `json:"seconds,omitempty"`
	Limits  runtime.Limits `json:"limits,omitzero"`
}

// reply answers a request; for opAttach and opExec it says that the program runs.
type reply struct {
	Error     string                `json:"error,omitempty"`
	Code      int                   `json:"code,omitempty"` // the run command's, with Error
	Processes []runtime.ProcessInfo `json:"processes,omitempty"`
	Stats     runtime.Stats         `json:"stats,omitzero"`
}

// ExecConfig is one more program for a running container.
type ExecConfig struct {
	CommandLine string   `json:"commandLine"`
	Env         []string `json:"env,omitempty"`
	Cwd         string   `json:"cwd,omitempty"`
	User        string   `json:"user,omitempty"`
	TTY         bool     `json:"tty,omitempty"`
}

// Ending is how a program ended.
type Ending struct {
	// Exit is its exit code, nil when it did not start or was lost.
	Exit *uint32 `json:"exit,omitempty"`
	// Error is why it did not start, or what went wrong at its end; Code is the exit
	// code for the run command then.
	Error string `json:"error,omitempty"`
	Code  int    `json:"code,omitempty"`
	// Explanation says more about an exit code.
	Explanation string `json:"explanation,omitempty"`
	// Detached says that the client went away by itself and the program lives on.
	Detached bool `json:"-"`
}

func endingOf(exit *uint32, err error) Ending {
	e := Ending{Exit: exit}
	if err != nil {
		e.Error, e.Code = err.Error(), runtime.ExitCode(err)
	}
	return e
}

// receive fills v from the next frame, which must be of the kind want.
func receive(conn *wire.Conn, want wire.Kind, v any) error {
	kind, content, err := conn.Receive()
	if err != nil {
		return err
	}
	return decode(kind, want, content, v)
}

func decode(kind, want wire.Kind, content []byte, v any) error {
	if kind != want {
		return fmt.Errorf("a frame %q came where one %q was due", kind, want)
	}
	if err := json.Unmarshal(content, v); err != nil {
		return fmt.Errorf("frame %q: %w", kind, err)
	}
	return nil
}

// duplex makes one stream of two.
type duplex struct {
	io.Reader
	io.Writer
}

var errGone = errors.New("the supervisor is gone")

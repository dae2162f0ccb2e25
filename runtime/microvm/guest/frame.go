package guest

import "github.com/mullion/mullion/runtime/wire"

// The frames from the host to the VM.
const (
	// KindConfig is a [Config] in JSON, the answer to KindHello.
	KindConfig wire.Kind = 'c'
	// KindStdin is a piece of the program's standard input, sent when asked for by
	// KindWant; an empty one is its end.
	KindStdin wire.Kind = 'i'
	// KindKill asks for the program's end.
	KindKill wire.Kind = 'k'
	// KindTop asks for the process list.
	KindTop wire.Kind = 't'
)

// The frames from the VM to the host.
const (
	// KindHello is the VM's first frame, a [Hello] in JSON.
	KindHello wire.Kind = 'h'
	// KindStarted says that the program runs. It is empty.
	KindStarted wire.Kind = 's'
	// KindFailed ends a VM that could not start or save the program: a message.
	KindFailed wire.Kind = 'f'
	// KindWant asks for a piece of standard input. It is empty.
	KindWant wire.Kind = 'w'
	// KindStdout is a piece of the program's standard output.
	KindStdout wire.Kind = 'o'
	// KindStderr is a piece of the program's standard error.
	KindStderr wire.Kind = 'e'
	// KindProcesses answers KindTop: a list of processes in JSON.
	KindProcesses wire.Kind = 'p'
	// KindExit says how the program ended, in JSON, after all its output.
	KindExit wire.Kind = 'x'
)

// KindState, in both directions, is a piece of the container's state (package
// runtime/microvm/state); an empty one is its end. The host sends it after the
// Config, the VM after KindExit.
const KindState wire.Kind = 'S'

// Version is the version of the protocol and of the VM's first process.
const Version = 1

// Hello is the content of KindHello.
type Hello struct {
	Version int `json:"version"`
}

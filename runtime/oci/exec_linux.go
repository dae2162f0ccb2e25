package oci

import (
	"context"
	"fmt"

	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/guest"
)

var (
	_ runtime.Executor       = (*process)(nil)
	_ runtime.Interrupter    = (*process)(nil)
	_ runtime.Resizer        = (*process)(nil)
	_ runtime.Updater        = (*process)(nil)
	_ runtime.Meter          = (*process)(nil)
	_ runtime.MemoryReporter = (*process)(nil)
	_ runtime.Publisher      = (*process)(nil)
)

// executed is a program beside the container's first.
type executed struct {
	*guest.Program
	streams *guest.Streams
	done    chan struct{} // closed when the fields below are set
	exit    uint32
	err     error
}

// Exec implements [runtime.Executor].
func (p *process) Exec(ctx context.Context, e *runtime.Exec) (runtime.Program, error) {
	config, err := p.prepared.Exec(e)
	if err != nil {
		return nil, err
	}
	streams, err := newStreams(e.TTY, e.Size, e.Stdin, e.Stdout, e.Stderr)
	if err != nil {
		return nil, err
	}
	program, err := p.conn.Exec(ctx, config, streams.Child)
	streams.Carry()
	if err != nil {
		streams.Finish()
		return nil, err
	}
	x := &executed{Program: program, streams: streams, done: make(chan struct{})}
	go x.finish()
	return x, nil
}

func (x *executed) finish() {
	defer close(x.done)
	exit, err := x.Program.Wait(context.Background())
	x.streams.Finish()
	x.exit, x.err = exit.Code, err
	if err != nil {
		x.err = fmt.Errorf("the program was lost: %w", err)
	}
}

// Wait implements [runtime.Program].
func (x *executed) Wait(ctx context.Context) (uint32, error) {
	select {
	case <-x.done:
		return x.exit, x.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Resize implements [runtime.Resizer].
func (x *executed) Resize(s runtime.Size) error { return x.streams.Resize(s.Rows, s.Columns) }

package guest

import (
	"context"
	"errors"
	"os/exec"
)

// Conn is the supervisor's end of a guest.
type Conn struct{}

// Start starts cmd, which is the guest ([Name] as its argv[0]) or a program that
// hands file descriptor 3 on to it, and sends it config. The standard streams are
// cmd's own; cmd.ExtraFiles must be empty. The caller waits for cmd.
//
// When the caller's process ends, the guest ends its program.
func Start(cmd *exec.Cmd, config *Config) (*Conn, error) {
	return nil, errors.New("start the guest: not written yet")
}

// Started waits until the program runs and returns its process id inside.
func (c *Conn) Started(ctx context.Context) (pid int, err error) {
	return 0, errors.New("not written yet")
}

// Wait waits until the program has ended and its registry is saved. It may be
// called any number of times.
func (c *Conn) Wait(ctx context.Context) (Exit, error) {
	return Exit{}, errors.New("not written yet")
}

// Kill ends the program and all it started; Wait then gives 137. The registry is
// still saved. Killing what has ended is no error.
func (c *Conn) Kill() error { return errors.New("not written yet") }

// Top lists the Windows processes that run, without the guest's own and Wine's
// server.
func (c *Conn) Top(ctx context.Context) ([]Process, error) {
	return nil, errors.New("not written yet")
}

// Close lets go of the guest, which then ends. A second Close returns nil.
func (c *Conn) Close() error { return nil }

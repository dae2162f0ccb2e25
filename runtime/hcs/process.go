package hcs

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/mullion/mullion/runtime"
)

// killedCode is what the Process contract gives for a killed program.
const killedCode = 137

// stream connects the program's streams. Both outputs are read at once: a program
// that fills one pipe while we read the other would wait for ever.
func (c *started) stream(spec *runtime.Spec) error {
	stdin, stdout, stderr, err := c.program.Stdio()
	if err != nil {
		return explain("open the program's streams", err)
	}
	c.pump(&oneAtATime{&c.output, spec.Stdout}, stdout)
	c.pump(&oneAtATime{&c.output, spec.Stderr}, stderr)
	go func() {
		if spec.Stdin != nil {
			// The program may end before its input does: no error to tell.
			_, _ = io.Copy(stdin, spec.Stdin)
		}
		_ = stdin.Close()
	}()
	return nil
}

func (c *started) pump(dst io.Writer, src io.ReadCloser) {
	c.copies.Go(func() {
		// When dst takes no more, the program still must be able to write.
		_, _ = io.Copy(dst, src)
		_, _ = io.Copy(io.Discard, src)
		_ = src.Close()
	})
}

// oneAtATime is a writer, or nil for none, that may be the program's standard output and error both.
type oneAtATime struct {
	turn *sync.Mutex
	w    io.Writer
}

func (o *oneAtATime) Write(b []byte) (int, error) {
	if o.w == nil {
		return len(b), nil
	}
	o.turn.Lock()
	defer o.turn.Unlock()
	return o.w.Write(b)
}

// Pid is the program's in the host's list under process isolation. Under Hyper-V
// isolation the host's list has only the VM's memory process, whose id the
// service does not tell: 0.
func (c *started) Pid() int {
	if c.iso == runtime.HyperVIsolation {
		return 0
	}
	return c.program.Pid()
}

// Wait implements runtime.Process.
func (c *started) Wait(ctx context.Context) (uint32, error) {
	type result struct {
		exit uint32
		err  error
	}
	done := make(chan result, 1)
	go func() {
		exit, err := c.program.Wait()
		c.copies.Wait()
		done <- result{exit, explain("wait for the program", err)}
	}()
	select {
	case r := <-done:
		if c.killed.Load() && r.err == nil {
			return killedCode, nil
		}
		return r.exit, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Kill implements runtime.Process.
func (c *started) Kill() error {
	// Before the call: Wait may return before it does.
	c.killed.Store(true)
	err := c.program.Kill()
	if err != nil {
		c.killed.Store(false)
	}
	return unlessGone("kill the program", err)
}

// Top implements runtime.Process.
func (c *started) Top(context.Context) ([]runtime.ProcessInfo, error) {
	list, err := c.system.Processes()
	return list, explain("list processes", err)
}

// Close undoes a start, all steps in order whatever each says; what is gone
// already is no error. The layer with the program's files stays.
func (c *started) Close() (err error) {
	c.closing.Do(func() { err = c.undo() })
	return err
}

func (c *started) undo() error {
	var errs []error
	if c.system != nil {
		errs = append(errs, unlessGone("stop container", c.system.Stop(stopGrace)))
	}
	if c.program != nil {
		c.copies.Wait()
		errs = append(errs, unlessGone("close process", c.program.Close()))
	}
	if c.mounted {
		errs = append(errs,
			unlessGone("unprepare layer", c.storage.Unprepare(c.scratch)),
			unlessGone("deactivate layer", c.storage.Deactivate(c.scratch)))
	}
	return errors.Join(errs...)
}

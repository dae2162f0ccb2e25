package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/runtime/guest"
	"github.com/mullion/mullion/runtime/microvm/state"
	"github.com/mullion/mullion/runtime/wire"
)

// serve runs the one program of this VM and sends its state back.
func serve(c *wire.Conn) error {
	config, err := receive(c)
	if err != nil {
		return err
	}
	if err := identity(config); err != nil {
		return err
	}
	if err := compose(config); err != nil {
		return err
	}
	if err := limitMemory(config.Memory); err != nil {
		return err
	}
	exit, err := runProgram(c, config.Program)
	if err != nil {
		return err
	}
	if err := c.SendJSON(KindExit, exit); err != nil {
		return err
	}
	out := c.Stream(KindState)
	if err := state.Pack(out, scratchDir, StateFolders()...); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	select {} // the host ends the VM when it has all; if it goes away, commands does
}

// program is the running program with the ends of its standard streams.
type program struct {
	c     *wire.Conn
	guest *guest.Conn
	stdin *os.File
	input chan []byte // pieces that the host sent, one at a time
}

// runProgram starts the program and returns when it has ended and all it wrote is sent.
func runProgram(c *wire.Conn, config *guest.Config) (*guest.Exit, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{enterName}
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	var pipes sync.WaitGroup
	in, err := connect(c, cmd, &pipes)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	g, err := guest.Start(cmd, config)
	closeChildEnds(cmd)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	if _, err := g.Started(context.Background()); err != nil {
		return nil, err
	}
	if err := c.Send(KindStarted, nil); err != nil {
		return nil, err
	}
	p := &program{c: c, guest: g, stdin: in, input: make(chan []byte)}
	go p.feed()
	go p.commands()
	exit, err := g.Wait(context.Background())
	if err != nil {
		return nil, err
	}
	// The end of process 1 of a PID namespace is the end of all in it, so that the
	// pipes reach their ends after this.
	_ = g.Close()
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		return nil, err
	}
	pipes.Wait()
	return &exit, nil
}

// connect gives cmd its standard streams and starts sending its output. It returns
// the writing end of its input.
func connect(c *wire.Conn, cmd *exec.Cmd, pipes *sync.WaitGroup) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdin = r
	for _, s := range []struct {
		to   *io.Writer
		kind wire.Kind
	}{{&cmd.Stdout, KindStdout}, {&cmd.Stderr, KindStderr}} {
		out, child, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		*s.to = child
		pipes.Go(func() {
			defer out.Close()
			_, _ = io.CopyBuffer(struct{ io.Writer }{c.Stream(s.kind)}, out, make([]byte, wire.Piece))
		})
	}
	return w, nil
}

// closeChildEnds closes the ends of the pipes that the child has now.
func closeChildEnds(cmd *exec.Cmd) {
	for _, end := range []any{cmd.Stdin, cmd.Stdout, cmd.Stderr} {
		if f, ok := end.(*os.File); ok {
			f.Close()
		}
	}
}

// feed asks for input piece by piece, the next when the program has read the last,
// so that input never stands in the way of commands.
func (p *program) feed() {
	defer p.stdin.Close()
	for {
		if p.c.Send(KindWant, nil) != nil {
			return
		}
		piece, ok := <-p.input
		if !ok || len(piece) == 0 {
			return
		}
		if _, err := p.stdin.Write(piece); err != nil {
			return // the program does not read any more
		}
	}
}

// commands does what the host asks for. A host that is gone ends the VM.
func (p *program) commands() {
	for {
		k, content, err := p.c.Receive()
		if err != nil {
			fmt.Fprintln(os.Stderr, "mullion: the host is gone:", err)
			powerOff()
		}
		switch k {
		case KindStdin:
			p.input <- content
		case KindKill:
			_ = p.guest.Kill()
		case KindTop:
			go p.top()
		}
	}
}

func (p *program) top() {
	list, err := p.guest.Top(context.Background())
	if err != nil {
		list = nil // it has ended
	}
	_ = p.c.SendJSON(KindProcesses, list)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/container"
)

// detachKeys are docker's.
const detachKeys = "ctrl-p,ctrl-q"

// console is our own side of a program's streams, made ready and put back.
type console struct {
	container.Terminal
	restore func()
}

// streams says which of our streams go to the program.
type streams struct {
	stdin, tty bool
	keys       string
}

// console makes a Terminal of our streams. With a TTY, ours is in raw mode until
// restore is called.
func (a *app) console(s streams) (*console, error) {
	keys, err := container.ParseDetachKeys(s.keys)
	if err != nil {
		return nil, cli.Usagef("--detach-keys: %w", err)
	}
	c := &console{Terminal: container.Terminal{Stdout: a.env.Stdout, Stderr: a.env.Stderr}, restore: func() {}}
	if s.stdin {
		c.Stdin = a.env.Stdin
	}
	stop := c.signals()
	c.restore = stop
	if !s.tty {
		return c, nil
	}
	in, isFile := a.env.Stdin.(*os.File)
	if s.stdin && (!isFile || !cli.IsTerminal(in)) {
		stop()
		return nil, errors.New("the input is not a terminal: leave -t out")
	}
	c.DetachKeys = keys
	unwatch := c.sizes(a.env.Stdout)
	c.restore = func() { unwatch(); stop() }
	if !s.stdin {
		return c, nil
	}
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		c.restore()
		return nil, fmt.Errorf("set the terminal to raw mode: %w", err)
	}
	c.restore = func() {
		_ = term.Restore(int(in.Fd()), old)
		unwatch()
		stop()
	}
	return c, nil
}

// impatience is how many interrupts mean that the program is to be killed.
const impatience = 3

// signals passes on what we are sent: Ctrl+C as Ctrl+C, three times as the end; a
// request to terminate as stop does it.
func (c *console) signals() (stop func()) {
	got, out := make(chan os.Signal, 4), make(chan container.Signal, 4)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	c.Signals = out
	go func() {
		interrupts := 0
		for s := range got {
			pass := container.Stop
			if s == os.Interrupt {
				if pass, interrupts = container.Interrupt, interrupts+1; interrupts >= impatience {
					pass = container.Kill
				}
			}
			select {
			case out <- pass:
			default: // nobody takes them; the first ones will do
			}
		}
	}()
	return func() { signal.Stop(got); close(got) }
}

// sizes passes on the size of the terminal that out is, if it is one.
func (c *console) sizes(out any) (stop func()) {
	f, ok := out.(*os.File)
	if !ok || !cli.IsTerminal(f) {
		return func() {}
	}
	size := func() runtime.Size {
		columns, rows, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return runtime.Size{}
		}
		return runtime.Size{Rows: uint16(rows), Columns: uint16(columns)}
	}
	c.Size = size()
	changed, sizes := make(chan os.Signal, 1), make(chan runtime.Size, 1)
	c.Sizes = sizes
	notifyResize(changed)
	go func() {
		for range changed {
			select {
			case sizes <- size():
			default: // the one before has not been taken; the next will be
			}
		}
	}()
	return func() { signal.Stop(changed); close(changed) }
}

// ended makes our own end of a program's.
func (a *app) ended(end container.Ending, err error) error {
	var start *container.StartError
	switch {
	case errors.As(err, &start):
		return &cli.ExitError{Code: start.Code, Err: err}
	case err != nil:
		return err
	case end.Detached:
		return nil
	case end.Error != "":
		return &cli.ExitError{Code: end.Code, Err: errors.New(end.Error)}
	case end.Exit == nil:
		return errors.New("the program ended without an exit code")
	}
	code, large := runtime.HostExit(*end.Exit)
	known := runtime.Meaning(*end.Exit)
	if end.Explanation != "" {
		known = end.Explanation
	}
	if known != "" {
		known = ": " + known
	}
	switch {
	case large:
		a.note(fmt.Sprintf("the program's exit code is 0x%08X (%d)%s", *end.Exit, *end.Exit, known))
	case end.Explanation != "":
		a.note("the program was ended" + known)
	}
	if code == 0 {
		return nil
	}
	return &cli.ExitError{Code: code}
}

// startAttached starts a container and stays with it. Signals go to the program, so
// that ctx, which the first ends, is not followed.
func (a *app) startAttached(ctx context.Context, c *container.Container, keys string, stdin bool) error {
	l, err := a.launcher()
	if err != nil {
		return err
	}
	cfg, err := c.Config()
	if err != nil {
		return err
	}
	con, err := a.console(streams{stdin: cfg.Stdin && stdin, tty: cfg.TTY, keys: keys})
	if err != nil {
		return err
	}
	end, err := l.Attached(context.WithoutCancel(ctx), c, &con.Terminal)
	con.restore()
	return a.ended(end, err)
}

func (a *app) attach() *cobra.Command {
	var noStdin bool
	keys := detachKeys
	cmd := &cobra.Command{
		Use: "attach [--no-stdin] NAME", Short: "Take part in the streams of a running container", Args: cli.Exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.find(args[0])
			if err != nil {
				return err
			}
			cfg, err := c.Config()
			if err != nil {
				return err
			}
			con, err := a.console(streams{stdin: cfg.Stdin && !noStdin, tty: cfg.TTY, keys: keys})
			if err != nil {
				return err
			}
			end, err := c.Attach(context.WithoutCancel(cmd.Context()), &con.Terminal)
			con.restore()
			return a.ended(end, err)
		},
	}
	cmd.Flags().BoolVar(&noStdin, "no-stdin", false, "do not pass the standard input on")
	cmd.Flags().StringVar(&keys, "detach-keys", keys, "leave the container to itself with these `keys`")
	return cmd
}

func (a *app) exec() *cobra.Command {
	var o struct {
		stdin, tty, detach bool
		keys               string
		e                  container.ExecConfig
		env                runOptions
	}
	cmd := &cobra.Command{
		Use: "exec [flags] NAME COMMAND [ARG...]", Short: "Run another program in a running container", Args: cli.AtLeast("NAME", "COMMAND"),
		Long: "Run another program in a running container. Its exit code is given as that of run is.",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.e.Env, err = o.env.variables(a.env); err != nil {
				return err
			}
			c, err := a.find(args[0])
			if err != nil {
				return err
			}
			o.e.CommandLine, o.e.TTY = commandLine(args[1:]), o.tty
			if o.detach {
				_, err := c.Exec(cmd.Context(), o.e, &container.Terminal{})
				return a.ended(container.Ending{Detached: true}, err)
			}
			con, err := a.console(streams{stdin: o.stdin, tty: o.tty, keys: o.keys})
			if err != nil {
				return err
			}
			end, err := c.Exec(context.WithoutCancel(cmd.Context()), o.e, &con.Terminal)
			con.restore()
			return a.ended(end, err)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.BoolVarP(&o.stdin, "interactive", "i", false, "pass the standard input on to the program")
	f.BoolVarP(&o.tty, "tty", "t", false, "give the program a terminal")
	f.BoolVarP(&o.detach, "detach", "d", false, "start the program and return")
	f.StringVar(&o.keys, "detach-keys", detachKeys, "leave the program to itself with these `keys`")
	f.StringArrayVarP(&o.env.env, "env", "e", nil, "set an environment variable, `NAME=VALUE`; NAME alone takes this command's value")
	f.StringArrayVar(&o.env.envFiles, "env-file", nil, "set the variables in this `file`, one NAME=VALUE a line")
	f.StringVarP(&o.e.Cwd, "workdir", "w", "", "the program's working `directory`")
	f.StringVarP(&o.e.User, "user", "u", "", "the Windows `account`, which can only be the container's own")
	return cmd
}

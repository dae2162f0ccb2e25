package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/container"
)

// runOptions are the flags of run itself.
type runOptions struct {
	isolation  string
	name       string
	detach     bool
	remove     bool
	stdin      bool
	env        []string
	cwd        string
	user       string
	hostname   string
	entrypoint string
	memory     string
	pull       string
	platform   string
}

const runHelp = `Run a Windows container image under process or Hyper-V isolation.

The flags end at IMAGE; what follows are the program's own arguments.

Exit codes: the program's own (above 255 it is printed in hexadecimal and the
exit code is 255); 125 an error of Mullion's, 126 a program that cannot be
invoked, 127 a program that does not exist.`

func (a *app) root() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [flags] IMAGE [ARG...]",
		Short: "Run a Windows container image",
		Long:  runHelp,
		Args:  cli.AtLeast("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var entrypoint []string
			if cmd.Flags().Changed("entrypoint") {
				entrypoint = []string{o.entrypoint}
			}
			return a.run(cmd.Context(), o, entrypoint, args[0], args[1:])
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.StringVar(&o.isolation, "isolation", "auto", "`process|hyperv|auto`; auto is process where that can be had, else hyperv")
	f.StringVar(&o.name, "name", "", "the container's `name`")
	f.BoolVarP(&o.detach, "detach", "d", false, "start the container, print its ID and return")
	f.BoolVar(&o.remove, "rm", false, "remove the container when its program has ended")
	f.BoolVarP(&o.stdin, "interactive", "i", false, "pass the standard input on to the program")
	f.StringArrayVarP(&o.env, "env", "e", nil, "set an environment variable, `NAME=VALUE`; NAME alone takes this command's value")
	f.StringVarP(&o.cwd, "workdir", "w", "", "the program's working `directory`")
	f.StringVarP(&o.user, "user", "u", "", "the Windows `account` that the program runs as")
	f.StringVar(&o.hostname, "hostname", "", "the computer's `name` in the container")
	f.StringVar(&o.entrypoint, "entrypoint", "", "start this `program` in place of the image's ENTRYPOINT and CMD")
	f.StringVarP(&o.memory, "memory", "m", "", "limit the container's memory, a number of `bytes` with b, k, m or g")
	f.StringVar(&o.pull, "pull", pullMissing, "pull the image `missing|always|never`")
	f.StringVar(&o.platform, "platform", "", "choose this `platform` of an image that has several, such as ltsc2022")
	return cmd
}

func (a *app) run(ctx context.Context, o runOptions, entrypoint []string, ref string, args []string) error {
	st, set, err := a.open()
	if err != nil {
		return err
	}
	c, err := a.create(ctx, st, set, o, entrypoint, ref, args)
	if err := errors.Join(err, st.Close()); err != nil {
		return err
	}
	if o.detach {
		if err := a.startDetached(ctx, c); err != nil {
			return err
		}
		_, err := fmt.Fprintln(a.env.Stdout, c.ID())
		return err
	}
	return a.startAttached(ctx, c)
}

// create makes the container, after having made sure that it can be started.
func (a *app) create(ctx context.Context, st *store.Store, set *container.Set, o runOptions, entrypoint []string, ref string, args []string) (*container.Container, error) {
	cfg, err := o.config(a.env)
	if err != nil {
		return nil, err
	}
	// Before the image is pulled: without a Runtime it is of no use.
	r, why, err := runtime.Select(ctx, cfg.Isolation, a.runtimes(st)...)
	if err != nil {
		return nil, err
	}
	if cfg.Isolation == runtime.AutoIsolation && r.Isolation() != runtime.ProcessIsolation {
		a.note(why)
	}
	img, err := a.image(ctx, st, ref, o)
	if err != nil {
		return nil, err
	}
	if cfg.Isolation, err = a.fit(ctx, st, cfg.Isolation, r.Isolation(), img.Config.OSVersion); err != nil {
		return nil, err
	}
	if err := fill(&cfg, img, entrypoint, args); err != nil {
		return nil, err
	}
	// What the first start has to make takes a while: better here, where it can be
	// told, than in the supervisor.
	if p, ok := r.(runtime.Preparer); ok {
		if err := p.Prepare(ctx, a.env.Stderr); err != nil {
			return nil, err
		}
	}
	cfg.Image = ref
	return set.Create(ctx, cfg)
}

// fit holds the image's Windows version against the host's, and returns the
// isolation to ask for. An image that the host takes under hyperv isolation only
// gets that if the choice is ours.
func (a *app) fit(ctx context.Context, st *store.Store, want, chosen runtime.Isolation, version string) (runtime.Isolation, error) {
	if a.version == "" {
		return want, nil
	}
	err := runtime.Compat(a.version, version, chosen)
	if err == nil || want != runtime.AutoIsolation || runtime.Compat(a.version, version, runtime.HyperVIsolation) != nil {
		return want, err
	}
	if _, _, noVM := runtime.Select(ctx, runtime.HyperVIsolation, a.runtimes(st)...); noVM != nil {
		return want, errors.Join(err, noVM)
	}
	a.note("hyperv isolation, because " + err.Error())
	return runtime.HyperVIsolation, nil
}

// note says on standard error what people should know that is no error.
func (a *app) note(text string) { fmt.Fprintln(a.env.Stderr, "run:", cli.OneLine(text)) }

func (a *app) startDetached(ctx context.Context, c *container.Container) error {
	l, err := a.launcher()
	if err != nil {
		return err
	}
	err = l.Detached(ctx, c)
	var start *container.StartError
	if errors.As(err, &start) {
		return &cli.ExitError{Code: start.Code, Err: err}
	}
	return err
}

func (a *app) startAttached(ctx context.Context, c *container.Container) error {
	l, err := a.launcher()
	if err != nil {
		return err
	}
	cfg, err := c.Config()
	if err != nil {
		return err
	}
	stdin := a.env.Stdin
	if !cfg.Stdin {
		stdin = nil
	}
	code, err := l.Attached(ctx, c, stdin, a.env.Stdout, a.env.Stderr)
	if err != nil || code == 0 {
		return err
	}
	return &cli.ExitError{Code: code} // the supervisor has told all
}

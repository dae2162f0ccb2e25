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
	limitOptions
	isolation  string
	name       string
	detach     bool
	keys       string
	remove     bool
	stdin, tty bool
	env        []string
	envFiles   []string
	volumes    []string
	mount      []string
	readOnly   bool
	restart    string
	network    string
	publish    []string
	dns, hosts []string
	cwd        string
	user       string
	hostname   string
	entrypoint string
	pull       string
	platform   string
}

const runHelp = `Run a Windows container image under process or Hyper-V isolation.

The flags end at IMAGE; what follows are the program's own arguments.

Exit codes: the program's own (above 255 it is printed in hexadecimal and the
exit code is 255); 125 an error of Mullion's, 126 a program that cannot be
invoked, 127 a program that does not exist.`

func (a *app) root() *cobra.Command {
	o := new(runOptions)
	cmd := &cobra.Command{
		Use:   "run [flags] IMAGE [ARG...]",
		Short: "Run a Windows container image",
		Long:  runHelp,
		Args:  cli.AtLeast("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.created(cmd, o, args)
			if err != nil {
				return err
			}
			if !o.detach {
				return a.startAttached(cmd.Context(), c, o.keys, true)
			}
			if err := a.startDetached(cmd.Context(), c); err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.env.Stdout, c.ID())
			return err
		},
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVarP(&o.detach, "detach", "d", false, "start the container, print its ID and return")
	cmd.Flags().StringVar(&o.keys, "detach-keys", detachKeys, "leave the container to itself with these `keys`")
	return cmd
}

func (a *app) createCommand() *cobra.Command {
	o := new(runOptions)
	cmd := &cobra.Command{
		Use: "create [flags] IMAGE [ARG...]", Short: "Make a container without starting it", Args: cli.AtLeast("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.created(cmd, o, args)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.env.Stdout, c.ID())
			return err
		},
	}
	o.addFlags(cmd)
	return cmd
}

// defaultPids is enough for any program, and too little for a fork bomb to hurt.
const defaultPids = 4096

// addFlags registers what run and create share.
func (o *runOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.StringVar(&o.isolation, "isolation", "auto", "`process|hyperv|auto`; auto is process where that can be had, else hyperv")
	f.StringVar(&o.name, "name", "", "the container's `name`")
	f.BoolVar(&o.remove, "rm", false, "remove the container when its program has ended")
	f.BoolVarP(&o.stdin, "interactive", "i", false, "pass the standard input on to the program")
	f.BoolVarP(&o.tty, "tty", "t", false, "give the program a terminal")
	f.StringArrayVarP(&o.env, "env", "e", nil, "set an environment variable, `NAME=VALUE`; NAME alone takes this command's value")
	f.StringArrayVar(&o.envFiles, "env-file", nil, "set the variables in this `file`, one NAME=VALUE a line")
	f.StringVarP(&o.cwd, "workdir", "w", "", "the program's working `directory`")
	f.StringVarP(&o.user, "user", "u", "", "the Windows `account` that the program runs as")
	f.StringVar(&o.hostname, "hostname", "", "the computer's `name` in the container")
	f.StringVar(&o.entrypoint, "entrypoint", "", "start this `program` in place of the image's ENTRYPOINT and CMD")
	o.addLimits(cmd, defaultPids)
	f.StringArrayVarP(&o.volumes, "volume", "v", nil, "mount a folder or a volume, `[SOURCE:]C:\\FOLDER[:ro]`")
	f.StringArrayVar(&o.mount, "mount", nil, "the same, `type=bind|volume,source=..,target=..[,readonly]`")
	f.BoolVar(&o.readOnly, "read-only", false, "make drive C: read-only outside of volumes")
	f.StringVar(&o.restart, "restart", "no", "start the program again after its end, `no|on-failure[:N]|always`")
	f.StringVar(&o.network, "network", "", "`none|nat|host`: loopback only (the default), connections to the outside, the host's own")
	f.StringArrayVarP(&o.publish, "publish", "p", nil, "lead a TCP port of the host to one inside, `[[ADDRESS:]HOST:]CONTAINER`; the address is 127.0.0.1 if not given")
	f.StringArrayVar(&o.dns, "dns", nil, "ask this name server, an `address`")
	f.StringArrayVar(&o.hosts, "add-host", nil, "`NAME:ADDRESS` of a host that no name server is asked for")
	f.StringVar(&o.pull, "pull", pullMissing, "pull the image `missing|always|never`")
	f.StringVar(&o.platform, "platform", "", "choose this `platform` of an image that has several, such as ltsc2022")
}

// addLimits registers the limits; pids is the default of theirs.
func (o *limitOptions) addLimits(cmd *cobra.Command, pids int64) {
	f := cmd.Flags()
	f.StringVarP(&o.memory, "memory", "m", "", "limit the container's memory, a number of `bytes` with b, k, m or g")
	f.StringVar(&o.cpus, "cpus", "", "limit the processor time, a `number` of processors such as 0.5")
	f.Int64Var(&o.pids, "pids-limit", pids, "limit the `number` of threads; -1 is no limit")
}

// created makes the container that the arguments of run or create describe.
func (a *app) created(cmd *cobra.Command, o *runOptions, args []string) (*container.Container, error) {
	var entrypoint []string
	if cmd.Flags().Changed("entrypoint") {
		entrypoint = []string{o.entrypoint}
	}
	st, set, err := a.open()
	if err != nil {
		return nil, err
	}
	c, err := a.create(cmd.Context(), st, set, *o, entrypoint, args[0], args[1:])
	return c, errors.Join(err, st.Close())
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
	if err := o.mounts(ctx, set, &cfg, img); err != nil {
		return nil, errors.Join(err, set.RemoveAnonymous(cfg))
	}
	c, err := set.Create(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, set.RemoveAnonymous(cfg))
	}
	return c, nil
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

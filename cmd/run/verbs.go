package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/container"
)

func (a *app) start() *cobra.Command {
	var attach, stdin bool
	keys := detachKeys
	cmd := &cobra.Command{
		Use: "start [-a] [-i] NAME", Short: "Start a stopped container again, from the same image", Args: cli.Exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.find(args[0])
			if err != nil {
				return err
			}
			if attach || stdin {
				return a.startAttached(cmd.Context(), c, keys, stdin)
			}
			if err := a.startDetached(cmd.Context(), c); err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.env.Stdout, args[0])
			return err
		},
	}
	cmd.Flags().BoolVarP(&attach, "attach", "a", false, "pass the program's output and exit code on")
	cmd.Flags().BoolVarP(&stdin, "interactive", "i", false, "pass the standard input on too, to a container made with -i")
	cmd.Flags().StringVar(&keys, "detach-keys", keys, "leave the container to itself with these `keys`")
	return cmd
}

// find is for verbs that leave the store before they act.
func (a *app) find(name string) (c *container.Container, err error) {
	err = a.withSet(func(_ *store.Store, set *container.Set) error {
		c, err = set.Find(name)
		return err
	})
	return c, err
}

func (a *app) stop() *cobra.Command {
	seconds := int(container.DefaultStopTime / time.Second)
	cmd := &cobra.Command{
		Use: "stop [-t SECONDS] NAME...", Args: cli.AtLeast("NAME"),
		Short: "Tell programs to end as Ctrl+C does, kill them after a time, and wait until they have ended",
		RunE: func(cmd *cobra.Command, args []string) error {
			if seconds < 0 {
				return cli.Usagef("--time %d: want seconds", seconds)
			}
			return a.each(cmd, args, func(ctx context.Context, c *container.Container) error {
				_, err := c.Stop(ctx, time.Duration(seconds)*time.Second)
				return goneIsFine(err)
			})
		},
	}
	cmd.Flags().IntVarP(&seconds, "time", "t", seconds, "kill a program that has not ended after so many `seconds`")
	return cmd
}

// goneIsFine: a container made with --rm is not there any more when it has ended.
func goneIsFine(err error) error {
	var gone *container.NotFoundError
	if errors.As(err, &gone) {
		return nil
	}
	return err
}

func (a *app) kill() *cobra.Command {
	sig := "KILL"
	cmd := &cobra.Command{
		Use: "kill [-s KILL|INT] NAME...", Short: "Kill the programs of containers, or send them Ctrl+C", Args: cli.AtLeast("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			do := (*container.Container).Kill
			switch strings.TrimPrefix(strings.ToUpper(sig), "SIG") {
			case "KILL", "9":
			case "INT", "2":
				do = (*container.Container).Interrupt
			default:
				return cli.Usagef("--signal %s: Windows programs know KILL and INT (Ctrl+C)", sig)
			}
			return a.each(cmd, args, func(ctx context.Context, c *container.Container) error { return do(c, ctx) })
		},
	}
	cmd.Flags().StringVarP(&sig, "signal", "s", sig, "what to send, `KILL|INT`")
	return cmd
}

func (a *app) remove() *cobra.Command {
	var force, volumes bool
	cmd := &cobra.Command{
		Use: "rm [-f] [-v] NAME...", Short: "Remove stopped containers and all they have written", Args: cli.AtLeast("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each(cmd, args, func(ctx context.Context, c *container.Container) error {
				return a.removeOne(ctx, c, force, volumes)
			})
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "kill them first")
	cmd.Flags().BoolVarP(&volumes, "volumes", "v", false, "remove the anonymous volumes that were made for them too")
	return cmd
}

func (a *app) removeOne(ctx context.Context, c *container.Container, force, volumes bool) error {
	if force {
		if _, err := c.Stop(ctx, 0); err != nil {
			return goneIsFine(err)
		}
	}
	return a.withSet(func(st *store.Store, set *container.Set) error {
		cfg, err := c.Config()
		if err == nil {
			err = c.Remove(ctx, container.Removers(a.runtimes(st))...)
		}
		if err == nil && volumes {
			err = set.RemoveAnonymous(cfg)
		}
		if force {
			return goneIsFine(err)
		}
		return err
	})
}

func (a *app) prune() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "prune -f", Short: "Remove all containers that do not run", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !force {
				return cli.Usagef("prune removes every container that does not run, with all it has written; say -f if that is meant")
			}
			return a.withSet(func(st *store.Store, set *container.Set) error {
				all, err := set.All()
				if err != nil {
					return err
				}
				var errs []error
				for _, c := range all {
					_, state, err := read(c)
					if err != nil || state.Status.Alive() {
						errs = append(errs, goneIsFine(err))
						continue
					}
					err = c.Remove(cmd.Context(), container.Removers(a.runtimes(st))...)
					if err == nil {
						_, err = fmt.Fprintln(a.env.Stdout, c.ID())
					}
					if !errors.Is(err, container.ErrRunning) { // since it was looked at
						errs = append(errs, goneIsFine(err))
					}
				}
				return errors.Join(errs...)
			})
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "really")
	return cmd
}

func (a *app) rename() *cobra.Command {
	return &cobra.Command{
		Use: "rename NAME NEW", Short: "Give a container another name", Args: cli.Exactly("NAME", "NEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSet(func(_ *store.Store, set *container.Set) error {
				c, err := set.Find(args[0])
				if err != nil {
					return err
				}
				return set.Rename(cmd.Context(), c, args[1])
			})
		},
	}
}

func (a *app) logs() *cobra.Command {
	var o container.LogOptions
	var tail, since string
	cmd := &cobra.Command{
		Use: "logs [flags] NAME", Short: "Print what a container has printed so far", Args: cli.Exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.Tail = -1
			if tail != "all" {
				if o.Tail, err = strconv.Atoi(tail); err != nil || o.Tail < 0 {
					return cli.Usagef("--tail %s: want a number of lines or all", tail)
				}
			}
			if o.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
			c, err := a.find(args[0])
			if err != nil {
				return err
			}
			return c.Logs(cmd.Context(), o, a.env.Stdout, a.env.Stderr)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.Follow, "follow", "f", false, "wait for more until the container has ended")
	f.BoolVarP(&o.Timestamps, "timestamps", "t", false, "print the time before each line")
	f.StringVarP(&tail, "tail", "n", "all", "print only so many `lines` of what is there")
	f.StringVar(&since, "since", "", "print only what is younger, a `time` such as 2026-01-02T15:04:05Z or 10m")
	return cmd
}

// parseSince reads a time or how long ago it was.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, cli.Usagef("--since %s: want a time such as 2026-01-02T15:04:05Z or a duration such as 10m", s)
}

func (a *app) wait() *cobra.Command {
	return &cobra.Command{
		Use: "wait NAME", Short: "Wait for a container's end and print its exit code, all 32 bits", Args: cli.Exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.find(args[0])
			if err != nil {
				return err
			}
			st, err := c.Wait(cmd.Context())
			switch {
			case err != nil:
				return err
			case st.Status == container.Created:
				return fmt.Errorf("container %s was never started: run start %s", args[0], args[0])
			case st.Exit == nil:
				return fmt.Errorf("container %s has no exit code: %s", args[0], st.Error)
			}
			_, err = fmt.Fprintln(a.env.Stdout, *st.Exit)
			return err
		},
	}
}

func (a *app) top() *cobra.Command {
	format := cli.Table
	cmd := &cobra.Command{
		Use: "top NAME", Short: "List the processes in a container, as the container itself sees them", Args: cli.Exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.find(args[0])
			if err != nil {
				return err
			}
			list, err := c.Top(cmd.Context())
			if err != nil {
				return err
			}
			if format == cli.JSON {
				return cli.PrintJSON(a.env.Stdout, list)
			}
			rows := make([][]string, len(list))
			for i, p := range list {
				rows[i] = []string{strconv.Itoa(p.PID), p.Command}
			}
			return cli.PrintTable(a.env.Stdout, []string{"PID", "COMMAND"}, rows)
		},
	}
	format.AddFlag(cmd)
	return cmd
}

func (a *app) update() *cobra.Command {
	var isolation, restart string
	var limits limitOptions
	cmd := &cobra.Command{
		Use: "update [flags] NAME...", Args: cli.AtLeast("NAME"),
		Short: "Change the limits of containers, at once if they run, or the isolation and restarts of stopped ones",
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().NFlag() == 0 {
				return cli.Usagef("update: say what to change")
			}
			iso, err := runtime.ParseIsolation(isolation)
			if err != nil {
				return cli.Usagef("%w", err)
			}
			policy, err := container.ParseRestart(restart)
			if err != nil {
				return cli.Usagef("--restart: %w", err)
			}
			l, err := limits.limits()
			if err != nil {
				return err
			}
			changed := cmd.Flags().Changed
			return a.each(cmd, args, func(ctx context.Context, c *container.Container) error {
				if changed("isolation") || changed("restart") {
					err := c.Update(ctx, func(cfg *container.Config) {
						if changed("isolation") {
							cfg.Isolation = iso
						}
						if changed("restart") {
							cfg.Restart = policy
						}
					})
					if err != nil {
						return err
					}
				}
				if l == (runtime.Limits{}) {
					return nil
				}
				return c.SetLimits(ctx, l)
			})
		},
	}
	cmd.Flags().StringVar(&isolation, "isolation", "", "`process|hyperv|auto`: what the next start uses")
	cmd.Flags().StringVar(&restart, "restart", "", "`no|on-failure[:N]|always`, from the next start on")
	limits.addLimits(cmd, 0)
	return cmd
}

func (a *app) port() *cobra.Command {
	return &cobra.Command{
		Use: "port NAME", Short: "List the ports of the host that lead to a container", Args: cli.Exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.find(args[0])
			if err != nil {
				return err
			}
			st, err := c.State()
			for _, p := range st.Ports {
				fmt.Fprintln(a.env.Stdout, p)
			}
			return err
		},
	}
}

// used is what stats tells of a container.
type used struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// CPU is in percent of one processor.
	CPU float64 `json:"cpuPercent"`
	runtime.Stats
}

// sample is the time over which the use of processors is measured.
const sample = 500 * time.Millisecond

func (a *app) stats() *cobra.Command {
	format := cli.Table
	cmd := &cobra.Command{
		Use: "stats [NAME...]", Short: "Tell what running containers use, measured over half a second",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSet(func(_ *store.Store, set *container.Set) error {
				list, err := measure(cmd.Context(), set, args)
				if err != nil {
					return err
				}
				if format == cli.JSON {
					return cli.PrintJSON(a.env.Stdout, list)
				}
				rows := make([][]string, len(list))
				for i, u := range list {
					limit := "-"
					if u.MemoryLimit > 0 {
						limit = cli.Size(int64(u.MemoryLimit))
					}
					rows[i] = []string{container.Short(u.ID), u.Name, fmt.Sprintf("%.1f%%", u.CPU), cli.Size(int64(u.Memory)), limit, strconv.FormatUint(u.Pids, 10)}
				}
				return cli.PrintTable(a.env.Stdout, []string{"ID", "NAME", "CPU", "MEMORY", "LIMIT", "THREADS"}, rows)
			})
		},
	}
	format.AddFlag(cmd)
	// Scripts written for docker ask for what is the only way here.
	cmd.Flags().Bool("no-stream", true, "tell once, as is always done")
	return cmd
}

// measure asks the containers named, or all that run, twice.
func measure(ctx context.Context, set *container.Set, names []string) ([]used, error) {
	var chosen []*container.Container
	for _, name := range names {
		c, err := set.Find(name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, c)
	}
	if len(names) == 0 {
		all, err := set.All()
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			if st, err := c.State(); err == nil && st.Status == container.Running {
				chosen = append(chosen, c)
			}
		}
	}
	list := make([]used, len(chosen))
	begin := time.Now()
	for round := range 2 {
		for i, c := range chosen {
			s, err := c.Stats(ctx)
			if err != nil {
				return nil, err
			}
			if round == 1 {
				cfg, err := c.Config()
				if err != nil {
					return nil, err
				}
				list[i] = used{ID: c.ID(), Name: cfg.Name, CPU: 100 * float64(s.CPU-list[i].Stats.CPU) / float64(time.Since(begin)), Stats: s}
				continue
			}
			list[i].Stats = s
		}
		if round == 0 {
			select {
			case <-time.After(sample):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	return list, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/container"
)

func (a *app) start() *cobra.Command {
	var attach bool
	cmd := &cobra.Command{
		Use: "start [-a] NAME", Short: "Start a stopped container again, from the same image", Args: cli.Exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.find(args[0])
			if err != nil {
				return err
			}
			if attach {
				return a.startAttached(cmd.Context(), c)
			}
			if err := a.startDetached(cmd.Context(), c); err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.env.Stdout, args[0])
			return err
		},
	}
	cmd.Flags().BoolVarP(&attach, "attach", "a", false, "pass the program's output and exit code on")
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
	return &cobra.Command{
		Use: "stop NAME...", Short: "Stop containers and wait until they have ended", Args: cli.AtLeast("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each(cmd, args, func(ctx context.Context, c *container.Container) error {
				_, err := c.Stop(ctx)
				return goneIsFine(err)
			})
		},
	}
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
	return &cobra.Command{
		Use: "kill NAME...", Short: "Kill the programs of containers", Args: cli.AtLeast("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each(cmd, args, func(ctx context.Context, c *container.Container) error { return c.Kill(ctx) })
		},
	}
}

func (a *app) remove() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "rm [-f] NAME...", Short: "Remove stopped containers and all they have written", Args: cli.AtLeast("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each(cmd, args, func(ctx context.Context, c *container.Container) error {
				return a.removeOne(ctx, c, force)
			})
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "stop them first")
	return cmd
}

func (a *app) removeOne(ctx context.Context, c *container.Container, force bool) error {
	if force {
		if _, err := c.Stop(ctx); err != nil {
			return goneIsFine(err)
		}
	}
	return a.withSet(func(st *store.Store, _ *container.Set) error {
		err := c.Remove(ctx, container.Removers(a.runtimes(st))...)
		if force {
			return goneIsFine(err)
		}
		return err
	})
}

func (a *app) logs() *cobra.Command {
	return &cobra.Command{
		Use: "logs NAME", Short: "Print what a container has printed so far", Args: cli.Exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.find(args[0])
			if err != nil {
				return err
			}
			return c.Logs(a.env.Stdout, a.env.Stderr)
		},
	}
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
	var isolation string
	cmd := &cobra.Command{
		Use: "update --isolation=process|hyperv|auto NAME", Short: "Change the isolation of a stopped container",
		Args: cli.Exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			iso, err := runtime.ParseIsolation(isolation)
			if err != nil {
				return cli.Usagef("%w", err)
			}
			return a.each(cmd, args, func(ctx context.Context, c *container.Container) error {
				return c.Update(ctx, func(cfg *container.Config) { cfg.Isolation = iso })
			})
		},
	}
	cmd.Flags().StringVar(&isolation, "isolation", "", "`process|hyperv|auto`: what the next start uses")
	if err := cmd.MarkFlagRequired("isolation"); err != nil {
		panic(err) // the flag is registered on the line above
	}
	return cmd
}

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/container"
)

// codes: whatever goes wrong before the program has started is ours.
var codes = cli.Codes{Failure: runtime.ExitOurs, Usage: runtime.ExitOurs}

// host is what the command does not know by itself: what can start programs here
// and, on Windows, which Windows this is.
type host struct {
	runtimes func(*store.Store) []runtime.Runtime
	version  string
}

// app is one call of the command.
type app struct {
	host
	env   *cli.Env
	where cli.Store
}

// main executes the command line and returns the exit code.
func (h host) main(ctx context.Context, args []string, env *cli.Env) int {
	a := &app{host: h, env: env}
	root := a.root()
	a.where.AddFlag(root)
	root.AddCommand(a.createCommand(), a.start(), a.stop(), a.kill(), a.wait(), a.exec(), a.attach(), a.remove(), a.prune(),
		a.rename(), a.ps(), a.inspect(), a.logs(), a.top(), a.stats(), a.port(), a.update(), a.commit(), a.volume(), a.mount(), a.setup(), a.doctor())
	return cli.Execute(ctx, root, args, env, codes)
}

// openStore opens the store, which brings layers that it has only noted when they
// are needed.
func (a *app) openStore() (*store.Store, error) {
	st, err := a.where.Open(a.env)
	if err == nil {
		st.FetchWith(transfer.Fetcher(transfer.Options{}, func(r store.Remote) {
			a.note("fetching layer " + string(r.Desc.Digest) + " from " + r.Sources[0])
		}))
	}
	return st, err
}

// open opens the store and its containers.
func (a *app) open() (*store.Store, *container.Set, error) {
	st, err := a.openStore()
	if err != nil {
		return nil, nil, err
	}
	set, err := container.Open(st.Derived("containers"))
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	return st, set, nil
}

// withSet is for verbs that need the containers and no image.
func (a *app) withSet(f func(*store.Store, *container.Set) error) error {
	st, set, err := a.open()
	if err != nil {
		return err
	}
	return errors.Join(f(st, set), st.Close())
}

// each does something to every container named in args, also after one went
// wrong, and prints each name that it was done to.
func (a *app) each(cmd *cobra.Command, args []string, f func(context.Context, *container.Container) error) error {
	return a.withSet(func(_ *store.Store, set *container.Set) error {
		var errs []error
		for _, name := range args {
			c, err := set.Find(name)
			if err == nil {
				err = f(cmd.Context(), c)
			}
			if err == nil {
				_, err = cmd.OutOrStdout().Write([]byte(name + "\n"))
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// launcher starts supervisors: this binary, led to this store.
func (a *app) launcher() (container.Launcher, error) {
	exe, err := os.Executable()
	if err != nil {
		return container.Launcher{}, err
	}
	dir, err := a.where.Dir(a.env)
	if err != nil {
		return container.Launcher{}, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return container.Launcher{}, err
	}
	return container.Launcher{Exe: exe, Environ: append(a.env.Environ, "MULLION_STORE="+dir)}, nil
}

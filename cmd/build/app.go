package main

import (
	"context"
	"fmt"
	goruntime "runtime"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/store"
)

// codes are the exit codes of this program.
var codes = cli.Codes{Failure: 1, Usage: 2}

const long = `Builds a Windows container image from the folder CONTEXT and its Containerfile,
without Windows and without a daemon, and puts it into the store.

The first word that is a verb is the verb; for a folder of that name write ./NAME.

Exit codes: 0 done, 1 failed, 2 wrong usage.`

// app is one run of the command.
type app struct {
	env   *cli.Env
	store cli.Store
}

// run is the whole program but for its process: it returns the exit code.
func run(ctx context.Context, args []string, env *cli.Env) int {
	a := &app{env: env}
	return cli.Execute(ctx, a.root(), args, env, codes)
}

// root is the command tree.
func (a *app) root() *cobra.Command {
	root := a.buildCommand()
	root.Use = "build [flags] CONTEXT"
	root.Short = "Build Windows container images on any machine"
	root.Long = long
	a.store.AddFlag(root)
	for _, verb := range []*cobra.Command{
		a.loginCommand(), a.logoutCommand(), a.pushCommand(), a.pullCommand(), a.tagCommand(), a.imagesCommand(), a.rmCommand(), a.inspectCommand(),
		a.historyCommand(), a.indexCommand(), a.saveCommand(), a.loadCommand(), a.serveCommand(), a.regCommand(), a.pruneCommand(), a.checkCommand(), a.versionCommand(), a.completionCommand(),
	} {
		verb.DisableFlagsInUseLine = true
		root.AddCommand(verb)
	}
	return root
}

// openStore opens the store, which brings layers that it has only noted when they
// are needed.
func (a *app) openStore() (*store.Store, error) {
	st, err := a.store.Open(a.env)
	if err == nil {
		a.fetchWith(st, transfer.Options{})
	}
	return st, err
}

// withStore opens the store for f.
func (a *app) withStore(f func(*store.Store) error) error {
	st, err := a.openStore()
	if err != nil {
		return err
	}
	defer st.Close()
	return f(st)
}

func (a *app) fetchWith(st *store.Store, o transfer.Options) {
	st.FetchWith(transfer.Fetcher(o, func(r store.Remote) {
		a.note("fetch layer %s, %s, from %s", short(r.Desc.Digest.String()), cli.Size(r.Desc.Size), r.Sources[0])
	}))
}

// note writes a line for people to standard error.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.env.Stderr, format+"\n", args...)
}

func (a *app) versionCommand() *cobra.Command {
	var format cli.Format
	cmd := &cobra.Command{
		Use: "version [--format table|json]", Short: "Print the version", Args: cli.Exactly(),
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version  string `json:"version"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{cli.Version(), goruntime.Version(), goruntime.GOOS + "/" + goruntime.GOARCH}
			if format == cli.JSON {
				return cli.PrintJSON(a.env.Stdout, v)
			}
			_, err := fmt.Fprintf(a.env.Stdout, "mullion %s %s %s\n", v.Version, v.Go, v.Platform)
			return err
		},
	}
	format.AddFlag(cmd)
	return cmd
}

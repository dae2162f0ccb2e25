package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/container"
)

// diagnosis is what doctor says about one Runtime.
type diagnosis struct {
	Isolation    runtime.Isolation     `json:"isolation"`
	Runtime      string                `json:"runtime"`
	Usable       bool                  `json:"usable"`
	Problem      string                `json:"problem,omitempty"`
	Requirements []runtime.Requirement `json:"requirements"`
}

func (a *app) doctor() *cobra.Command {
	format := cli.Table
	cmd := &cobra.Command{
		Use: "doctor", Short: "Say what each isolation needs, what is there, and how to get the rest", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSet(func(st *store.Store, _ *container.Set) error {
				found := diagnose(cmd.Context(), a.runtimes(st))
				if format == cli.JSON {
					return cli.PrintJSON(a.env.Stdout, found)
				}
				return a.printDiagnoses(found)
			})
		},
	}
	format.AddFlag(cmd)
	return cmd
}

func diagnose(ctx context.Context, runtimes []runtime.Runtime) []diagnosis {
	found := make([]diagnosis, len(runtimes))
	for i, r := range runtimes {
		d := diagnosis{Isolation: r.Isolation(), Runtime: r.Name(), Usable: true, Requirements: r.Requirements(ctx)}
		if err := r.Probe(ctx); err != nil {
			d.Usable, d.Problem = false, cli.OneLine(err.Error())
		}
		found[i] = d
	}
	return found
}

func (a *app) printDiagnoses(found []diagnosis) error {
	if len(found) == 0 {
		_, _, err := runtime.Select(context.Background(), runtime.AutoIsolation)
		fmt.Fprintln(a.env.Stdout, err)
	}
	for i, d := range found {
		if i > 0 {
			fmt.Fprintln(a.env.Stdout)
		}
		verdict := "can be used"
		if !d.Usable {
			verdict = "cannot be used: " + d.Problem
		}
		fmt.Fprintf(a.env.Stdout, "%s isolation (%s) %s\n", d.Isolation, d.Runtime, verdict)
		rows := make([][]string, len(d.Requirements))
		for k, r := range d.Requirements {
			rows[k] = []string{r.Name, "found", r.Detail}
			if !r.Found {
				rows[k] = []string{r.Name, "MISSING", joinNonEmpty(r.Detail, r.Fix)}
			}
		}
		if err := cli.PrintTable(a.env.Stdout, []string{"NEEDS", "", "WHAT"}, rows); err != nil {
			return err
		}
	}
	return nil
}

func joinNonEmpty(detail, fix string) string {
	switch {
	case detail == "":
		return fix
	case fix == "":
		return detail
	}
	return detail + ": " + fix
}

func (a *app) setup() *cobra.Command {
	return &cobra.Command{
		Use: "setup", Short: "Do ahead what the first run would have to do first", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSet(func(st *store.Store, _ *container.Set) error {
				return a.prepare(cmd.Context(), a.runtimes(st))
			})
		},
	}
}

// prepare makes ready what can be used here. That one isolation lacks something
// is no reason not to make the other ready, but none at all is an error.
func (a *app) prepare(ctx context.Context, runtimes []runtime.Runtime) error {
	ready := 0
	for _, r := range runtimes {
		p, ok := r.(runtime.Preparer)
		if !ok {
			continue
		}
		if err := r.Probe(ctx); err != nil {
			a.note(fmt.Sprintf("%s isolation is left out: %s", r.Isolation(), err))
			continue
		}
		if err := p.Prepare(ctx, a.env.Stderr); err != nil {
			return fmt.Errorf("set up %s isolation: %w", r.Isolation(), err)
		}
		ready++
	}
	if ready == 0 {
		return fmt.Errorf("nothing to set up: no isolation can be used here ('run doctor' says why)")
	}
	return nil
}

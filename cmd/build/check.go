package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/layers/store"
)

const checkLong = `With images, layers of the store by their digests, image layouts or tars of layers it tells what Windows
would refuse or take otherwise than meant: in every layer, with those below it, in its registry hives and in the configuration.
Errors are those of Windows, warnings those of the author. A single layer is taken for one above others, but with --base.

Without any it reads every blob again and follows every image of the store. Each finding is a line; what is
"remote" lies in a registry and is fetched when it is needed, which is no fault.

--repair moves damaged files into the folder "aside" of the store, where prune --all ends them, so that
the next pull or build brings them again; it removes damaged derived data and mends index.json.

Exit codes: 0 nothing is wrong but for warnings, or nothing any more; 1 something is, or images must be pulled or built again.`

func (a *app) checkCommand() *cobra.Command {
	var format cli.Format
	var repair, base bool
	cmd := &cobra.Command{
		Use: "check [--repair] [--format table|json] [--base] [IMAGE|LAYER...]", Short: "Check the store, or what is in images and layers", Long: checkLong,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && repair:
				return cli.Usagef("--repair mends the store; images and layers have to be built again")
			case len(args) > 0:
				return a.judge(cmd.Context(), args, base, format)
			case base:
				return cli.Usagef("--base is for a layer: name one")
			}
			return a.withStore(func(st *store.Store) error { return a.check(cmd.Context(), st, repair, format) })
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "mend what can be")
	cmd.Flags().BoolVar(&base, "base", false, "the layer is the lowest of its image")
	format.AddFlag(cmd)
	return cmd
}

// check prints what is wrong with the store; anything wrong, and not mended, is a failure.
func (a *app) check(ctx context.Context, st *store.Store, repair bool, format cli.Format) error {
	look := st.Check
	if repair {
		look = st.Repair
	}
	found, err := look(ctx)
	if err != nil {
		return err
	}
	if found == nil {
		found = []store.Finding{}
	}
	if format == cli.JSON {
		err = cli.PrintJSON(a.env.Stdout, found)
	}
	wrong := 0
	for _, f := range found {
		if format != cli.JSON {
			fmt.Fprintf(a.env.Stdout, "%-8s %s\n", f.Kind, f)
		}
		if !f.Harmless() {
			wrong++
		}
	}
	if err != nil || wrong == 0 {
		return err
	}
	problems := "1 problem"
	if wrong > 1 {
		problems = fmt.Sprintf("%d problems", wrong)
	}
	if repair {
		return fmt.Errorf("the store %s is left with %s, see above", st.Dir(), problems)
	}
	return fmt.Errorf("the store %s has %s; \"build check --repair\" mends what can be", st.Dir(), problems)
}

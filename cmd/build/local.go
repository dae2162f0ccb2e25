package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
)

func (a *app) tagCommand() *cobra.Command {
	return &cobra.Command{
		Use: "tag IMAGE REF", Short: "Give an image another name", Args: cli.Exactly("IMAGE", "REF"),
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := image.ParseRef(args[1])
			if err != nil {
				return cli.Usagef("%w", err)
			}
			if to.Digest != "" {
				return cli.Usagef("%s: a name to give has no digest", args[1])
			}
			return a.withStore(func(st *store.Store) error {
				_, d, err := transfer.Resolve(cmd.Context(), st, args[0])
				if err != nil {
					return err
				}
				return st.Tag(cmd.Context(), to.String(), d)
			})
		},
	}
}

func (a *app) rmCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rm REF...", Short: "Take names away; prune then frees the bytes", Args: cli.AtLeast("REF"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(func(st *store.Store) error {
				var names []string
				for _, arg := range args {
					name, _, err := transfer.Resolve(cmd.Context(), st, arg)
					if err != nil {
						return err
					}
					if name == "" {
						return fmt.Errorf("%s is not a name; rm takes names away, prune frees what has none", arg)
					}
					names = append(names, name)
				}
				for _, name := range names {
					if err := st.Untag(cmd.Context(), name); err != nil {
						return err
					}
					fmt.Fprintln(a.env.Stdout, "untagged", name)
				}
				return nil
			})
		},
	}
}

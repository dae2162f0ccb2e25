package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime/container"
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
				}
				return nil
			})
		},
	}
}

func (a *app) saveCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "save [-o FILE] REF...", Short: "Write images to an archive, OCI layout and docker archive in one", Args: cli.AtLeast("REF"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(func(st *store.Store) error {
				var names []string
				for _, arg := range args {
					name, d, err := transfer.Resolve(cmd.Context(), st, arg)
					if err != nil {
						return err
					}
					if name == "" {
						name = d.Digest.String()
					}
					names = append(names, name)
				}
				return a.save(cmd.Context(), st, output, names)
			})
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `FILE` instead of standard output")
	return cmd
}

// save writes the archive. A file appears whole or not at all, and one of that name
// stays as it is until then.
func (a *app) save(ctx context.Context, st *store.Store, output string, names []string) (err error) {
	if output == "" {
		if f, ok := a.env.Stdout.(*os.File); ok && cli.IsTerminal(f) {
			return cli.Usagef("an archive is not for the terminal; give -o FILE or redirect the output")
		}
		return st.Save(ctx, a.env.Stdout, names...)
	}
	err = store.WriteFile(output, func(f *os.File) error { return st.Save(ctx, f, names...) })
	if err != nil {
		return fmt.Errorf("save to %s: %w", output, err)
	}
	return nil
}

func (a *app) loadCommand() *cobra.Command {
	var input string
	cmd := &cobra.Command{
		Use: "load [-i FILE]", Short: "Read images from an archive", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := a.env.Stdin
			if input != "" {
				f, err := os.Open(input)
				if err != nil {
					return err
				}
				defer f.Close()
				r = f
			}
			return a.withStore(func(st *store.Store) error {
				list, err := st.Load(cmd.Context(), r)
				for _, t := range list {
					fmt.Fprintln(a.env.Stdout, t.Name, t.Desc.Digest)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVarP(&input, "input", "i", "", "read `FILE` instead of standard input")
	return cmd
}

func (a *app) pruneCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: "prune [--dry-run]", Short: "Free what no image needs", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(func(st *store.Store) error {
				inUse, err := ofContainers(st)
				if err != nil {
					return err
				}
				pruned, err := st.Prune(cmd.Context(), store.PruneOptions{DryRun: dryRun, Keep: inUse})
				if err != nil {
					return err
				}
				verb := "freed"
				if dryRun {
					verb = "would free"
				}
				_, err = fmt.Fprintf(a.env.Stdout, "%s %s\n", verb, cli.Size(pruned.Freed))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say how much it would be")
	return cmd
}

// ofContainers lists the images of the containers that run keeps beside the store:
// they stay, tagged or not, for a stopped container starts again from its digest.
func ofContainers(st *store.Store) ([]digest.Digest, error) {
	set, err := container.Open(st.Derived("containers"))
	if err != nil {
		return nil, err
	}
	all, err := set.All()
	if err != nil {
		return nil, err
	}
	var images []digest.Digest
	for _, c := range all {
		cfg, err := c.Config()
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was removed meanwhile
		} else if err != nil {
			return nil, err
		}
		images = append(images, cfg.Digest)
	}
	return images, nil
}

func (a *app) checkCommand() *cobra.Command {
	var format cli.Format
	cmd := &cobra.Command{
		Use: "check [--format table|json]", Short: "Check the store: every blob against its digest", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(func(st *store.Store) error { return a.check(cmd.Context(), st, format) })
		},
	}
	format.AddFlag(cmd)
	return cmd
}

// check prints what is wrong with the store; anything wrong is a failure.
func (a *app) check(ctx context.Context, st *store.Store, format cli.Format) error {
	found, err := st.Check(ctx)
	if err != nil {
		return err
	}
	if found == nil {
		found = []store.Finding{}
	}
	if format == cli.JSON {
		err = cli.PrintJSON(a.env.Stdout, found)
	} else {
		for _, f := range found {
			fmt.Fprintf(a.env.Stdout, "%s: %s; %s\n", f.Object, f.Problem, f.Remedy)
		}
	}
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("the store %s has %d problems", st.Dir(), len(found))
	}
	return err
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/store"
)

func (a *app) tag() *cobra.Command {
	return a.storeVerb("tag IMAGE NAME", "Give an image of the store one more name", cli.Exactly("IMAGE", "NAME"),
		func(cmd *cobra.Command, st *store.Store, args []string) error {
			desc, err := transfer.Resolve(cmd.Context(), st, args[0])
			if err != nil {
				return err
			}
			ref, err := transfer.Named(args[1])
			if err != nil {
				return err
			}
			return st.Tag(cmd.Context(), ref.String(), desc)
		})
}

func (a *app) remove() *cobra.Command {
	return a.storeVerb("rm NAME...", "Remove names from the store; 'prune' frees the space", cli.AtLeast("NAME"),
		func(cmd *cobra.Command, st *store.Store, args []string) error {
			var errs []error
			for _, arg := range args {
				ref, err := transfer.Named(arg)
				if err == nil {
					err = st.Untag(cmd.Context(), ref.String())
				}
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		})
}

func (a *app) save() *cobra.Command {
	var output string
	cmd := a.storeVerb("save -o FILE IMAGE...", "Write images as one archive that OCI tools and docker read", cli.AtLeast("IMAGE"),
		func(cmd *cobra.Command, st *store.Store, args []string) error {
			names := make([]string, len(args))
			for i, arg := range args {
				ref, err := transfer.Named(arg)
				if err != nil {
					return err
				}
				names[i] = ref.String()
			}
			if output == "-" {
				return st.Save(cmd.Context(), a.env.Stdout, names...)
			}
			return writeFile(output, func(w io.Writer) error { return st.Save(cmd.Context(), w, names...) })
		})
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `FILE`; - is standard output")
	cobra.CheckErr(cmd.MarkFlagRequired("output"))
	return cmd
}

// writeFile makes the file whole or not at all.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".mullion-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone after the rename
	err = errors.Join(write(f), f.Chmod(0o644), f.Sync())
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

func (a *app) load() *cobra.Command {
	var input string
	cmd := a.storeVerb("load -i FILE", "Bring the images of an archive into the store", cli.Exactly(),
		func(cmd *cobra.Command, st *store.Store, _ []string) error {
			in := a.env.Stdin
			if input != "-" {
				f, err := os.Open(input)
				if err != nil {
					return fmt.Errorf("load: %w", err)
				}
				defer f.Close()
				in = f
			}
			tags, err := st.Load(cmd.Context(), in)
			if err != nil {
				return err
			}
			for _, t := range tags {
				fmt.Fprintln(a.env.Stdout, t.Name, t.Desc.Digest)
			}
			return nil
		})
	cmd.Flags().StringVarP(&input, "input", "i", "-", "read `FILE`; - is standard input")
	return cmd
}

func (a *app) prune() *cobra.Command {
	var dryRun bool
	cmd := a.storeVerb("prune", "Delete what no image of the store needs", cli.Exactly(),
		func(cmd *cobra.Command, st *store.Store, _ []string) error {
			freed, err := st.Prune(cmd.Context(), dryRun)
			if err != nil {
				return err
			}
			verb := "freed"
			if dryRun {
				verb = "would free"
			}
			_, err = fmt.Fprintf(a.env.Stdout, "%s %s\n", verb, cli.Size(freed))
			return err
		})
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say how much it would free")
	return cmd
}

func (a *app) check() *cobra.Command {
	var format cli.Format
	cmd := a.storeVerb("check", "Read the whole store and say what is damaged", cli.Exactly(),
		func(cmd *cobra.Command, st *store.Store, _ []string) error {
			findings, err := st.Check(cmd.Context())
			if err != nil {
				return err
			}
			if format == cli.JSON {
				if findings == nil {
					findings = []store.Finding{}
				}
				err = cli.PrintJSON(a.env.Stdout, findings)
			} else {
				for _, f := range findings {
					fmt.Fprintln(a.env.Stdout, f)
				}
			}
			if err == nil && len(findings) > 0 {
				err = fmt.Errorf("check %s: %d findings", st.Dir(), len(findings))
			}
			return err
		})
	format.AddFlag(cmd)
	return cmd
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: cli.Exactly(), RunE: func(*cobra.Command, []string) error {
		_, err := fmt.Fprintln(a.env.Stdout, "mullion", cli.Version())
		return err
	}}
}

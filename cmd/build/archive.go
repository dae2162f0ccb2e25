package main

import (
	"context"
	"fmt"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/store"
)

// saveOptions are the flags of save.
type saveOptions struct {
	output, format string
}

// ociDir is the format of save that is no archive but a folder.
const ociDir = "oci-dir"

// archiveFormats are the values of save's --format that make one file.
var archiveFormats = map[string]store.Format{"": store.Both, "oci": store.OCI, "docker": store.Docker}

func (a *app) saveCommand() *cobra.Command {
	var o saveOptions
	cmd := &cobra.Command{
		Use: "save [--format oci|docker|oci-dir] [-o FILE] REF...", Short: "Write images to an archive that is an OCI layout, a docker archive, or both",
		Args: cli.AtLeast("REF"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, ok := archiveFormats[o.format]; !ok && o.format != ociDir {
				return cli.Usagef("--format %q: want oci, docker or %s; without it the archive is both", o.format, ociDir)
			}
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
				left, err := a.save(cmd.Context(), st, o, names)
				for _, d := range left {
					a.note("left out, as it is not in the store: %s %s", d.Digest, platformText(d.Platform))
				}
				return err
			})
		},
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "write to `FILE`, for oci-dir a folder, instead of standard output")
	cmd.Flags().StringVar(&o.format, "format", "", "make only an `oci|docker` archive, or oci-dir, a folder")
	return cmd
}

// save writes the archive. A file appears whole or not at all, and one of that
// name stays as it is until then.
func (a *app) save(ctx context.Context, st *store.Store, o saveOptions, names []string) (left []ocispec.Descriptor, err error) {
	switch {
	case o.format == ociDir && o.output == "":
		return nil, cli.Usagef("a folder needs a name; give -o DIR")
	case o.format == ociDir:
		return st.SaveDir(ctx, o.output, names...)
	case o.output == "":
		if f, ok := a.env.Stdout.(*os.File); ok && cli.IsTerminal(f) {
			return nil, cli.Usagef("an archive is not for the terminal; give -o FILE or redirect the output")
		}
		return st.Save(ctx, a.env.Stdout, archiveFormats[o.format], names...)
	}
	err = store.WriteFile(o.output, func(f *os.File) (err error) {
		left, err = st.Save(ctx, f, archiveFormats[o.format], names...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("save to %s: %w", o.output, err)
	}
	return left, nil
}

// loadedRow is one image that load brought.
type loadedRow struct {
	Name   string        `json:"name,omitempty"` // "" if the archive gives it none
	Digest digest.Digest `json:"digest"`
}

func (a *app) loadCommand() *cobra.Command {
	var input string
	var format cli.Format
	cmd := &cobra.Command{
		Use: "load [-i FILE] [--format table|json]", Short: "Read images from an OCI layout, as a folder or an archive, or a docker archive", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(func(st *store.Store) error {
				list, err := a.load(cmd.Context(), st, input)
				if err != nil {
					return err
				}
				return a.printLoaded(list, format)
			})
		},
	}
	cmd.Flags().StringVarP(&input, "input", "i", "", "read `FILE`, or a folder, instead of standard input")
	format.AddFlag(cmd)
	return cmd
}

func (a *app) load(ctx context.Context, st *store.Store, input string) ([]store.Tagged, error) {
	if input == "" {
		return st.Load(ctx, a.env.Stdin)
	}
	f, err := os.Open(input)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return st.LoadDir(ctx, input)
	}
	return st.Load(ctx, f)
}

func (a *app) printLoaded(list []store.Tagged, format cli.Format) error {
	rows := make([]loadedRow, 0, len(list))
	for _, t := range list {
		rows = append(rows, loadedRow{t.Name, t.Desc.Digest})
	}
	if format == cli.JSON {
		return cli.PrintJSON(a.env.Stdout, rows)
	}
	for _, r := range rows {
		name := r.Name
		if name == "" {
			name = "(no name)"
		}
		if _, err := fmt.Fprintln(a.env.Stdout, name, r.Digest); err != nil {
			return err
		}
	}
	return nil
}

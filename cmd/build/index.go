package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/registry"
)

// maxIndexText bounds an index that is read, in bytes.
const maxIndexText = 4 << 20

func (a *app) indexCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "index", Short: "Make one image of those for several versions of Windows",
		RunE: func(cmd *cobra.Command, args []string) error {
			return cli.Usagef("'%s' wants one of its verbs: create, add, inspect, publish-toc", cmd.CommandPath())
		},
	}
	cmd.AddCommand(a.indexCreateCommand(), a.indexAddCommand(), a.indexInspectCommand(), a.publishCommand())
	return cmd
}

func (a *app) indexCreateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "create REF IMAGE...", Short: "Make an index of images", Args: cli.AtLeast("REF", "IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.index(cmd.Context(), args[0], nil, args[1:])
		},
	}
}

func (a *app) indexAddCommand() *cobra.Command {
	return &cobra.Command{
		Use: "add REF IMAGE...", Short: "Add images to an index; one for the same platform is replaced", Args: cli.AtLeast("REF", "IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.index(cmd.Context(), args[0], []string{args[0]}, args[1:])
		},
	}
}

// index names an index of what the images old and then more are. One of more takes
// the place of one of old for the same platform.
func (a *app) index(ctx context.Context, name string, old, more []string) error {
	r, err := image.ParseRef(name)
	if err != nil {
		return cli.Usagef("%w", err)
	}
	if r.Digest != "" {
		return cli.Usagef("%s: a name to give has no digest", name)
	}
	return a.withStore(func(st *store.Store) error {
		before, err := entriesOf(ctx, st, old)
		if err != nil {
			return err
		}
		list, err := entriesOf(ctx, st, more)
		if err != nil {
			return err
		}
		var kept []ocispec.Descriptor
		for _, d := range before {
			replaced := false
			for _, n := range list {
				replaced = replaced || entryPlatform(n) == entryPlatform(d)
			}
			if !replaced {
				kept = append(kept, d)
			}
		}
		d, err := putIndex(ctx, st, append(kept, list...), nil)
		if err != nil {
			return err
		}
		if err := st.Tag(ctx, r.String(), d); err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.env.Stdout, d.Digest)
		return err
	})
}

// entriesOf lists the images that names stand for, as entries of an index. An index
// stands for its entries.
func entriesOf(ctx context.Context, st *store.Store, names []string) ([]ocispec.Descriptor, error) {
	var list []ocispec.Descriptor
	for _, name := range names {
		_, d, err := transfer.Resolve(ctx, st, name)
		if err != nil {
			return nil, err
		}
		if registry.IsIndex(d.MediaType) {
			index, err := readIndex(ctx, st, d)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			list = append(list, index.Manifests...)
			continue
		}
		img, err := image.Load(ctx, st, d.Digest.String(), image.Platform{})
		if err != nil {
			return nil, err
		}
		list = append(list, entry(img.Desc, &img.Config))
	}
	return list, nil
}

func readIndex(ctx context.Context, st *store.Store, d ocispec.Descriptor) (*ocispec.Index, error) {
	b, err := st.ReadBlob(ctx, d, maxIndexText)
	if err != nil {
		return nil, err
	}
	var index ocispec.Index
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, fmt.Errorf("read index %s: %w", d.Digest, err)
	}
	return &index, nil
}

// indexRow is an image of an index.
type indexRow struct {
	Platform  string        `json:"platform"`
	OSVersion string        `json:"osVersion,omitempty"`
	Features  []string      `json:"osFeatures,omitempty"`
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"` // of the manifest
	Here      bool          `json:"here"` // the store has the manifest
}

func (a *app) indexInspectCommand() *cobra.Command {
	var format cli.Format
	cmd := &cobra.Command{
		Use: "inspect [--format table|json] REF", Short: "List the images of an index", Args: cli.Exactly("REF"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(func(st *store.Store) error {
				_, d, err := transfer.Resolve(cmd.Context(), st, args[0])
				if err != nil {
					return err
				}
				if !registry.IsIndex(d.MediaType) {
					return fmt.Errorf("%s is one image, not an index", args[0])
				}
				index, err := readIndex(cmd.Context(), st, d)
				if err != nil {
					return err
				}
				rows := []indexRow{}
				for _, m := range index.Manifests {
					row := indexRow{Platform: entryPlatform(m), Digest: m.Digest, Size: m.Size, Here: st.Has(m.Digest)}
					if m.Platform != nil {
						row.OSVersion, row.Features = m.Platform.OSVersion, m.Platform.OSFeatures
					}
					rows = append(rows, row)
				}
				return a.printIndex(rows, format)
			})
		},
	}
	format.AddFlag(cmd)
	return cmd
}

func (a *app) printIndex(rows []indexRow, format cli.Format) error {
	if format == cli.JSON {
		return cli.PrintJSON(a.env.Stdout, rows)
	}
	var table [][]string
	for _, r := range rows {
		here := "no"
		if r.Here {
			here = "yes"
		}
		table = append(table, []string{r.Platform, short(r.Digest.String()), here})
	}
	return cli.PrintTable(a.env.Stdout, []string{"PLATFORM", "DIGEST", "HERE"}, table)
}

func (a *app) publishCommand() *cobra.Command {
	var o moveOptions
	cmd := &cobra.Command{
		Use: "publish-toc [--insecure] [-q] REF", Short: "Attach the tables of contents of an image's layers to it in its registry",
		Long: `Attaches the tables of contents of an image's layers, a few megabytes, to the image
in its registry, as an OCI artifact. Who then builds FROM it by its tag fetches a
layer only when bytes of its files are needed. Prints the artifacts' digests.`,
		Args: cli.Exactly("REF"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(func(st *store.Store) error {
				list, err := transfer.PublishTOC(cmd.Context(), st, args[0], a.options(o))
				for _, d := range list {
					fmt.Fprintln(a.env.Stdout, d.Digest)
				}
				return err
			})
		},
	}
	o.addFlags(cmd)
	return cmd
}

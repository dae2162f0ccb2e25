package main

import (
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/registry"
)

// moveOptions are the flags of push and pull.
type moveOptions struct {
	insecure, quiet bool
	platform        string
}

func (o *moveOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.insecure, "insecure", false, "allow plain http and unknown certificates with any registry")
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but the image's digest")
}

// options are those of a transfer that tells of what it moves.
func (a *app) options(o moveOptions) transfer.Options {
	t := transfer.Options{Insecure: o.insecure}
	if !o.quiet {
		t.Progress = func(e registry.Event) {
			if e.Action != registry.Moving {
				a.note("%-8s %s %s", e.Action, short(e.Desc.Digest.String()), cli.Size(e.Desc.Size))
			}
		}
	}
	return t
}

// short is the part of a digest that people compare.
func short(digest string) string {
	const prefix, digits = len("sha256:"), 12
	if len(digest) < prefix+digits {
		return digest
	}
	return digest[prefix : prefix+digits]
}

func (a *app) pushCommand() *cobra.Command {
	var o moveOptions
	cmd := &cobra.Command{
		Use: "push [--insecure] [-q] REF", Short: "Push an image to its registry", Args: cli.Exactly("REF"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(func(st *store.Store) error {
				d, err := transfer.Push(cmd.Context(), st, args[0], a.options(o))
				return a.moved(d, err)
			})
		},
	}
	o.addFlags(cmd)
	return cmd
}

func (a *app) pullCommand() *cobra.Command {
	var o moveOptions
	cmd := &cobra.Command{
		Use: "pull [--platform PLATFORM] [--insecure] [-q] REF", Short: "Pull an image from its registry", Args: cli.Exactly("REF"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := image.ParsePlatform(o.platform)
			if err != nil {
				return cli.Usagef("--platform: %w", err)
			}
			return a.withStore(func(st *store.Store) error {
				d, err := transfer.Pull(cmd.Context(), st, args[0], p, a.options(o))
				return a.moved(d, err)
			})
		},
	}
	o.addFlags(cmd)
	cmd.Flags().StringVar(&o.platform, "platform", "windows/amd64", "pull the image for `PLATFORM` out of an index")
	return cmd
}

// moved prints the digest of an image that was pushed or pulled.
func (a *app) moved(d ocispec.Descriptor, err error) error {
	if err == nil {
		_, err = fmt.Fprintln(a.env.Stdout, d.Digest)
	}
	return err
}

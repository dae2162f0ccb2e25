package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/container"
)

// commitOptions are the flags of commit.
type commitOptions struct{ message, author string }

func (a *app) commit() *cobra.Command {
	var o commitOptions
	cmd := &cobra.Command{
		Use: "commit [-m MESSAGE] [-a AUTHOR] NAME REF", Short: "Make an image of what a stopped container has written", Args: cli.Exactly("NAME", "REF"),
		Long: `Makes an image of the container's image and one more layer: the files that programs in
the container have made, changed and deleted, and what they wrote to HKEY_LOCAL_MACHINE and HKEY_CURRENT_USER.
The configuration is the image's own. What no layer can hold is named as a warning.
The container must have stopped; it stays as it is.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := image.ParseRef(args[1])
			if err != nil {
				return cli.Usagef("%w", err)
			}
			if ref.Digest != "" {
				return cli.Usagef("%s: a name to give has no digest", args[1])
			}
			return a.withSet(func(st *store.Store, set *container.Set) error {
				c, err := set.Find(args[0])
				if err != nil {
					return err
				}
				var d ocispec.Descriptor
				err = c.Hold(cmd.Context(), func(cfg container.Config, state container.State) (err error) {
					d, err = a.commitHeld(cmd.Context(), st, c.WorkDir(), cfg, state, o)
					return err
				})
				if err != nil {
					return fmt.Errorf("commit %s: %w", args[0], err)
				}
				if err := st.Tag(cmd.Context(), ref.String(), d); err != nil {
					return err
				}
				_, err = fmt.Fprintln(a.env.Stdout, d.Digest)
				return err
			})
		},
	}
	cmd.Flags().StringVarP(&o.message, "message", "m", "", "note this `text` in the image's history")
	cmd.Flags().StringVarP(&o.author, "author", "a", "", "note this `name` in the image's history")
	return cmd
}

// commitHeld makes the image of a container that nobody else changes meanwhile. The time of everything new is when the
// program ended: committed twice, it is the same image.
func (a *app) commitHeld(ctx context.Context, st *store.Store, dir string, cfg container.Config, state container.State, o commitOptions) (d ocispec.Descriptor, err error) {
	img, err := image.Load(ctx, st, cfg.Digest.String(), image.Platform{})
	if err != nil {
		return d, err
	}
	if state.Finished.IsZero() {
		return d, errors.New("it was never started, so it has written nothing")
	}
	spool := st.Derived("spool")
	if err := os.MkdirAll(spool, 0o700); err != nil {
		return d, err
	}
	v, err := img.View(ctx, st)
	if err != nil {
		return d, err
	}
	sc, err := view.NewScratch(v, spool, view.ScratchOptions{Time: nt.FiletimeOf(state.Finished)})
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, sc.Close()) }()
	spec := &runtime.Spec{ID: cfg.ID, View: v, Dir: dir, Hostname: cfg.Hostname, User: cfg.User}
	if err := a.importWrites(ctx, st, spec, sc); err != nil {
		return d, err
	}
	if !sc.Changed() {
		a.note("the container has written nothing: it is the same image")
		return img.Desc, nil
	}
	layer, err := image.Commit(ctx, st, sc, pack.Gzip)
	if err != nil {
		return d, err
	}
	made := img.Config.Clone()
	at := state.Finished.UTC()
	made.Created, made.Author = &at, o.author
	made.History = append(img.History(), ocispec.History{Created: &at, CreatedBy: cfg.CommandLine, Author: o.author, Comment: o.message})
	return image.Write(ctx, st, made, append(img.Chain(), layer))
}

// importWrites asks the runtimes, all of which leave the same behind, for what a container has written.
func (a *app) importWrites(ctx context.Context, st *store.Store, spec *runtime.Spec, sc *view.Scratch) error {
	for _, r := range a.runtimes(st) {
		im, ok := r.(runtime.Importer)
		if !ok {
			continue
		}
		left, err := im.Import(ctx, spec, sc)
		for _, l := range left {
			a.note("left out: " + l)
		}
		return err
	}
	return errors.New("images cannot be made of containers on this system yet")
}

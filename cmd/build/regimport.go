package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/build/internal/reg"
	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/hives/regfile"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/view"
)

func (a *app) regImport() *cobra.Command {
	var flags targetFlags
	var tag string
	cmd := &cobra.Command{
		Use:   "import [--platform PLATFORM] [--reg32] -t NEWREF TARGET FILE.reg",
		Short: "Make an image of another and a .reg file, as one more layer", Args: cli.Exactly("TARGET", "FILE.reg"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if tag == "" {
				return cli.Usagef("reg import needs a name for the new image: -t NEWREF")
			}
			to, err := image.ParseRef(tag)
			if err != nil {
				return cli.Usagef("-t %s: %w", tag, err)
			}
			if to.Digest != "" {
				return cli.Usagef("-t %s: a name to give has no digest", tag)
			}
			created, err := a.sourceDate()
			if err != nil {
				return err
			}
			sections, err := readReg(args[1])
			if err != nil {
				return err
			}
			if flags.reg32 {
				for i := range sections {
					sections[i].Path = reg.Key32(sections[i].Path)
				}
			}
			return a.withTargets(flags, func(t *targets) error {
				base, err := t.openImage(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				i := importer{t, base, sections, created, "reg import " + filepath.Base(args[1])}
				d, err := i.run(cmd.Context())
				if err != nil {
					return fmt.Errorf("%s: %w", args[1], err)
				}
				if err := t.st.Tag(cmd.Context(), to.String(), d); err != nil {
					return err
				}
				_, err = fmt.Fprintln(a.env.Stdout, d.Digest)
				return err
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVarP(&tag, "tag", "t", "", "name the new image `NEWREF`")
	return cmd
}

func readReg(path string) ([]regfile.Section, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sections, err := regfile.Parse(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return sections, nil
}

// importer makes an image of another and a .reg file.
type importer struct {
	*targets
	base     *target
	sections []regfile.Section
	created  time.Time
	text     string // for the history
}

// run returns the new image, or the old one if the file changes nothing.
func (i *importer) run(ctx context.Context) (d ocispec.Descriptor, err error) {
	spool := i.st.Derived("spool")
	if err := os.MkdirAll(spool, 0o700); err != nil {
		return d, err
	}
	sc, err := view.NewScratch(i.base.view, spool, view.ScratchOptions{Time: nt.FiletimeOf(i.created)})
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, sc.Close()) }()
	sc.UseUsers(userOf(i.base.image))
	if err := reg.Apply(sc.Registry(), i.sections); err != nil {
		return d, err
	}
	if err := sc.SaveUsers(); err != nil {
		return d, err
	}
	if !sc.Changed() {
		i.app.note("nothing to change: the new name is for the image as it is")
		return i.base.image.Desc, nil
	}
	layer, err := image.Commit(ctx, i.st, sc, pack.Gzip)
	if err != nil {
		return d, err
	}
	return i.write(ctx, layer)
}

// write puts the image with one more layer into the store.
func (i *importer) write(ctx context.Context, layer view.Layer) (ocispec.Descriptor, error) {
	cfg := i.base.image.Config.Clone()
	chain := i.base.image.Chain()
	cfg.Created = &i.created
	if layersOf(cfg.History) != len(chain) {
		cfg.History = make([]ocispec.History, len(chain)) // it cannot be told what made which
	}
	cfg.History = append(slices.Clip(cfg.History), ocispec.History{Created: &i.created, CreatedBy: i.text})
	return image.Write(ctx, i.st, cfg, append(chain, layer))
}

// layersOf counts the steps of a history that made a layer.
func layersOf(history []ocispec.History) int {
	n := 0
	for _, h := range history {
		if !h.EmptyLayer {
			n++
		}
	}
	return n
}

// nameLayers says which line of an image's history made each layer, if it tells.
func nameLayers(layers []reg.MadeBy, img *image.Image) {
	if layersOf(img.Config.History) != len(layers) {
		return
	}
	next := 0
	for _, h := range img.Config.History {
		if !h.EmptyLayer {
			layers[next].CreatedBy = h.CreatedBy
			next++
		}
	}
}

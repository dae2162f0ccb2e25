package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/registry"
)

// imageRow is a line of images.
type imageRow struct {
	Name      string        `json:"name"`
	Digest    digest.Digest `json:"digest"`
	Platforms []string      `json:"platforms"`
	Created   *time.Time    `json:"created,omitempty"`
	Size      int64         `json:"size"`              // of manifests, configs and layers, compressed; of an index's images that are here
	Absent    int64         `json:"absent"`            // how many bytes of it are not in the store
	Problem   string        `json:"problem,omitempty"` // why not all of this is known
}

func (a *app) imagesCommand() *cobra.Command {
	var format cli.Format
	var quiet bool
	cmd := &cobra.Command{
		Use: "images [-q] [--format table|json]", Short: "List the images of the store", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(func(st *store.Store) error {
				rows, err := imageRows(cmd.Context(), st)
				if err != nil {
					return err
				}
				return a.printImages(rows, format, quiet)
			})
		},
	}
	format.AddFlag(cmd)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print digests only")
	return cmd
}

// imageRows lists the images by name. One that cannot be read is listed with the
// reason: it must be possible to see it, and to remove it.
func imageRows(ctx context.Context, st *store.Store) ([]imageRow, error) {
	tags, err := st.Tags(ctx)
	if err != nil {
		return nil, err
	}
	rows := make([]imageRow, 0, len(tags))
	for _, t := range tags {
		row := imageRow{Name: t.Name, Digest: t.Desc.Digest, Platforms: []string{}, Size: t.Desc.Size}
		if err := row.fill(ctx, st, t.Desc); err != nil {
			row.Problem = err.Error()
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b imageRow) int { return strings.Compare(a.Name, b.Name) })
	return rows, nil
}

// fill reads what a row says about an image, or about those of an index that are here.
func (r *imageRow) fill(ctx context.Context, st *store.Store, d ocispec.Descriptor) error {
	absent, err := st.Absent(ctx, d)
	if err != nil {
		return err
	}
	for _, a := range absent {
		r.Absent += a.Size
	}
	body, err := registry.ReadManifest(ctx, transfer.Store{S: st}, d)
	if err != nil {
		return err
	}
	m, err := registry.DecodeManifest(d.MediaType, body)
	if err != nil {
		return err
	}
	if !registry.IsIndex(m.MediaType) {
		img, err := image.Load(ctx, st, d.Digest.String(), image.Platform{})
		if err != nil {
			return err
		}
		r.Platforms, r.Created, r.Size = []string{img.Config.Platform().String()}, img.Config.Created, size(img)
		return nil
	}
	for _, d := range m.Manifests {
		if d.Platform == nil || d.Platform.OS != "windows" {
			continue
		}
		r.Platforms = append(r.Platforms, platformText(d.Platform))
		if img, err := image.Load(ctx, st, d.Digest.String(), image.Platform{}); err == nil { // others were never pulled
			r.Created, r.Size = img.Config.Created, r.Size+size(img)
		}
	}
	return nil
}

func platformText(p *ocispec.Platform) string {
	if p == nil {
		return ""
	}
	return image.Platform{OS: p.OS, Arch: p.Architecture, OSVersion: p.OSVersion}.String()
}

// size is what an image takes in a registry.
func size(img *image.Image) int64 {
	n := img.Desc.Size + img.Manifest.Config.Size
	for _, l := range img.Manifest.Layers {
		n += l.Size
	}
	return n
}

func (a *app) printImages(rows []imageRow, format cli.Format, quiet bool) error {
	if format == cli.JSON {
		return cli.PrintJSON(a.env.Stdout, rows)
	}
	var table [][]string
	for _, r := range rows {
		if quiet {
			fmt.Fprintln(a.env.Stdout, r.Digest)
			continue
		}
		about, created := cli.Size(r.Size), ""
		if r.Absent > 0 {
			about += " (" + cli.Size(r.Absent) + " not here)"
		}
		if r.Problem != "" {
			about = "(" + r.Problem + ")"
		}
		if r.Created != nil {
			created = r.Created.UTC().Format(time.DateOnly)
		}
		table = append(table, []string{r.Name, short(r.Digest.String()), strings.Join(r.Platforms, " "), created, about})
	}
	if quiet {
		return nil
	}
	return cli.PrintTable(a.env.Stdout, []string{"NAME", "DIGEST", "PLATFORM", "CREATED", "SIZE"}, table)
}

// imageFacts is what inspect prints.
type imageFacts struct {
	Name     string        `json:"name,omitempty"` // "" if asked for by digest
	Digest   digest.Digest `json:"digest"`
	Platform string        `json:"platform"`
	Size     int64         `json:"size"`
	Layers   []layerFacts  `json:"layers"`
	Config   *image.Config `json:"config"`
}

// layerFacts is one layer, bottom first.
type layerFacts struct {
	Digest    digest.Digest `json:"digest"`
	DiffID    digest.Digest `json:"diffID"`
	Size      int64         `json:"size"`
	MediaType string        `json:"mediaType"`
}

func facts(name string, img *image.Image) imageFacts {
	f := imageFacts{Name: name, Digest: img.Desc.Digest, Platform: img.Config.Platform().String(), Size: size(img), Config: &img.Config}
	for _, l := range img.Chain() {
		f.Layers = append(f.Layers, layerFacts{l.Desc.Digest, l.DiffID, l.Desc.Size, l.Desc.MediaType})
	}
	return f
}

// load finds the image of an argument for verbs that show it.
func load(ctx context.Context, st *store.Store, ref, platform string) (name string, img *image.Image, err error) {
	var p image.Platform
	if platform != "" {
		if p, err = image.ParsePlatform(platform); err != nil {
			return "", nil, cli.Usagef("--platform: %w", err)
		}
	}
	if name, _, err = transfer.Resolve(ctx, st, ref); err == nil {
		img, err = transfer.Load(ctx, st, ref, p)
	}
	return name, img, err
}

func (a *app) inspectCommand() *cobra.Command {
	format := cli.JSON
	var platform string
	cmd := &cobra.Command{
		Use: "inspect [--platform PLATFORM] [--format json|table] IMAGE", Short: "Show an image's layers and configuration", Args: cli.Exactly("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(func(st *store.Store) error {
				name, img, err := load(cmd.Context(), st, args[0], platform)
				if err != nil {
					return err
				}
				f := facts(name, img)
				if format == cli.JSON {
					return cli.PrintJSON(a.env.Stdout, f)
				}
				return a.printFacts(f)
			})
		},
	}
	format.AddFlag(cmd)
	cmd.Flags().StringVar(&platform, "platform", "", "of an index, show the image for `PLATFORM`")
	return cmd
}

func (a *app) printFacts(f imageFacts) error {
	c := &f.Config.Config
	rows := [][2]string{
		{"name", f.Name}, {"digest", f.Digest.String()}, {"platform", f.Platform}, {"size", cli.Size(f.Size)},
		{"user", c.User}, {"directory", c.WorkingDir},
	}
	if line, err := f.Config.CommandLine(nil, nil); err == nil {
		rows = append(rows, [2]string{"command", line})
	}
	for _, kv := range c.Env {
		rows = append(rows, [2]string{"env", kv})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		rows = append(rows, [2]string{"label", name + "=" + c.Labels[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(c.ExposedPorts)) {
		rows = append(rows, [2]string{"port", name})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Volumes)) {
		rows = append(rows, [2]string{"volume", name})
	}
	for _, l := range f.Layers {
		rows = append(rows, [2]string{"layer", l.Digest.String() + " " + cli.Size(l.Size)})
	}
	for _, r := range rows {
		if r[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(a.env.Stdout, "%-10s%s\n", r[0], r[1]); err != nil {
			return err
		}
	}
	return nil
}

// historyRow is one step of an image's history, the oldest first.
type historyRow struct {
	Created   *time.Time    `json:"created,omitempty"`
	CreatedBy string        `json:"createdBy"`
	Size      int64         `json:"size"` // of the layer, compressed; 0 if the step made none
	Layer     digest.Digest `json:"layer,omitempty"`
}

func (a *app) historyCommand() *cobra.Command {
	var format cli.Format
	var platform string
	cmd := &cobra.Command{
		Use: "history [--platform PLATFORM] [--format table|json] IMAGE", Short: "Show the steps that made an image", Args: cli.Exactly("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(func(st *store.Store) error {
				_, img, err := load(cmd.Context(), st, args[0], platform)
				if err != nil {
					return err
				}
				return a.printHistory(historyRows(img), format)
			})
		},
	}
	format.AddFlag(cmd)
	cmd.Flags().StringVar(&platform, "platform", "", "of an index, show the image for `PLATFORM`")
	return cmd
}

// historyRows pairs the steps with the layers they made.
func historyRows(img *image.Image) []historyRow {
	rows := make([]historyRow, 0, len(img.Config.History))
	next := 0
	for _, h := range img.Config.History {
		row := historyRow{Created: h.Created, CreatedBy: h.CreatedBy}
		if !h.EmptyLayer && next < len(img.Manifest.Layers) {
			row.Size, row.Layer = img.Manifest.Layers[next].Size, img.Manifest.Layers[next].Digest
			next++
		}
		rows = append(rows, row)
	}
	return rows
}

func (a *app) printHistory(rows []historyRow, format cli.Format) error {
	if format == cli.JSON {
		return cli.PrintJSON(a.env.Stdout, rows)
	}
	var table [][]string
	for i, r := range rows {
		size, layer := "", ""
		if r.Layer != "" {
			size, layer = cli.Size(r.Size), short(r.Layer.String())
		}
		table = append(table, []string{strconv.Itoa(i), layer, size, cli.OneLine(r.CreatedBy)})
	}
	return cli.PrintTable(a.env.Stdout, []string{"STEP", "LAYER", "SIZE", "CREATED BY"}, table)
}

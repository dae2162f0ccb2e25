package main

import (
	"fmt"
	"slices"
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

// summary is an image in a list.
type summary struct {
	Name      string        `json:"name"`
	Digest    digest.Digest `json:"digest"`
	Platforms []string      `json:"platforms"`
	Size      int64         `json:"size"` // of the blobs it names, compressed
}

func (a *app) images() *cobra.Command {
	var format cli.Format
	cmd := a.storeVerb("images", "List the images of the store", cli.Exactly(),
		func(cmd *cobra.Command, st *store.Store, _ []string) error {
			tags, err := st.Tags(cmd.Context())
			if err != nil {
				return err
			}
			list := make([]summary, 0, len(tags))
			for _, t := range tags {
				s, err := summarize(cmd, st, t)
				if err != nil {
					return err
				}
				list = append(list, s)
			}
			slices.SortFunc(list, func(a, b summary) int { return strings.Compare(a.Name, b.Name) })
			if format == cli.JSON {
				return cli.PrintJSON(a.env.Stdout, list)
			}
			var rows [][]string
			for _, s := range list {
				rows = append(rows, []string{s.Name, s.Digest.String()[:19], strings.Join(s.Platforms, " "), cli.Size(s.Size)})
			}
			return cli.PrintTable(a.env.Stdout, []string{"NAME", "DIGEST", "PLATFORM", "SIZE"}, rows)
		})
	format.AddFlag(cmd)
	return cmd
}

// summarize adds up an image, or all images of an index that the store holds. What
// cannot be read as an image is listed by its name: it must be possible to see it,
// and to remove it.
func summarize(cmd *cobra.Command, st *store.Store, t store.Tagged) (summary, error) {
	s := summary{Name: t.Name, Digest: t.Desc.Digest, Size: t.Desc.Size}
	body, err := registry.ReadManifest(cmd.Context(), transfer.Contents{Store: st}, t.Desc)
	if err != nil {
		s.Platforms = []string{"unreadable"}
		return s, nil
	}
	m, err := registry.DecodeManifest(t.Desc.MediaType, body)
	if err != nil {
		s.Platforms = []string{"unknown"}
		return s, nil
	}
	if registry.IsIndex(m.MediaType) {
		for _, d := range m.Children {
			if d.Platform != nil && d.Platform.OS == "windows" {
				s.Platforms = append(s.Platforms, image.Platform{OS: d.Platform.OS, Arch: d.Platform.Architecture, OSVersion: d.Platform.OSVersion}.String())
			}
		}
		return s, nil
	}
	for _, d := range m.Children {
		s.Size += d.Size
	}
	img, err := image.Load(cmd.Context(), st, t.Desc.Digest.String(), image.Platform{})
	if err != nil {
		s.Platforms = []string{"not for Windows"}
		return s, nil
	}
	s.Platforms = []string{img.Config.Platform().String()}
	return s, nil
}

// details is what inspect prints.
type details struct {
	Name     string               `json:"name"`
	Digest   digest.Digest        `json:"digest"`
	Platform string               `json:"platform"`
	Layers   []ocispec.Descriptor `json:"layers"`
	DiffIDs  []digest.Digest      `json:"diffIDs"`
	Config   image.Config         `json:"config"`
}

func (a *app) inspect() *cobra.Command {
	var format cli.Format
	var platform string
	cmd := a.storeVerb("inspect IMAGE", "Show an image's configuration and layers", cli.Exactly("IMAGE"),
		func(cmd *cobra.Command, st *store.Store, args []string) error {
			img, err := a.find(cmd, st, args[0], platform)
			if err != nil {
				return err
			}
			d := details{
				Name: args[0], Digest: img.Desc.Digest, Platform: img.Config.Platform().String(),
				Layers: img.Manifest.Layers, DiffIDs: img.Config.RootFS.DiffIDs, Config: img.Config,
			}
			if format == cli.JSON {
				return cli.PrintJSON(a.env.Stdout, d)
			}
			return a.printDetails(d)
		})
	format.AddFlag(cmd)
	cmd.Flags().StringVar(&platform, "platform", "", "take the image for `PLATFORM` out of an index")
	return cmd
}

func (a *app) find(cmd *cobra.Command, st *store.Store, arg, platform string) (*image.Image, error) {
	p, err := onePlatform(platform)
	if err != nil {
		return nil, err
	}
	desc, err := transfer.Resolve(cmd.Context(), st, arg)
	if err != nil {
		return nil, err
	}
	if platform == "" {
		p = image.Platform{} // whatever it is for
	}
	return image.Load(cmd.Context(), st, desc.Digest.String(), p)
}

func (a *app) printDetails(d details) error {
	c := d.Config.Config
	rows := [][2]string{
		{"name", d.Name}, {"digest", d.Digest.String()}, {"platform", d.Platform}, {"user", c.User},
		{"directory", c.WorkingDir}, {"entrypoint", fmt.Sprintf("%q", c.Entrypoint)}, {"cmd", fmt.Sprintf("%q", c.Cmd)},
	}
	for _, kv := range c.Env {
		rows = append(rows, [2]string{"env", kv})
	}
	for _, name := range sortedKeys(c.Labels) {
		rows = append(rows, [2]string{"label", name + "=" + c.Labels[name]})
	}
	for _, name := range sortedKeys(c.ExposedPorts) {
		rows = append(rows, [2]string{"port", name})
	}
	for _, name := range sortedKeys(c.Volumes) {
		rows = append(rows, [2]string{"volume", name})
	}
	for _, l := range d.Layers {
		rows = append(rows, [2]string{"layer", l.Digest.String() + " " + cli.Size(l.Size)})
	}
	for _, r := range rows {
		if _, err := fmt.Fprintf(a.env.Stdout, "%-11s %s\n", r[0], r[1]); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (a *app) history() *cobra.Command {
	var format cli.Format
	cmd := a.storeVerb("history IMAGE", "Show the steps that made an image, the last one first", cli.Exactly("IMAGE"),
		func(cmd *cobra.Command, st *store.Store, args []string) error {
			img, err := a.find(cmd, st, args[0], "")
			if err != nil {
				return err
			}
			if format == cli.JSON {
				return cli.PrintJSON(a.env.Stdout, img.Config.History)
			}
			layers := img.Manifest.Layers
			var rows [][]string
			for _, h := range img.Config.History {
				size := "0 B"
				if !h.EmptyLayer && len(layers) > 0 {
					size, layers = cli.Size(layers[0].Size), layers[1:]
				}
				created := ""
				if h.Created != nil {
					created = h.Created.UTC().Format(time.DateTime)
				}
				rows = append(rows, []string{created, size, cli.OneLine(h.CreatedBy)})
			}
			slices.Reverse(rows)
			return cli.PrintTable(a.env.Stdout, []string{"CREATED", "SIZE", "CREATED BY"}, rows)
		})
	format.AddFlag(cmd)
	return cmd
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
)

// variant is one of the platforms of a build, with the ARGs that it alone gets.
type variant struct {
	platform image.Platform
	args     []containerfile.Pair
}

// variants reads --platform and --platform-arg.
func variants(platforms string, args []string) ([]variant, error) {
	list := []variant{{platform: image.Platform{OS: "windows", Arch: "amd64"}}}
	if platforms != "" {
		list = nil
	}
	for _, text := range splitPlatforms(platforms) {
		p, err := image.ParsePlatform(text)
		if err != nil {
			return nil, cli.Usagef("--platform: %w", err)
		}
		if slices.ContainsFunc(list, func(v variant) bool { return v.platform == p }) {
			return nil, cli.Usagef("--platform: %s is there twice", p)
		}
		list = append(list, variant{platform: p})
	}
	for _, text := range args {
		name, value, ok := strings.Cut(text, "=")
		i := strings.LastIndexByte(name, ':')
		if !ok || i < 1 || i == len(name)-1 {
			return nil, cli.Usagef("--platform-arg %s: want PLATFORM:NAME=VALUE", text)
		}
		p, err := image.ParsePlatform(name[:i])
		if err != nil {
			return nil, cli.Usagef("--platform-arg %s: %w", text, err)
		}
		at := slices.IndexFunc(list, func(v variant) bool { return v.platform == p })
		if at < 0 {
			return nil, cli.Usagef("--platform-arg %s: %s is no platform of this build", text, p)
		}
		list[at].args = append(list[at].args, containerfile.Pair{Name: name[i+1:], Value: value})
	}
	return list, nil
}

// splitPlatforms splits a list at its commas, but not one platform such as
// windows/amd64,osver=10.0.20348.
func splitPlatforms(s string) []string {
	var list []string
	for part := range strings.SplitSeq(s, ",") {
		if part == "" {
			continue
		}
		if strings.Contains(part, "=") && len(list) > 0 {
			list[len(list)-1] += "," + part
			continue
		}
		list = append(list, part)
	}
	return list
}

// plans plans the build for each of its platforms.
func (b *building) plans(ctx context.Context, f *containerfile.File, o plan.Options) ([]*plan.Plan, error) {
	var list []*plan.Plan
	for _, v := range b.variants {
		one := o
		one.Platform, one.Args = v.platform, append(slices.Clip(o.Args), v.args...)
		p, err := plan.New(ctx, f, one)
		if err != nil {
			if len(b.variants) > 1 {
				b.note("for %s:", v.platform)
			}
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// putIndex puts an index of images into the store. Its entries say which Windows they
// are for, which is what engines choose by.
func putIndex(ctx context.Context, st *store.Store, entries []ocispec.Descriptor, annotations map[string]string) (ocispec.Descriptor, error) {
	for i, d := range entries {
		for _, other := range entries[:i] {
			if a, b := entryPlatform(d), entryPlatform(other); a == b {
				return ocispec.Descriptor{}, fmt.Errorf("two images are for %s; an index has one for each platform", a)
			}
		}
	}
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: entries, Annotations: annotations}
	index.SchemaVersion = 2
	b, err := json.Marshal(index)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return st.Put(ctx, ocispec.MediaTypeImageIndex, b)
}

func entryPlatform(d ocispec.Descriptor) string {
	if d.Platform == nil {
		return "any platform"
	}
	return image.Platform{OS: d.Platform.OS, Arch: d.Platform.Architecture, OSVersion: d.Platform.OSVersion}.String()
}

// entry is the descriptor of an image in an index.
func entry(d ocispec.Descriptor, c *image.Config) ocispec.Descriptor {
	p := c.Platform()
	return ocispec.Descriptor{
		MediaType: d.MediaType, Digest: d.Digest, Size: d.Size,
		Platform: &ocispec.Platform{OS: p.OS, Architecture: p.Arch, OSVersion: p.OSVersion, OSFeatures: c.OSFeatures},
	}
}

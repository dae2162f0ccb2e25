package registry

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// PullLazily is Pull that leaves the layers where they are: only manifests and configurations come into the store. It
// also returns the layers, whether the store has them or not; Fetch brings one of them.
func (c *Client) PullLazily(ctx context.Context, st Store, ref string, choose Chooser) (root ocispec.Descriptor, layers []ocispec.Descriptor, err error) {
	s, root, g, err := c.graph(ctx, st, ref, choose)
	if err == nil {
		layers = g.takeLayers()
		err = s.fetch(ctx, st, g)
	}
	if err != nil {
		return ocispec.Descriptor{}, nil, fmt.Errorf("pull %s: %w", ref, err)
	}
	return root, layers, nil
}

// takeLayers takes those blobs out of the graph that are only layers.
func (g *graph) takeLayers() (layers []ocispec.Descriptor) {
	var configs []ocispec.Descriptor
	for _, n := range g.nodes {
		if len(n.says.Blobs) > 0 {
			configs = append(configs, n.says.Blobs[0])
			layers = append(layers, n.says.Blobs[1:]...)
		}
	}
	g.blobs = unique(configs)
	return unique(append(g.blobs[:len(g.blobs):len(g.blobs)], layers...))[len(g.blobs):]
}

// Fetch brings the blob d from a repository, as HOST/PATH, into the store.
func (c *Client) Fetch(ctx context.Context, st Store, repository string, d ocispec.Descriptor) error {
	s, err := c.repository(ctx, repository, transport.PullScope)
	if err != nil {
		return err
	}
	return s.fetchBlob(ctx, st, d)
}

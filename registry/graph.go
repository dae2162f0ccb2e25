package registry

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// Bounds of one graph, far above any real image set.
const (
	maxDepth         = 8         // index in index in index ...
	maxManifests     = 10_000    // in all
	maxManifestBytes = 256 << 20 // in all; they are held in memory
)

// parallel is how many requests a transfer has under way at once.
const parallel = 4

// node is one manifest or index of a graph.
type node struct {
	desc ocispec.Descriptor
	body []byte
	says *Manifest
}

// graph is all that a root names, each thing once.
type graph struct {
	nodes []*node              // children before parents, the root last
	blobs []ocispec.Descriptor // in the order in which they are named
}

// readFunc gets the bytes of one manifest, proven to be what d names.
type readFunc func(ctx context.Context, d ocispec.Descriptor) ([]byte, error)

// walk reads the graph under root, level by level. A manifest that several
// levels name counts as being on the deepest.
func walk(ctx context.Context, root ocispec.Descriptor, read readFunc) (*graph, error) {
	known := map[digest.Digest]*node{}
	g := &graph{}
	level := []ocispec.Descriptor{root}
	for depth := 0; len(level) > 0; depth++ {
		if depth == maxDepth {
			return nil, fmt.Errorf("index %s nests more than %d levels deep", root.Digest, maxDepth)
		}
		if err := readLevel(ctx, level, known, read); err != nil {
			return nil, err
		}
		var next []ocispec.Descriptor
		for _, d := range level {
			n := known[d.Digest]
			g.nodes = append(g.nodes, n)
			g.blobs = append(g.blobs, n.says.Blobs...)
			next = append(next, n.says.Manifests...)
		}
		level = unique(next)
	}
	slices.Reverse(g.nodes)
	g.nodes = uniqueBy(g.nodes, func(n *node) digest.Digest { return n.desc.Digest })
	g.blobs = unique(g.blobs)
	return g, nil
}

// readLevel adds those manifests of a level to known that are not there yet.
func readLevel(ctx context.Context, level []ocispec.Descriptor, known map[digest.Digest]*node, read readFunc) error {
	var fresh []*node
	for _, d := range level {
		if known[d.Digest] == nil {
			fresh = append(fresh, &node{desc: d})
		}
	}
	if len(known)+len(fresh) > maxManifests {
		return fmt.Errorf("index names more than %d manifests", maxManifests)
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, n := range fresh {
		group.Go(func() error { return n.load(gctx, read) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var total int
	for _, n := range fresh {
		known[n.desc.Digest] = n
	}
	for _, n := range known {
		total += len(n.body)
	}
	if total > maxManifestBytes {
		return fmt.Errorf("index names manifests of more than %d bytes", maxManifestBytes)
	}
	return nil
}

func (n *node) load(ctx context.Context, read readFunc) error {
	body, err := read(ctx, n.desc)
	if err != nil {
		return err
	}
	n.body = body
	if n.says, err = DecodeManifest(n.desc.MediaType, body); err != nil {
		return fmt.Errorf("%s: %w", n.desc.Digest, err)
	}
	return nil
}

func unique(ds []ocispec.Descriptor) []ocispec.Descriptor {
	return uniqueBy(ds, func(d ocispec.Descriptor) digest.Digest { return d.Digest })
}

// uniqueBy keeps the first of all elements with the same key.
func uniqueBy[T any](in []T, key func(T) digest.Digest) []T {
	seen := map[digest.Digest]bool{}
	var out []T
	for _, v := range in {
		if k := key(v); !seen[k] {
			seen[k] = true
			out = append(out, v)
		}
	}
	return out
}

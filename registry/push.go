package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// Push sends the image or index root, and all it names, to ref. What the
// registry has is not sent again. Foreign layers with URLs are left out, as
// their licences ask.
func (c *Client) Push(ctx context.Context, st Store, root ocispec.Descriptor, ref string) error {
	if err := c.push(ctx, st, root, ref); err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	return nil
}

func (c *Client) push(ctx context.Context, st Store, root ocispec.Descriptor, ref string) error {
	r, err := c.parse(ref)
	if err != nil {
		return err
	}
	if _, ok := r.(name.Digest); ok && r.Identifier() != string(root.Digest) {
		return fmt.Errorf("the image is %s, a push cannot give it another digest", root.Digest)
	}
	g, err := walk(ctx, root, func(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
		return ReadManifest(ctx, st, d)
	})
	if err != nil {
		return err
	}
	sources := c.sources(ctx, st, r.Context(), g.blobs)
	s, err := c.open(ctx, r.Context(), scopes(r.Context(), sources)...)
	if err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, d := range g.blobs {
		group.Go(func() error { return s.sendBlob(gctx, st, d, sources[d.Digest]) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return s.sendManifests(ctx, g, r.Identifier())
}

// sources finds, for the blobs about to be pushed, another repository of the
// same registry that holds them by what is known of the store's images.
func (c *Client) sources(ctx context.Context, st Store, to name.Repository, blobs []ocispec.Descriptor) map[digest.Digest]string {
	wanted := map[digest.Digest]bool{}
	for _, d := range blobs {
		wanted[d.Digest] = true
	}
	found := map[digest.Digest]string{}
	for _, n := range slices.Sorted(maps.Keys(c.opts.Known)) {
		from, ok := sibling(n, to)
		if !ok {
			continue
		}
		g, err := walk(ctx, c.opts.Known[n], func(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
			return ReadManifest(ctx, st, d)
		})
		if err != nil {
			continue // not all here: then it cannot tell us anything, which costs an upload at worst
		}
		for _, d := range g.blobs {
			if wanted[d.Digest] && found[d.Digest] == "" && !IsForeign(d) {
				found[d.Digest] = from
			}
		}
	}
	return found
}

// sibling gives the repository of image n if n names the registry of to and
// another repository of it.
func sibling(n string, to name.Repository) (string, bool) {
	if !strings.HasPrefix(n, to.RegistryStr()+"/") {
		return "", false
	}
	ref, err := name.ParseReference(n)
	if err != nil || ref.Context().RegistryStr() != to.RegistryStr() {
		return "", false
	}
	repo := ref.Context().RepositoryStr()
	return repo, repo != to.RepositoryStr()
}

// scopes lists what a push may do where, once each and in a fixed order.
func scopes(to name.Repository, sources map[digest.Digest]string) []string {
	var from []string
	for _, repo := range sources {
		from = append(from, to.Registry.Repo(repo).Scope(transport.PullScope))
	}
	slices.Sort(from)
	return append([]string{to.Scope(transport.PushScope)}, slices.Compact(from)...)
}

// sendManifests puts the manifests of a graph, the root under its final name.
func (s *site) sendManifests(ctx context.Context, g *graph, id string) error {
	for i, n := range g.nodes {
		as := string(n.desc.Digest)
		if i == len(g.nodes)-1 {
			as = id
		}
		if err := s.retry(ctx, s.host(), func() error { return s.putManifest(ctx, n, as) }); err != nil {
			return fmt.Errorf("manifest %s: %w", n.desc.Digest, err)
		}
		s.rep.tell(n.desc, Moved, n.desc.Size)
	}
	return nil
}

func (s *site) putManifest(ctx context.Context, n *node, id string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.url("manifests", id), bytes.NewReader(n.body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", n.says.MediaType)
	resp, err := s.send(req, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return err
	}
	defer drain(resp)
	return checkTold(resp, n.desc.Digest)
}

// drain reads the short rest of an answer, so that the connection serves again.
func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // whatever is left decides nothing
	resp.Body.Close()
}

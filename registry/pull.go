package registry

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// Pull brings the image or index that ref names into the store and returns
// what is to be tagged. With a Chooser only the manifest it picks comes out of
// an index, and that manifest's descriptor is returned; with nil the index and
// all it names come. The error of an unknown name matches fs.ErrNotExist.
func (c *Client) Pull(ctx context.Context, st Store, ref string, choose Chooser) (ocispec.Descriptor, error) {
	s, root, g, err := c.graph(ctx, st, ref, choose)
	if err == nil {
		err = s.fetch(ctx, st, g)
	}
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("pull %s: %w", ref, err)
	}
	return root, nil
}

// graph reads the manifests under what ref names, or under what the Chooser picks of it.
func (c *Client) graph(ctx context.Context, st Store, ref string, choose Chooser) (s *site, root ocispec.Descriptor, g *graph, err error) {
	r, err := c.parse(ref)
	if err != nil {
		return nil, root, nil, err
	}
	if s, err = c.open(ctx, r.Context(), r.Scope(transport.PullScope)); err != nil {
		return nil, root, nil, err
	}
	root, body, err := s.root(ctx, r)
	if err != nil {
		return nil, root, nil, err
	}
	read := func(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
		if d.Digest == root.Digest {
			return body, nil
		}
		return s.manifest(ctx, st, d)
	}
	if choose != nil {
		if root, body, err = descend(ctx, root, body, choose, read); err != nil {
			return nil, root, nil, err
		}
	}
	g, err = walk(ctx, root, read)
	return s, root, g, err
}

// descend follows choose from index to index down to an image manifest.
func descend(ctx context.Context, root ocispec.Descriptor, body []byte, choose Chooser, read readFunc) (ocispec.Descriptor, []byte, error) {
	for range maxDepth {
		m, err := DecodeManifest(root.MediaType, body)
		if err != nil {
			return root, nil, fmt.Errorf("%s: %w", root.Digest, err)
		}
		if !IsIndex(m.MediaType) {
			return root, body, nil
		}
		if root, err = choose(m.Manifests); err != nil {
			return root, nil, err
		}
		if body, err = read(ctx, root); err != nil {
			return root, nil, err
		}
	}
	return root, nil, fmt.Errorf("index %s nests more than %d levels deep", root.Digest, maxDepth)
}

// fetch brings a graph into the store: blobs first, then manifests from the
// leaves up.
func (s *site) fetch(ctx context.Context, st Store, g *graph) error {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, d := range g.blobs {
		group.Go(func() error { return s.fetchBlob(gctx, st, d) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, n := range g.nodes {
		if _, err := ReadManifest(ctx, st, n.desc); err == nil {
			s.rep.tell(n.desc, Exists, n.desc.Size)
			continue
		}
		if err := Put(ctx, st, n.desc, n.body); err != nil {
			return fmt.Errorf("store manifest %s: %w", n.desc.Digest, err)
		}
		s.rep.tell(n.desc, Moved, n.desc.Size)
	}
	return nil
}

// root fetches what the reference stands for now.
func (s *site) root(ctx context.Context, ref name.Reference) (ocispec.Descriptor, []byte, error) {
	d := ocispec.Descriptor{}
	body, header, err := s.getFrom(ctx, "manifests", ref.Identifier())
	if err != nil {
		return d, nil, err
	}
	d.Digest, d.Size = digest.FromBytes(body), int64(len(body))
	if _, ok := ref.(name.Digest); ok && string(d.Digest) != ref.Identifier() {
		return d, nil, fmt.Errorf("registry %s sent other bytes, their digest is %s", s.host(), d.Digest)
	}
	if told := header.Get("Docker-Content-Digest"); told != "" && told != string(d.Digest) {
		return d, nil, fmt.Errorf("registry %s announced %s, but sent %s", s.host(), oneLine(told), d.Digest)
	}
	promised, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if !IsManifest(promised) {
		promised = "" // plain file servers do not know better; the manifest itself does
	}
	m, err := DecodeManifest(promised, body)
	if err != nil {
		return d, nil, err
	}
	d.MediaType = m.MediaType
	return d, body, nil
}

// manifest gives the bytes of a manifest that another one names: the store's
// if they are sound, so that a pull also mends.
func (s *site) manifest(ctx context.Context, st Store, d ocispec.Descriptor) ([]byte, error) {
	if body, err := ReadManifest(ctx, st, d); err == nil {
		return body, nil
	}
	body, _, err := s.getFrom(ctx, "manifests", string(d.Digest))
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	if got := digest.FromBytes(body); got != d.Digest || int64(len(body)) != d.Size {
		return nil, fmt.Errorf("manifest %s: registry %s sent %d other bytes (%s)", d.Digest, s.host(), len(body), got)
	}
	return body, nil
}

// getFrom fetches a manifest from the addresses of a kind.
func (s *site) getFrom(ctx context.Context, kind, id string) (body []byte, header http.Header, err error) {
	err = s.retry(ctx, s.host(), func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url(kind, id), nil)
		if err != nil {
			return err
		}
		for _, t := range manifestTypes() {
			req.Header.Add("Accept", t)
		}
		resp, err := s.send(req, http.StatusOK)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		header = resp.Header
		if body, err = io.ReadAll(io.LimitReader(resp.Body, MaxManifest+1)); err != nil {
			return &brokenError{err}
		}
		if len(body) > MaxManifest {
			return &localError{fmt.Errorf("manifest %s: %w", id, ErrTooLarge)}
		}
		return nil
	})
	return body, header, err
}

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxReferrers bounds the artifacts of one kind that are read.
const maxReferrers = 16

// Attach pushes blobs of the store into a repository, HOST/PATH, as an artifact that refers to the manifest subject there,
// as the OCI image and distribution specifications 1.1 have it. It returns the artifact's manifest.
func (c *Client) Attach(ctx context.Context, st Store, repository string, subject ocispec.Descriptor, artifactType string,
	blobs []ocispec.Descriptor) (ocispec.Descriptor, error) {
	d, err := c.attach(ctx, st, repository, subject, artifactType, blobs)
	if err != nil {
		return d, fmt.Errorf("attach to %s@%s: %w", repository, subject.Digest, err)
	}
	return d, nil
}

func (c *Client) attach(ctx context.Context, st Store, repository string, subject ocispec.Descriptor, artifactType string,
	blobs []ocispec.Descriptor) (d ocispec.Descriptor, err error) {
	s, err := c.repository(ctx, repository, transport.PushScope)
	if err != nil {
		return d, err
	}
	there := false
	err = s.retry(ctx, s.host(), func() (err error) {
		there, err = s.exists(ctx, "manifests", string(subject.Digest))
		return err
	})
	if err != nil {
		return d, err
	}
	if !there {
		return d, fmt.Errorf("registry %s does not have this image: push it first", s.host())
	}
	config := ocispec.DescriptorEmptyJSON
	if err := Put(ctx, st, config, config.Data); err != nil {
		return d, err
	}
	config.Data = nil
	for _, b := range append([]ocispec.Descriptor{config}, blobs...) {
		if err := s.sendBlob(ctx, st, b, ""); err != nil {
			return d, err
		}
	}
	body, err := json.Marshal(ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: artifactType, Config: config, Layers: blobs,
		Subject: &ocispec.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}})
	if err != nil {
		return d, err
	}
	d = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(body), Size: int64(len(body)), ArtifactType: artifactType}
	if err := s.put(ctx, d, body, string(d.Digest)); err != nil {
		return d, err
	}
	return d, s.refer(ctx, subject.Digest, d)
}

func (s *site) put(ctx context.Context, d ocispec.Descriptor, body []byte, id string) error {
	n := &node{desc: d, body: body, says: &Manifest{MediaType: d.MediaType}}
	err := s.retry(ctx, s.host(), func() error { return s.putManifest(ctx, n, id) })
	if err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	return nil
}

// refer adds an artifact to the list of a registry that does not keep it itself.
func (s *site) refer(ctx context.Context, subject digest.Digest, artifact ocispec.Descriptor) error {
	list, kept, err := s.referrers(ctx, subject)
	if err != nil || kept || slices.ContainsFunc(list.Manifests, func(d ocispec.Descriptor) bool { return d.Digest == artifact.Digest }) {
		return err
	}
	list.SchemaVersion, list.MediaType = 2, ocispec.MediaTypeImageIndex
	list.Manifests = append(list.Manifests, artifact)
	body, err := json.Marshal(list)
	if err != nil {
		return err
	}
	d := ocispec.Descriptor{MediaType: list.MediaType, Digest: digest.FromBytes(body), Size: int64(len(body))}
	return s.put(ctx, d, body, referrersTag(subject))
}

// referrersTag is where the list is in a registry that has no referrers API.
func referrersTag(subject digest.Digest) string { return strings.ReplaceAll(string(subject), ":", "-") }

// referrers reads the list of what refers to a manifest; kept says that the registry keeps it by itself.
func (s *site) referrers(ctx context.Context, subject digest.Digest) (list ocispec.Index, kept bool, err error) {
	body, _, err := s.getFrom(ctx, "referrers", string(subject))
	kept = err == nil
	if answered(err, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest) {
		body, _, err = s.getFrom(ctx, "manifests", referrersTag(subject))
		if answered(err, http.StatusNotFound) {
			return list, false, nil
		}
	}
	if err == nil {
		if _, err = DecodeManifest(ocispec.MediaTypeImageIndex, body); err == nil {
			err = json.Unmarshal(body, &list)
		}
	}
	if err != nil {
		return list, kept, fmt.Errorf("referrers of %s: %w", subject, err)
	}
	return list, kept, nil
}

// answered reports whether err is one of these answers.
func answered(err error, statuses ...int) bool {
	var status *statusError
	return errors.As(err, &status) && slices.Contains(statuses, status.status)
}

// Attached returns the artifacts of a type that refer to the manifest subject of a repository, HOST/PATH: at most 16, in the
// registry's order. Nobody vouches for them but who may push to the repository.
func (c *Client) Attached(ctx context.Context, repository string, subject digest.Digest, artifactType string) ([]ocispec.Manifest, error) {
	list, err := c.attached(ctx, repository, subject, artifactType)
	if err != nil {
		return nil, fmt.Errorf("artifacts of %s@%s: %w", repository, subject, err)
	}
	return list, nil
}

func (c *Client) attached(ctx context.Context, repository string, subject digest.Digest, artifactType string) (found []ocispec.Manifest, err error) {
	s, err := c.repository(ctx, repository, transport.PullScope)
	if err != nil {
		return nil, err
	}
	list, _, err := s.referrers(ctx, subject)
	if err != nil {
		return nil, err
	}
	for _, d := range list.Manifests {
		if d.ArtifactType != artifactType || d.MediaType != ocispec.MediaTypeImageManifest || len(found) == maxReferrers {
			continue
		}
		m, err := s.artifact(ctx, d)
		if err != nil {
			return nil, err
		}
		if m.ArtifactType == artifactType && m.Subject != nil && m.Subject.Digest == subject {
			found = append(found, m)
		}
	}
	return found, nil
}

func (s *site) artifact(ctx context.Context, d ocispec.Descriptor) (m ocispec.Manifest, err error) {
	body, _, err := s.getFrom(ctx, "manifests", string(d.Digest))
	if err == nil && digest.FromBytes(body) != d.Digest {
		err = fmt.Errorf("registry %s sent other bytes", s.host())
	}
	if err == nil {
		_, err = DecodeManifest(d.MediaType, body)
	}
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil {
		return m, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	return m, nil
}

// repository logs in to a repository, HOST/PATH.
func (c *Client) repository(ctx context.Context, repository, action string) (*site, error) {
	r, err := c.parse(repository)
	if err != nil {
		return nil, err
	}
	if _, tagged := r.(name.Tag); !tagged {
		return nil, errors.New("not a repository")
	}
	return c.open(ctx, r.Context(), r.Scope(action))
}

package store

import (
	"context"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func nobody() context.Context { return context.Background() }

// neighbour puts images that share a layer with those of the others, tags them, and prunes in between.
func neighbour(dir, name string) error {
	s, err := Open(dir)
	if err != nil {
		return err
	}
	for n := range rounds {
		layer, err := s.Put(nobody(), ocispec.MediaTypeImageLayer, fmt.Appendf(nil, "layer %d of all", n))
		if err != nil {
			return err
		}
		if n%4 == 3 {
			if _, err := s.Prune(nobody(), PruneOptions{}); err != nil {
				return err
			}
		}
		image := fmt.Sprintf("%s:%d", name, n)
		config, err := s.Put(nobody(), ocispec.MediaTypeImageConfig, []byte("config of "+image))
		if err != nil {
			return err
		}
		manifest := fmt.Appendf(nil, `{"schemaVersion":2,"annotations":{"x":"of %s"},"config":{"digest":"%s"},"layers":[{"digest":"%s"}]}`,
			image, config.Digest, layer.Digest)
		d, err := s.Put(nobody(), ocispec.MediaTypeImageManifest, manifest)
		if err != nil {
			return err
		}
		if err := s.Tag(nobody(), image, d); err != nil {
			return err
		}
		if n%5 == 4 { // the next round begins with nothing shielded
			if err := s.Close(); err != nil {
				return err
			}
		}
	}
	return s.Close()
}

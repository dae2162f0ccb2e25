package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/registry"
)

// Options says how images are moved.
type Options struct {
	Insecure bool                 // plain http and unknown certificates with any host
	Progress func(registry.Event) // nil for none
}

// Resolve finds what a name, a digest or the beginning of one stands for in the
// store. name is the full form of a name, "" for a digest. Nothing there is an
// error that matches fs.ErrNotExist.
func Resolve(ctx context.Context, st *store.Store, ref string) (name string, d ocispec.Descriptor, err error) {
	r, perr := image.ParseRef(ref)
	_, derr := digest.Parse(ref) // a digest alone also looks like a name with a tag
	if perr == nil && derr != nil {
		d, err := st.Resolve(ctx, r.String())
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return r.String(), d, err
		}
	}
	d, err = st.Resolve(ctx, ref)
	if errors.Is(err, fs.ErrNotExist) {
		err = &unknownError{ref}
	}
	return "", d, err
}

// unknownError is that of an image that the store does not have.
type unknownError struct{ ref string }

func (e *unknownError) Error() string { return fmt.Sprintf("image %q is not in the store", e.ref) }
func (e *unknownError) Unwrap() error { return fs.ErrNotExist }

// Load finds an image of the store for a platform.
func Load(ctx context.Context, st *store.Store, ref string, p image.Platform) (*image.Image, error) {
	name, d, err := Resolve(ctx, st, ref)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = d.Digest.String()
	}
	return image.Load(ctx, st, name, p)
}

// Pull brings the image that ref names from its registry and gives it the same
// name in the store. Of an index only the image for p comes.
func Pull(ctx context.Context, st *store.Store, ref string, p image.Platform, o Options) (ocispec.Descriptor, error) {
	return pull(ctx, st, ref, p, func(r image.Ref, choose registry.Chooser) (ocispec.Descriptor, error) {
		return o.client().Pull(ctx, Store{st}, r.String(), choose)
	})
}

// PullLazily is Pull that leaves the layers where they are: the store only notes
// where that is, and a Fetcher brings each one when something needs its bytes, or
// its table of contents where that is not attached to the image.
func PullLazily(ctx context.Context, st *store.Store, ref string, p image.Platform, o Options) (ocispec.Descriptor, error) {
	return pull(ctx, st, ref, p, func(r image.Ref, choose registry.Chooser) (ocispec.Descriptor, error) {
		client := o.client()
		d, layers, err := client.PullLazily(ctx, Store{st}, r.String(), choose)
		if err == nil {
			err = st.Record(ctx, r.Name, layers...)
		}
		// Who asks for a digest trusts nothing else.
		if err == nil && r.Digest == "" {
			borrow(ctx, client, st, r.Name, d.Digest, layers)
		}
		return d, err
	})
}

func (o Options) client() *registry.Client {
	return registry.New(registry.Options{Insecure: o.Insecure, Progress: o.Progress})
}

func pull(ctx context.Context, st *store.Store, ref string, p image.Platform,
	bring func(image.Ref, registry.Chooser) (ocispec.Descriptor, error)) (ocispec.Descriptor, error) {
	r, err := remote(ref)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := bring(r, func(entries []ocispec.Descriptor) (ocispec.Descriptor, error) { return image.Choose(entries, p) })
	if err != nil {
		return d, fmt.Errorf("pull %s: %w", r, err)
	}
	// Only an image that can be used gets the name.
	if _, err := image.Load(ctx, st, d.Digest.String(), p); err != nil {
		return d, fmt.Errorf("pull %s: %w", r, err)
	}
	return d, st.Tag(ctx, r.String(), d)
}

// Push sends the image that ref names to its registry.
func Push(ctx context.Context, st *store.Store, ref string, o Options) (ocispec.Descriptor, error) {
	r, err := remote(ref)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	_, d, err := Resolve(ctx, st, r.String())
	if err != nil {
		return d, err
	}
	tags, err := Store{st}.Tags(ctx)
	if err != nil {
		return d, err
	}
	client := registry.New(registry.Options{Insecure: o.Insecure, Progress: o.Progress, Known: tags})
	if err := client.Push(ctx, Store{st}, d, r.String()); err != nil {
		return d, fmt.Errorf("push %s: %w", r, err)
	}
	return d, nil
}

// remote parses a name that must have a registry in it.
func remote(ref string) (image.Ref, error) {
	r, err := image.ParseRef(ref)
	if err != nil {
		return r, err
	}
	if r.Host() == "" {
		return r, fmt.Errorf("%q names no registry; write HOST/%s, for Docker Hub docker.io/library/%s", ref, r.Name, r.Name)
	}
	return r, nil
}

// Login keeps a user name and password for a registry if that takes them. It returns
// the file that knows about them.
func Login(ctx context.Context, host, user, password string, o Options) (file string, err error) {
	return o.client().Login(ctx, host, user, password)
}

// Logout forgets what Login kept.
func Logout(host string) (file string, err error) { return Options{}.client().Logout(host) }

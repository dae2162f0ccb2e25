// Package serve makes a store an OCI registry.
package serve

import (
	"context"
	"errors"
	"net"
	"net/http"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/registry"
)

// Store is what the server needs of a content store.
type Store interface {
	registry.Store
	// Tags lists every name with what it stands for.
	Tags(ctx context.Context) (map[string]ocispec.Descriptor, error)
	// Tag lets name stand for d, whatever it stood for before.
	Tag(ctx context.Context, name string, d ocispec.Descriptor) error
	// Untag takes a name away.
	Untag(ctx context.Context, name string) error
}

// Options says what the server allows.
type Options struct {
	Writable bool // without it every request that would change the store is refused
}

// Handler speaks the OCI distribution API over a store.
type Handler struct {
	st   Store
	opts Options
}

// New makes a Handler over st.
func New(st Store, o Options) *Handler { return &Handler{st: st, opts: o} }

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "not there yet", http.StatusNotImplemented)
}

// Serve answers requests on l until ctx ends, lets the running ones finish
// within a few seconds, and drops unfinished uploads. It closes l.
func Serve(ctx context.Context, l net.Listener, h *Handler) error {
	return errors.New("serve: not there yet")
}

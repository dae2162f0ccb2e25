// Package serve makes a store an OCI registry: what it holds can be pulled by
// any engine, and pushed to when the server is writable.
//
// A store has one name space for all images and none for hosts: tag v1 of
// repository app/hello is the store's name "app/hello:v1". Images that the store
// holds under the name by which the client addresses the server, such as
// "127.0.0.1:5000/hello:v1", are served as hello:v1 too. Blobs belong to no
// repository; every one can be had through each.
//
// Nothing but unfinished uploads lives in the server, so a restart loses
// nothing that a client was told is there. A manifest that is pushed by digest
// alone and that no tag leads to is kept until the store is next pruned;
// deleting takes names away, the bytes go with the same pruning.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

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
	Writable    bool             // without it every request that would change the store is refused
	Users       *Users           // who may use it; nil for everybody
	Certificate *tls.Certificate // what it shows as an https server; nil for plain http
}

// Handler speaks the OCI distribution API over a store.
type Handler struct {
	st      Store
	opts    Options
	foreign *http.CrossOriginProtection
	uploads *uploads
}

// New makes a Handler over st.
func New(st Store, o Options) *Handler {
	return &Handler{st: st, opts: o, foreign: http.NewCrossOriginProtection(), uploads: newUploads()}
}

// grace is how long running requests may take to finish after the end.
const grace = 5 * time.Second

// Serve answers requests on l until ctx ends, lets the running ones finish
// within a few seconds, and drops unfinished uploads. It closes l.
func Serve(ctx context.Context, l net.Listener, h *Handler) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	defer h.uploads.dropAll()
	ended := make(chan error, 1)
	if c := h.opts.Certificate; c != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*c}, MinVersion: tls.VersionTLS12}
		go func() { ended <- server.ServeTLS(l, "", "") }()
	} else {
		go func() { ended <- server.Serve(l) }()
	}
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := server.Shutdown(late)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // whoever is still here has had the time
	}
	if serveErr := <-ended; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}

package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// maxWait bounds how long a registry may ask us to wait before the next try.
const maxWait = 30 * time.Second

// pauses lie between the tries of one request: five tries in four seconds
// outlast a restart, and do not keep anybody waiting for a registry that is gone.
func pauses() []time.Duration {
	const ms = time.Millisecond
	return []time.Duration{250 * ms, 500 * ms, 1000 * ms, 2000 * ms}
}

// errStalled is the cause of a cancelled request whose bytes stopped moving.
var errStalled = errors.New("no data moves")

// brokenError is a transfer that ended early; it may be tried again.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// localError is a fault of our own side, such as a full disk; trying again is
// of no use.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// retry runs f until it succeeds, fails for good or has had its tries. The
// error it returns is explained as one of host.
func (c *Client) retry(ctx context.Context, host string, f func() error) error {
	err := f()
	for _, pause := range pauses() {
		if err == nil || ctx.Err() != nil || !isTransient(err) {
			break
		}
		var status *statusError
		if errors.As(err, &status) {
			pause = max(pause, min(status.after, maxWait))
		}
		if c.sleep(ctx, pause) != nil {
			break
		}
		err = f()
	}
	return c.explain(ctx, host, err)
}

// isTransient reports whether the same request may well succeed a moment later.
func isTransient(err error) bool {
	var status *statusError
	var login *transport.Error
	var local *localError
	var cert *tls.CertificateVerificationError
	var dns *net.DNSError
	var plain *plainHTTPError
	var broken *brokenError
	var exchange *url.Error
	switch {
	case errors.As(err, &local):
		return false
	case errors.As(err, &status):
		return isTransientStatus(status.status)
	case errors.As(err, &login):
		return isTransientStatus(login.StatusCode)
	case errors.As(err, &dns):
		return !dns.IsNotFound
	case errors.As(err, &cert), errors.As(err, &plain), errors.Is(err, http.ErrSchemeMismatch):
		return false
	}
	return errors.As(err, &broken) || errors.As(err, &exchange)
}

func isTransientStatus(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// sleep waits, but not past the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watch ends one request when its bytes stop moving.
type watch struct {
	ctx    context.Context // of the request
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
}

func (c *Client) watch(ctx context.Context) *watch {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(c.stall, func() { cancel(errStalled) })
	return &watch{ctx: ctx, cancel: cancel, timer: timer, stall: c.stall}
}

// end closes the watch. It returns the error of the request, or the stall if
// that is what lies behind it.
func (w *watch) end(err error) error {
	w.timer.Stop()
	stalled := errors.Is(context.Cause(w.ctx), errStalled)
	w.cancel(nil)
	if err != nil && stalled {
		return &brokenError{errStalled}
	}
	return err
}

// watched is a body under a watch. From its end on nothing has to move: how
// long the answer to an upload may take is the transport's to say.
type watched struct {
	r io.Reader
	w *watch
}

func (b *watched) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	switch {
	case err == io.EOF:
		b.w.timer.Stop()
	case n > 0:
		b.w.timer.Reset(b.w.stall)
	}
	return n, err
}

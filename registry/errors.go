package registry

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// statusError is an HTTP answer that is not the one hoped for.
type statusError struct {
	host   string
	status int
	detail string // the registry's own words, short, on one line, without secrets
	after  time.Duration
}

func (e *statusError) Error() string {
	s := strconv.Itoa(e.status)
	if e.detail != "" {
		s += " " + e.detail
	}
	switch e.status {
	case http.StatusUnauthorized:
		return fmt.Sprintf("registry %s wants a login (%s): run `build login %s` or set REGISTRY_AUTH_FILE; some registries say this of wrong names too", e.host, s, e.host)
	case http.StatusForbidden:
		return fmt.Sprintf("registry %s does not allow this (%s): the account lacks the right, or the name is someone else's", e.host, s)
	case http.StatusNotFound:
		return fmt.Sprintf("registry %s does not have it (%s): check the name", e.host, s)
	case http.StatusMethodNotAllowed:
		return fmt.Sprintf("registry %s does not offer this (%s): it may be read-only", e.host, s)
	case http.StatusTooManyRequests:
		return fmt.Sprintf("registry %s is asked too often (%s): try again later, or log in for a higher limit", e.host, s)
	}
	if e.detail == "" {
		s += " " + http.StatusText(e.status)
	}
	return fmt.Sprintf("registry %s answered %s", e.host, s)
}

// Is makes an unknown name match fs.ErrNotExist.
func (e *statusError) Is(target error) bool {
	return target == fs.ErrNotExist && e.status == http.StatusNotFound
}

var errorCode = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// newStatusError reads what the registry has to say about its answer.
func newStatusError(host string, resp *http.Response, scrub func(string) string) *statusError {
	e := &statusError{host: host, status: resp.StatusCode}
	if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
		e.after = time.Duration(min(n, 3600)) * time.Second
	}
	var said struct {
		Errors []struct{ Code, Message string }
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if json.Unmarshal(body, &said) == nil && len(said.Errors) > 0 {
		first := said.Errors[0]
		if errorCode.MatchString(first.Code) {
			e.detail = first.Code
		}
		if m := oneLine(scrub(first.Message)); m != "" {
			e.detail = strings.TrimPrefix(e.detail+": "+m, ": ")
		}
	}
	return e
}

// oneLine makes a foreign text fit for an error message.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "..."
	}
	return s
}

// sentence is an error whose cause must not be printed: it may hold a URL with
// a signature in its query.
type sentence struct {
	text  string
	cause error
}

func (e *sentence) Error() string { return e.text }
func (e *sentence) Unwrap() error { return e.cause }

// explain turns what went wrong between us and host into one line for people.
func (c *Client) explain(ctx context.Context, host string, err error) error {
	var status *statusError
	var login *transport.Error
	var local *localError
	var cert *tls.CertificateVerificationError
	var dns *net.DNSError
	var plain *plainHTTPError
	say := func(format string, args ...any) error {
		return &sentence{text: fmt.Sprintf(format, args...), cause: err}
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &status):
		return status
	case errors.As(err, &login):
		return loginError(host, login)
	case errors.As(err, &local):
		return local.err
	case isRefused(err):
		return say("registry %s refuses connections: is it running, and is the port right?", host)
	case errors.As(err, &cert):
		return say("registry %s shows a certificate that is not trusted: %s", host, oneLine(cert.Err.Error()))
	case errors.As(err, &dns):
		return say("registry %s: the host name cannot be resolved (%s)", host, oneLine(dns.Err))
	case errors.Is(err, http.ErrSchemeMismatch) && !c.plainAllowed(host):
		return &plainHTTPError{host}
	case errors.As(err, &plain):
		return plain
	case errors.Is(err, errStalled):
		return say("registry %s stopped sending and taking data for %v", host, c.stall)
	}
	return say("registry %s: %s", host, c.guard.scrub(innermost(err)))
}

// loginError keeps of a failed handshake only what cannot hold a credential.
func loginError(host string, e *transport.Error) error {
	s := &statusError{host: host, status: e.StatusCode}
	if len(e.Errors) > 0 && errorCode.MatchString(string(e.Errors[0].Code)) {
		s.detail = string(e.Errors[0].Code)
	}
	return s
}

// innermost gives the text of err without the URL that net/http puts before
// it, and without the answers that the token exchange quotes on further lines.
func innermost(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return oneLine(first)
}

// isRefused also knows Winsock's number for it, which the syscall package does
// not take for ECONNREFUSED.
func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.Errno(10061))
}

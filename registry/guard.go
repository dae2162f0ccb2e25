package registry

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// guard is the innermost transport: it sees each request as it goes out, after
// logins and redirects had their say.
type guard struct {
	inner    http.RoundTripper
	insecure bool

	mu      sync.Mutex
	secrets map[string]bool // what was sent to prove who we are; never shown
}

// plainHTTPError is the refusal to speak plain http.
type plainHTTPError struct{ host string }

func (e *plainHTTPError) Error() string {
	return fmt.Sprintf("%s speaks plain http, which is used with loopback hosts only unless asked for (--insecure)", e.host)
}

// RoundTrip sends one request.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !g.insecure && !IsLoopback(req.URL.Host) {
		return nil, &plainHTTPError{req.URL.Host}
	}
	g.remember(req.Header.Get("Authorization"))
	if req.GetBody == nil || req.Body == nil {
		return g.inner.RoundTrip(req)
	}
	// After renewing a token the bearer transport sends the same request once
	// more and leaves its body where the first sending left it.
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	req.Body.Close()
	fresh := *req
	fresh.Body = body
	return g.inner.RoundTrip(&fresh)
}

func (g *guard) remember(authorization string) {
	scheme, secret, ok := strings.Cut(authorization, " ")
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.secrets[secret] = true
	if !strings.EqualFold(scheme, "basic") {
		return
	}
	if plain, err := base64.StdEncoding.DecodeString(secret); err == nil {
		if _, password, ok := strings.Cut(string(plain), ":"); ok && password != "" {
			g.secrets[password] = true
		}
	}
}

// scrub takes every secret out of a text that a server sent.
func (g *guard) scrub(s string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for secret := range g.secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "***")
		}
	}
	return s
}

// IsLoopback reports whether host, with a port or without, means this machine.
func IsLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

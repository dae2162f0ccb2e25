package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Options says how a Client transfers. The zero value suits most callers.
type Options struct {
	// Insecure allows plain http, and certificates that nobody vouches for,
	// with any host. Without it plain http is used with loopback hosts only.
	Insecure bool
	// Progress hears of every blob and manifest, never two events at a time.
	Progress func(Event)
	// Known holds images of the store by their full names. A push mounts the
	// blobs of those in the same registry instead of sending them.
	Known map[string]ocispec.Descriptor
}

// Chooser picks one of an index's manifests.
type Chooser func(manifests []ocispec.Descriptor) (ocispec.Descriptor, error)

// Client moves images between stores and registries. It is safe for use by
// several goroutines. Credentials come from where docker and podman keep
// theirs: DOCKER_CONFIG, REGISTRY_AUTH_FILE and their default places.
type Client struct {
	opts  Options
	guard *guard
	rep   *reporter
	stall time.Duration // a request that moves no byte for so long is given up
	sleep func(context.Context, time.Duration) error
}

// New makes a Client.
func New(o Options) *Client {
	return &Client{
		opts:  o,
		guard: &guard{inner: newTransport(o.Insecure), insecure: o.Insecure, secrets: map[string]bool{}},
		rep:   &reporter{f: o.Progress},
		stall: 2 * time.Minute,
		sleep: sleep,
	}
}

func newTransport(insecure bool) *http.Transport {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   parallel,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 5 * time.Minute, // a registry may hash gigabytes before it answers
		DisableCompression:    true,            // blobs must come as they are
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: insecure},
	}
}

// site is one repository of one registry, logged in.
type site struct {
	*Client
	repo name.Repository
	http *http.Client
}

func (c *Client) plainAllowed(host string) bool { return c.opts.Insecure || IsLoopback(host) }

// parse reads a reference; without a tag it means latest, without a host
// Docker Hub.
func (c *Client) parse(s string) (name.Reference, error) {
	ref, err := name.ParseReference(s)
	if err != nil {
		return nil, err
	}
	if c.plainAllowed(ref.Context().RegistryStr()) {
		return name.ParseReference(s, name.Insecure)
	}
	return ref, nil
}

// open shakes hands with the registry of repo. Access to further repositories
// of it is asked for as scopes.
func (c *Client) open(ctx context.Context, repo name.Repository, scopes ...string) (*site, error) {
	auth, err := authn.Resolve(ctx, authn.DefaultKeychain, repo)
	if err != nil {
		return nil, fmt.Errorf("credentials for %s: %w", repo.RegistryStr(), err)
	}
	logged, err := c.handshake(ctx, repo.Registry, auth, scopes...)
	if err != nil {
		return nil, err
	}
	return &site{Client: c, repo: repo, http: &http.Client{Transport: logged}}, nil
}

// handshake logs in.
func (c *Client) handshake(ctx context.Context, reg name.Registry, auth authn.Authenticator, scopes ...string) (logged http.RoundTripper, err error) {
	err = c.retry(ctx, reg.RegistryStr(), func() (err error) {
		logged, err = transport.NewWithContext(ctx, reg, auth, transport.NewUserAgent(c.guard, "mullion"), scopes)
		if isRefused(err) { // nobody is there at all: say so at once
			return &localError{c.explain(ctx, reg.RegistryStr(), err)}
		}
		return err
	})
	return logged, err
}

// url gives the address of something in the repository. The scheme found in
// the handshake replaces https.
func (s *site) url(kind, id string) string {
	return "https://" + s.repo.RegistryStr() + "/v2/" + s.repo.RepositoryStr() + "/" + kind + "/" + id
}

func (s *site) host() string { return s.repo.RegistryStr() }

// send makes one request and accepts the statuses named.
func (s *site) send(req *http.Request, accept ...int) (*http.Response, error) {
	return s.sendWith(s.http, req, accept...)
}

func (c *Client) sendWith(client *http.Client, req *http.Request, accept ...int) (*http.Response, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	for _, code := range accept {
		if resp.StatusCode == code {
			return resp, nil
		}
	}
	defer resp.Body.Close()
	return nil, newStatusError(resp.Request.URL.Host, resp, c.guard.scrub)
}

// exists asks whether the registry holds something.
func (s *site) exists(ctx context.Context, kind, id string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, s.url(kind, id), nil)
	if err != nil {
		return false, err
	}
	if kind == "manifests" {
		req.Header["Accept"] = manifestTypes() // some say otherwise that they have none
	}
	resp, err := s.send(req, http.StatusOK)
	var status *statusError
	if errors.As(err, &status) && status.status == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	resp.Body.Close()
	return true, nil
}

// checkTold compares the digest that a registry claims with the one wanted.
func checkTold(resp *http.Response, want digest.Digest) error {
	told := resp.Header.Get("Docker-Content-Digest")
	if told != "" && told != string(want) {
		return &localError{fmt.Errorf("registry %s speaks of %s where %s was meant", resp.Request.URL.Host, oneLine(told), want)}
	}
	return nil
}

package serve_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/mullion/mullion/registry"
	"github.com/mullion/mullion/registry/internal/memstore"
	"github.com/mullion/mullion/registry/serve"
)

func users(t *testing.T) *serve.Users {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("pass word"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	u, err := serve.ReadUsers(strings.NewReader("# who may\n\nuser:" + string(hash) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestUsers(t *testing.T) {
	h := serve.New(memstore.New(), serve.Options{Users: users(t)})
	for range 2 {
		ask(t, h, "GET", "/v2/", "", "Authorization", basic("user", "pass word")).want(t, 200, "")
		for _, who := range []string{basic("user", "password"), basic("User", "pass word"), basic("", ""), "Bearer x", ""} {
			ask(t, h, "GET", "/v2/", "", "Authorization", who).want(t, 401, "UNAUTHORIZED").wantHeader(t, "WWW-Authenticate", `Basic realm="mullion"`)
		}
	}
	ask(t, h, "GET", "/v2/app/manifests/v1", "").want(t, 401, "UNAUTHORIZED")
	ask(t, h, "GET", "/elsewhere", "").want(t, 401, "UNAUTHORIZED")
}

func TestReadUsersRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "names no user",
		"# only a comment":             "names no user",
		"user":                         "line 1 is not USER:HASH",
		"\nuser:{SHA}0DPiKuNIrrVmD8IU": "line 2 is not USER:HASH",
		"user:plain":                   "htpasswd -B",
		":$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC": "line 1",
		"user:" + strings.Repeat("x", 2<<20):                            "too long",
	} {
		if _, err := serve.ReadUsers(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// Over https, with a login, an image goes in and comes out.
func TestServeTLS(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	st := memstore.New()
	go func() {
		ended <- serve.Serve(ctx, l, serve.New(st, serve.Options{Writable: true, Users: users(t),
			Certificate: &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}))
	}()
	from := memstore.New()
	root := image(from, "a layer")
	c := registry.New(registry.Options{Insecure: true})
	if err := c.Push(t.Context(), from, root, host+"/app:v1"); err == nil || !strings.Contains(err.Error(), "build login "+host) {
		t.Errorf("without a login: %v", err)
	}
	file, err := c.Login(t.Context(), host, "user", "pass word")
	if err != nil || filepath.Dir(file) != os.Getenv("DOCKER_CONFIG") {
		t.Fatal(file, err)
	}
	if err := c.Push(t.Context(), from, root, host+"/app:v1"); err != nil {
		t.Fatal(err)
	}
	if d, err := c.Pull(t.Context(), memstore.New(), host+"/app:v1", nil); err != nil || d.Digest != root.Digest {
		t.Errorf("pulled %s, %v", d.Digest, err)
	}
	// Who does not trust the certificate gets nothing, and plain http even less.
	if _, err := registry.New(registry.Options{}).Pull(t.Context(), memstore.New(), host+"/app:v1", nil); err == nil {
		t.Error("a certificate that nobody vouches for was trusted")
	}
	if resp, err := http.Get("http://" + host + "/v2/"); err == nil {
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			t.Error("plain http is served")
		}
	}
	cancel()
	if err := <-ended; err != context.Canceled && err != nil {
		t.Error(err)
	}
}

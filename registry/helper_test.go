package registry_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/registry"
	"github.com/mullion/mullion/registry/internal/memstore"
	"github.com/mullion/mullion/registry/serve"
)

const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	foreignLayer   = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
)

// noise gives n bytes that are the same for the same seed.
func noise(seed int64, n int) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(b)
	return b
}

// putImage stores an image with the given layers.
func putImage(st *memstore.Store, mediaType string, osVersion string, layers ...ocispec.Descriptor) ocispec.Descriptor {
	config := st.PutJSON(ocispec.MediaTypeImageConfig, ocispec.Image{
		Platform: ocispec.Platform{Architecture: "amd64", OS: "windows", OSVersion: osVersion},
		RootFS:   ocispec.RootFS{Type: "layers"},
	})
	if mediaType == dockerManifest {
		config.MediaType = "application/vnd.docker.container.image.v1+json"
	}
	d := st.PutJSON(mediaType, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaType, Config: config, Layers: layers,
	})
	d.Platform = &ocispec.Platform{Architecture: "amd64", OS: "windows", OSVersion: osVersion}
	return d
}

func putIndex(st *memstore.Store, mediaType string, manifests ...ocispec.Descriptor) ocispec.Descriptor {
	return st.PutJSON(mediaType, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaType, Manifests: manifests,
	})
}

// ociLayer stores a layer of n bytes.
func ociLayer(st *memstore.Store, seed int64, n int) ocispec.Descriptor {
	return st.Put(ocispec.MediaTypeImageLayerGzip, noise(seed, n))
}

// simpleImage is an image of one big and one small layer.
func simpleImage(st *memstore.Store) ocispec.Descriptor {
	return putImage(st, ocispec.MediaTypeImageManifest, "10.0.20348.1", ociLayer(st, 1, 3<<20), ociLayer(st, 2, 100))
}

// log lists requests as "METHOD path".
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) add(r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, r.Method+" "+r.URL.Path)
}

// count says how many requests began with method and contain part.
func (l *log) count(method, part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, s := range l.lines {
		if strings.HasPrefix(s, method+" ") && strings.Contains(s, part) {
			n++
		}
	}
	return n
}

// start runs a handler on loopback; the log sees each request first.
func start(t *testing.T, h http.Handler) (host string, seen *log) {
	t.Helper()
	seen = &log{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.add(r)
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String(), seen
}

// ours is a writable server of this module over st.
func ours(st *memstore.Store) http.Handler { return serve.New(st, serve.Options{Writable: true}) }

// client makes one that never really waits.
func client(o registry.Options) *registry.Client {
	return registry.NewForTest(o, time.Minute, nil)
}

// events collects what a transfer reports.
type events struct {
	all []registry.Event
}

func (e *events) add(ev registry.Event) { e.all = append(e.all, ev) }

func (e *events) count(a registry.Action) int {
	n := 0
	for _, ev := range e.all {
		if ev.Action == a {
			n++
		}
	}
	return n
}

// tagged puts an image into a store under a name, for a server to offer.
func tagged(t *testing.T, st *memstore.Store, name string, d ocispec.Descriptor) {
	t.Helper()
	if err := st.Tag(t.Context(), name, d); err != nil {
		t.Fatal(err)
	}
}

// wantError asserts an error of one line that contains all parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if strings.ContainsAny(err.Error(), "\n\r") {
		t.Errorf("error has several lines: %q", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not contain %q", err, part)
		}
	}
}

// sameBlobs asserts that a store holds exactly what another one does.
func sameBlobs(t *testing.T, got, want *memstore.Store) {
	t.Helper()
	g, w := got.Digests(), want.Digests()
	for d := range w {
		if !g[d] {
			t.Errorf("%s is missing", d)
		}
	}
	for d := range g {
		if !w[d] {
			t.Errorf("%s should not be there", d)
		}
	}
	if n := got.Unfinished(); n != 0 {
		t.Errorf("%d ingests were left open", n)
	}
}

// noCredentials keeps the credentials of whoever runs the tests out of them.
func noCredentials(t *testing.T) {
	t.Helper()
	home := t.TempDir()
	for _, name := range []string{"HOME", "USERPROFILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"} {
		t.Setenv(name, home)
	}
	t.Setenv("REGISTRY_AUTH_FILE", "")
}

// login writes a docker config with credentials for host.
func login(t *testing.T, host, config string) {
	t.Helper()
	noCredentials(t)
	body := fmt.Sprintf(`{"auths":{%q:%s}}`, host, config)
	if err := os.WriteFile(os.Getenv("DOCKER_CONFIG")+"/config.json", []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
}

func write(w http.ResponseWriter, s string) { _, _ = io.WriteString(w, s) }

// putImageWithDiffIDs stores an image whose layers really are compressed tars,
// as tools demand that look inside.
func putImageWithDiffIDs(st *memstore.Store) ocispec.Descriptor {
	tar := make([]byte, 1024) // the end of an archive
	var gz bytes.Buffer
	zw := gzip.NewWriter(&gz)
	if _, err := zw.Write(tar); err != nil {
		panic(err) // memory does not fail
	}
	if err := zw.Close(); err != nil {
		panic(err)
	}
	layer := st.Put(ocispec.MediaTypeImageLayerGzip, gz.Bytes())
	config := st.PutJSON(ocispec.MediaTypeImageConfig, ocispec.Image{
		Platform: ocispec.Platform{Architecture: "amd64", OS: "windows", OSVersion: "10.0.20348.1"},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(tar)}},
	})
	return st.PutJSON(ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: config, Layers: []ocispec.Descriptor{layer},
	})
}

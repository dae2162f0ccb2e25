package registry_test

import (
	"errors"
	"io"
	"io/fs"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/registry"
	"github.com/mullion/mullion/registry/internal/memstore"
	"github.com/mullion/mullion/registry/serve"
)

// registries are the servers that every transfer must work with.
func registries() map[string]func(t *testing.T) (host string) {
	return map[string]func(t *testing.T) string{
		"ours": func(t *testing.T) string {
			host, _ := start(t, ours(memstore.New()))
			return host
		},
		"ggcr": func(t *testing.T) string {
			host, _ := start(t, ggcr.New(ggcr.Logger(stdlog.New(io.Discard, "", 0))))
			return host
		},
		"debian": dockerRegistry,
	}
}

// images are the shapes that are pushed and pulled.
func images() map[string]func(st *memstore.Store) ocispec.Descriptor {
	return map[string]func(st *memstore.Store) ocispec.Descriptor{
		"oci": simpleImage,
		"docker": func(st *memstore.Store) ocispec.Descriptor {
			layer := st.Put("application/vnd.docker.image.rootfs.diff.tar.gzip", noise(3, 1000))
			return putImage(st, dockerManifest, "10.0.17763.1", layer)
		},
		"same layer twice": func(st *memstore.Store) ocispec.Descriptor {
			return putImage(st, ocispec.MediaTypeImageManifest, "", ociLayer(st, 1, 70_000), ociLayer(st, 1, 70_000))
		},
		"index": func(st *memstore.Store) ocispec.Descriptor {
			base := ociLayer(st, 1, 200_000)
			return putIndex(st, ocispec.MediaTypeImageIndex,
				putImage(st, ocispec.MediaTypeImageManifest, "10.0.17763.1", base, ociLayer(st, 5, 1000)),
				putImage(st, ocispec.MediaTypeImageManifest, "10.0.20348.1", base, ociLayer(st, 6, 1000)))
		},
		"docker list": func(st *memstore.Store) ocispec.Descriptor {
			layer := st.Put("application/vnd.docker.image.rootfs.diff.tar.gzip", noise(3, 1000))
			return putIndex(st, dockerList, putImage(st, dockerManifest, "10.0.17763.1", layer))
		},
	}
}

func TestTheDigestStaysTheSame(t *testing.T) {
	noCredentials(t)
	for server, startServer := range registries() {
		t.Run(server, func(t *testing.T) {
			host := startServer(t)
			for shape, build := range images() {
				t.Run(shape, func(t *testing.T) {
					repo := host + "/app/" + string(digest.FromString(shape).Encoded()[:12])
					pushAndPull(t, repo, build)
				})
			}
		})
	}
}

func pushAndPull(t *testing.T, repo string, build func(*memstore.Store) ocispec.Descriptor) {
	from := memstore.New()
	root := build(from)
	c := client(registry.Options{})
	if err := c.Push(t.Context(), from, root, repo+":v1"); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{repo + ":v1", repo + "@" + string(root.Digest)} {
		to := memstore.New()
		got, err := c.Pull(t.Context(), to, ref, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.Digest != root.Digest || got.Size != root.Size || got.MediaType != root.MediaType {
			t.Errorf("pulled %+v, pushed %+v", got, root)
		}
		sameBlobs(t, to, from)
	}
	var again events
	c = client(registry.Options{Progress: again.add})
	if err := c.Push(t.Context(), from, root, repo+":v2"); err != nil {
		t.Fatal(err)
	}
	if again.count(registry.Moving) != 0 || again.count(registry.Exists) == 0 {
		t.Errorf("second push moved blobs again: %+v", again.all)
	}
}

func TestPullTakesOnlyWhatIsMissing(t *testing.T) {
	noCredentials(t)
	served := memstore.New()
	root := simpleImage(served)
	tagged(t, served, "app:v1", root)
	host, seen := start(t, ours(served))
	st := memstore.New()
	big := ociLayer(st, 1, 3<<20)
	var got events
	if _, err := client(registry.Options{Progress: got.add}).Pull(t.Context(), st, host+"/app:v1", nil); err != nil {
		t.Fatal(err)
	}
	sameBlobs(t, st, served)
	if n := seen.count("GET", string(big.Digest)); n != 0 {
		t.Errorf("the layer that was there was fetched %d times", n)
	}
	if got.count(registry.Exists) != 1 || got.count(registry.Moved) != 3 {
		t.Errorf("events %+v", got.all)
	}
}

func TestPullMendsManifests(t *testing.T) {
	noCredentials(t)
	served := memstore.New()
	child := simpleImage(served)
	root := putIndex(served, ocispec.MediaTypeImageIndex, child)
	tagged(t, served, "app:v1", root)
	host, _ := start(t, ours(served))
	c, st := client(registry.Options{}), memstore.New()
	if _, err := c.Pull(t.Context(), st, host+"/app:v1", nil); err != nil {
		t.Fatal(err)
	}
	for _, d := range []ocispec.Descriptor{root, child} {
		st.Damage(d.Digest, make([]byte, d.Size))
		if _, err := c.Pull(t.Context(), st, host+"/app:v1", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := registry.ReadManifest(t.Context(), st, d); err != nil {
			t.Errorf("after the pull: %v", err)
		}
	}
}

func TestPullChoosesFromAnIndex(t *testing.T) {
	noCredentials(t)
	served := memstore.New()
	older := putImage(served, ocispec.MediaTypeImageManifest, "10.0.17763.1", ociLayer(served, 1, 1000))
	newer := putImage(served, ocispec.MediaTypeImageManifest, "10.0.20348.1", ociLayer(served, 2, 1000))
	inner := putIndex(served, ocispec.MediaTypeImageIndex, older, newer)
	tagged(t, served, "app:v1", putIndex(served, ocispec.MediaTypeImageIndex, inner))
	host, _ := start(t, ours(served))
	last := func(ds []ocispec.Descriptor) (ocispec.Descriptor, error) { return ds[len(ds)-1], nil }
	st := memstore.New()
	got, err := client(registry.Options{}).Pull(t.Context(), st, host+"/app:v1", last)
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != newer.Digest || got.Platform == nil || got.Platform.OSVersion != "10.0.20348.1" {
		t.Errorf("chose %+v", got)
	}
	if len(st.Digests()) != 3 || st.Has(older.Digest) {
		t.Errorf("the store has %d blobs, want manifest, config and layer of one image", len(st.Digests()))
	}
	refuse := errors.New("nothing suits")
	_, err = client(registry.Options{}).Pull(t.Context(), st, host+"/app:v1",
		func([]ocispec.Descriptor) (ocispec.Descriptor, error) { return ocispec.Descriptor{}, refuse })
	if !errors.Is(err, refuse) {
		t.Errorf("got %v, want the chooser's own error", err)
	}
}

func TestUnknownNames(t *testing.T) {
	noCredentials(t)
	host, _ := start(t, ours(memstore.New()))
	st := memstore.New()
	c := client(registry.Options{})
	_, err := c.Pull(t.Context(), st, host+"/nope:v1", nil)
	wantError(t, err, "pull "+host+"/nope:v1", "registry "+host, "404", "MANIFEST_UNKNOWN", "check the name")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not match fs.ErrNotExist", err)
	}
	_, err = c.Pull(t.Context(), st, host+"/NOPE", nil)
	wantError(t, err, "NOPE")
	other := digest.FromString("other")
	err = c.Push(t.Context(), st, simpleImage(st), host+"/app@"+string(other))
	wantError(t, err, "another digest")
}

func TestNobodyListens(t *testing.T) {
	noCredentials(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	st := memstore.New()
	_, err = client(registry.Options{}).Pull(t.Context(), st, host+"/app", nil)
	wantError(t, err, "pull "+host+"/app", "registry "+host+" refuses connections", "is it running")
	err = client(registry.Options{}).Push(t.Context(), st, simpleImage(st), host+"/app")
	wantError(t, err, "push "+host+"/app", "refuses connections")
}

func TestPushMounts(t *testing.T) {
	noCredentials(t)
	host := dockerRegistry(t)
	st := memstore.New()
	base := simpleImage(st)
	if err := client(registry.Options{}).Push(t.Context(), st, base, host+"/base:v1"); err != nil {
		t.Fatal(err)
	}
	baseLayer := ociLayer(st, 1, 3<<20)
	derived := putImage(st, ocispec.MediaTypeImageManifest, "10.0.20348.1", baseLayer, ociLayer(st, 9, 50))
	st.Drop(baseLayer.Digest) // what is mounted need not be here
	var got events
	c := client(registry.Options{Progress: got.add, Known: map[string]ocispec.Descriptor{
		host + "/base:v1": base, "elsewhere.example/base:v1": base, "gone:v1": {Digest: digest.FromString("gone")},
	}})
	if err := c.Push(t.Context(), st, derived, host+"/derived:v1"); err != nil {
		t.Fatal(err)
	}
	if got.count(registry.Mounted) != 2 {
		t.Errorf("config and base layer should be mounted: %+v", got.all)
	}
	to := memstore.New()
	if _, err := c.Pull(t.Context(), to, host+"/derived:v1", nil); err != nil {
		t.Fatal(err)
	}
}

func TestMountRefused(t *testing.T) {
	noCredentials(t)
	inner := ours(memstore.New())
	host, seen := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			r.URL.RawQuery = "" // as if mounting were unknown
		}
		inner.ServeHTTP(w, r)
	}))
	st := memstore.New()
	root := simpleImage(st)
	c := client(registry.Options{Known: map[string]ocispec.Descriptor{host + "/base:v1": root}})
	if err := c.Push(t.Context(), st, root, host+"/app:v1"); err != nil {
		t.Fatal(err)
	}
	if n := seen.count("PATCH", "/v2/app/blobs/uploads/"); n != 3 {
		t.Errorf("%d uploads, want 3", n)
	}
}

func TestPushOfWhatIsNotThere(t *testing.T) {
	noCredentials(t)
	host, _ := start(t, ours(memstore.New()))
	st := memstore.New()
	layer := ociLayer(st, 1, 1000)
	root := putImage(st, ocispec.MediaTypeImageManifest, "", layer)
	st.Drop(layer.Digest)
	err := client(registry.Options{}).Push(t.Context(), st, root, host+"/app")
	wantError(t, err, string(layer.Digest), "neither in the store nor at "+host, "pull the image again")

	st.Damage(root.Digest, []byte("{}"))
	err = client(registry.Options{}).Push(t.Context(), st, root, host+"/app")
	wantError(t, err, string(root.Digest))
}

func TestReadOnlyRegistry(t *testing.T) {
	noCredentials(t)
	host, _ := start(t, serve.New(memstore.New(), serve.Options{}))
	st := memstore.New()
	err := client(registry.Options{}).Push(t.Context(), st, simpleImage(st), host+"/app")
	wantError(t, err, "405", "read-only", "--writable")
}

func TestForeignLayers(t *testing.T) {
	noCredentials(t)
	content := noise(7, 100_000)
	var missing, wrong, right string
	elsewhere, fetched := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/right":
			_, _ = w.Write(content)
		case "/wrong":
			_, _ = w.Write(noise(8, 100_000))
		default:
			http.NotFound(w, r)
		}
	}))
	missing, wrong, right = "http://"+elsewhere+"/missing", "http://"+elsewhere+"/wrong", "http://"+elsewhere+"/right"
	st := memstore.New()
	layer := st.Put(foreignLayer, content)
	layer.URLs = []string{missing, wrong, right}
	root := putImage(st, dockerManifest, "10.0.17763.1", layer, ociLayer(st, 2, 10))
	st.Drop(layer.Digest)

	served := memstore.New()
	host, seen := start(t, ours(served))
	var got events
	c := client(registry.Options{Progress: got.add})
	if err := c.Push(t.Context(), st, root, host+"/app"); err != nil {
		t.Fatal(err)
	}
	if got.count(registry.Left) != 1 || served.Has(layer.Digest) {
		t.Errorf("the foreign layer should stay where it is: %+v", got.all)
	}
	to := memstore.New()
	if _, err := c.Pull(t.Context(), to, host+"/app", nil); err != nil {
		t.Fatal(err)
	}
	if !to.Has(layer.Digest) || to.Unfinished() != 0 {
		t.Error("the foreign layer did not arrive")
	}
	if seen.count("GET", string(layer.Digest)) != 1 || fetched.count("GET", "/missing") != 1 || fetched.count("GET", "/right") != 1 {
		t.Errorf("asked %v and %v, want registry first, then every URL in order", seen.lines, fetched.lines)
	}
	layer.URLs = []string{missing, wrong}
	tagged(t, served, "bad:latest", putImage(served, dockerManifest, "", layer))
	_, err := c.Pull(t.Context(), memstore.New(), host+"/bad", nil)
	wantError(t, err, string(layer.Digest), "404", "memstore: got")
}

func TestPlainHTTPOnlyOnLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:5000": true, "127.9.9.9:1": true, "[::1]:5000": true, "::1": true, "localhost": true,
		"localhost:5000": true, "a.localhost:80": true, "10.0.0.1:5000": false, "192.168.1.1": false, "example.com": false,
		"localhost.example.com": false, "0.0.0.0:5000": false, "": false,
	} {
		if got := registry.IsLoopback(host); got != want {
			t.Errorf("IsLoopback(%q) = %v", host, got)
		}
	}
	noCredentials(t)
	served := memstore.New()
	tagged(t, served, "app:v1", simpleImage(served))
	backend, _ := start(t, ours(served))
	// A redirect is the way to a foreign host that needs no network to test.
	host, _ := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		http.Redirect(w, r, "http://10.255.255.1"+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	_, err := client(registry.Options{}).Pull(t.Context(), memstore.New(), host+"/app:v1", nil)
	wantError(t, err, "10.255.255.1 speaks plain http", "--insecure")
	_, err = client(registry.Options{}).Pull(t.Context(), memstore.New(), backend+"/app:v1", nil)
	if err != nil {
		t.Errorf("loopback: %v", err)
	}
}

func TestCredentialsFromPodmansFile(t *testing.T) {
	noCredentials(t)
	served := memstore.New()
	tagged(t, served, "app:v1", simpleImage(served))
	host, _ := start(t, basicAuth("u", "s3cret", ours(served)))
	file := filepath.Join(t.TempDir(), "auth.json")
	if err := os.WriteFile(file, []byte(`{"auths":{"`+host+`":{"auth":"dTpzM2NyZXQ="}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("REGISTRY_AUTH_FILE", file)
	if _, err := client(registry.Options{}).Pull(t.Context(), memstore.New(), host+"/app:v1", nil); err != nil {
		t.Error(err)
	}
}

// A lazy pull leaves the layers, each of which comes when it is asked for.
func TestPullLazily(t *testing.T) {
	noCredentials(t)
	from := memstore.New()
	low, high := ociLayer(from, 1, 3000), ociLayer(from, 2, 4000)
	root := putIndex(from, ocispec.MediaTypeImageIndex,
		putImage(from, ocispec.MediaTypeImageManifest, "10.0.20348.1", low, high, low), putImage(from, ocispec.MediaTypeImageManifest, "10.0.26100.1", high))
	tagged(t, from, "app:v1", root)
	host, seen := start(t, ours(from))
	st := memstore.New()
	c := client(registry.Options{})
	got, layers, err := c.PullLazily(t.Context(), st, host+"/app:v1", nil)
	if err != nil || got.Digest != root.Digest || len(layers) != 2 || st.Has(low.Digest) || st.Has(high.Digest) {
		t.Fatalf("%s with the layers %v, %v", got.Digest, layers, err)
	}
	if n := seen.count("GET", "/blobs/"); n != 2 {
		t.Errorf("%d blobs were asked for, want the 2 configs", n)
	}
	for _, l := range layers {
		if err := c.Fetch(t.Context(), st, host+"/app", l); err != nil || !st.Has(l.Digest) {
			t.Errorf("fetch %s: %v", l.Digest, err)
		}
	}
	sameBlobs(t, st, from)
	absent := ocispec.Descriptor{Digest: digest.FromString("absent"), Size: 6}
	wantError(t, c.Fetch(t.Context(), st, host+"/app", absent), string(absent.Digest), host)
	wantError(t, c.Fetch(t.Context(), st, host+"/app@"+string(root.Digest), absent), "not a repository")
}

// Artifacts can be attached to an image in any registry and found again, each once.
func TestAttach(t *testing.T) {
	noCredentials(t)
	const kind = "application/vnd.example.list.v1"
	for name, host := range map[string]func() string{
		"docker-registry": func() string { return dockerRegistry(t) },
		"ours":            func() string { h, _ := start(t, ours(memstore.New())); return h },
	} {
		t.Run(name, func(t *testing.T) {
			st, repo := memstore.New(), host()+"/app"
			root := simpleImage(st)
			blob := st.Put(kind, []byte("a list"))
			c := client(registry.Options{})
			_, err := c.Attach(t.Context(), st, repo, root, kind, []ocispec.Descriptor{blob})
			wantError(t, err, "attach to "+repo, "push it first")
			if err := c.Push(t.Context(), st, root, repo+":v1"); err != nil {
				t.Fatal(err)
			}
			if list, err := c.Attached(t.Context(), repo, root.Digest, kind); err != nil || len(list) != 0 {
				t.Fatalf("before: %v, %v", list, err)
			}
			for range 2 {
				if _, err := c.Attach(t.Context(), st, repo, root, kind, []ocispec.Descriptor{blob}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.Attach(t.Context(), st, repo, root, "application/vnd.example.other", nil); err != nil {
				t.Fatal(err)
			}
			list, err := c.Attached(t.Context(), repo, root.Digest, kind)
			if err != nil || len(list) != 1 || len(list[0].Layers) != 1 || list[0].Layers[0].Digest != blob.Digest {
				t.Fatalf("attached: %+v, %v", list, err)
			}
			to := memstore.New()
			if err := c.Fetch(t.Context(), to, repo, list[0].Layers[0]); err != nil || !to.Has(blob.Digest) {
				t.Error(err)
			}
		})
	}
}

package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/registry"
	"github.com/mullion/mullion/registry/internal/memstore"
	"github.com/mullion/mullion/registry/serve"
)

// answer is what came back, its body read.
type answer struct {
	*http.Response
	body string
}

// ask makes one request, with headers given as name, value, name, value.
func ask(t *testing.T, h http.Handler, method, target, body string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return answer{rec.Result(), rec.Body.String()}
}

// want asserts a status and, for a failure, the error code.
func (a answer) want(t *testing.T, status int, code string) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("status %d, want %d: %s", a.StatusCode, status, a.body)
	}
	if code == "" {
		return a
	}
	var said struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(a.body), &said); err != nil || len(said.Errors) != 1 {
		t.Errorf("body %q is no error of the API", a.body)
	} else if said.Errors[0].Code != code || said.Errors[0].Message == "" {
		t.Errorf("error %+v, want %s", said.Errors[0], code)
	}
	return a
}

// wantHeader asserts one header.
func (a answer) wantHeader(t *testing.T, name, value string) answer {
	t.Helper()
	if got := a.Header.Get(name); got != value {
		t.Errorf("%s: %q, want %q", name, got, value)
	}
	return a
}

func writable(st *memstore.Store) *serve.Handler {
	return serve.New(st, serve.Options{Writable: true})
}

// image stores a small image.
func image(st *memstore.Store, layer string) ocispec.Descriptor {
	return st.PutJSON(ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: st.Put(ocispec.MediaTypeImageConfig, []byte("{}")),
		Layers: []ocispec.Descriptor{st.Put(ocispec.MediaTypeImageLayer, []byte(layer))},
	})
}

func tag(t *testing.T, st *memstore.Store, name string, d ocispec.Descriptor) {
	t.Helper()
	if err := st.Tag(t.Context(), name, d); err != nil {
		t.Fatal(err)
	}
}

func text(t *testing.T, st *memstore.Store, d ocispec.Descriptor) string {
	t.Helper()
	b, err := registry.ReadManifest(t.Context(), st, d)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const missing = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

func TestAddresses(t *testing.T) {
	st := memstore.New()
	tag(t, st, "app:v1", image(st, "layer"))
	h := writable(st)
	for _, test := range []struct {
		method, target string
		status         int
		code           string
	}{
		{"GET", "/v2/", 200, ""},
		{"GET", "/v2", 200, ""},
		{"HEAD", "/v2/", 200, ""},
		{"GET", "/", 404, "UNSUPPORTED"},
		{"GET", "/v1/", 404, "UNSUPPORTED"},
		{"GET", "/v2x/app/tags/list", 404, "UNSUPPORTED"},
		{"GET", "/v2/app", 404, "UNSUPPORTED"},
		{"GET", "/v2/app/referrers/" + missing, 404, "UNSUPPORTED"},
		{"GET", "/v2//manifests/v1", 400, "NAME_INVALID"},
		{"GET", "/v2/../etc/manifests/v1", 400, "NAME_INVALID"},
		{"GET", "/v2/App/manifests/v1", 400, "NAME_INVALID"},
		{"GET", "/v2/" + strings.Repeat("a", 256) + "/manifests/v1", 400, "NAME_INVALID"},
		{"GET", "/v2/a/b/c/manifests/v1", 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/app/manifests/v2", 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/app/manifests/" + missing, 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/app/manifests/sha256:zz", 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/app/manifests/" + string(digest.FromString("layer")), 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/app/blobs/" + missing, 404, "BLOB_UNKNOWN"},
		{"GET", "/v2/app/blobs/sha256:..", 400, "DIGEST_INVALID"},
		{"DELETE", "/v2/app/blobs/" + missing, 405, "UNSUPPORTED"},
		{"PUT", "/v2/app/tags/list", 405, "UNSUPPORTED"},
		{"POST", "/v2/", 405, "UNSUPPORTED"},
		{"GET", "/v2/app/blobs/uploads/", 405, "UNSUPPORTED"},
		{"GET", "/v2/app/blobs/uploads/nope", 404, "BLOB_UPLOAD_UNKNOWN"},
		{"PATCH", "/v2/app/blobs/uploads/nope", 404, "BLOB_UPLOAD_UNKNOWN"},
		{"GET", "/v2/nope/tags/list", 404, "NAME_UNKNOWN"},
		{"GET", "/v2/app/tags/list?n=x", 400, "PAGINATION_NUMBER_INVALID"},
		{"DELETE", "/v2/app/manifests/v2", 404, "MANIFEST_UNKNOWN"},
	} {
		t.Run(test.method+" "+test.target[:min(len(test.target), 60)], func(t *testing.T) {
			a := ask(t, h, test.method, "http://127.0.0.1:5000"+test.target, "")
			a.want(t, test.status, test.code).wantHeader(t, "Docker-Distribution-Api-Version", "registry/2.0")
		})
	}
}

func TestGet(t *testing.T) {
	st := memstore.New()
	d := image(st, "0123456789")
	tag(t, st, "app/hello:v1", d)
	tag(t, st, "here:5000/other:v1", d)
	tag(t, st, "there:5000/third:v1", d)
	h := serve.New(st, serve.Options{})
	for _, target := range []string{"/v2/app/hello/manifests/v1", "/v2/app/hello/manifests/" + string(d.Digest), "/v2/other/manifests/v1"} {
		a := ask(t, h, "GET", "http://here:5000"+target, "").want(t, 200, "")
		a.wantHeader(t, "Content-Type", ocispec.MediaTypeImageManifest).wantHeader(t, "Docker-Content-Digest", string(d.Digest))
		if digest.FromString(a.body) != d.Digest {
			t.Errorf("%s: other bytes: %s", target, a.body)
		}
		a = ask(t, h, "HEAD", "http://here:5000"+target, "").want(t, 200, "")
		if a.body != "" || a.Header.Get("Content-Length") != fmt.Sprint(d.Size) {
			t.Errorf("%s: HEAD gave %q of %s bytes", target, a.body, a.Header.Get("Content-Length"))
		}
	}
	ask(t, h, "GET", "http://here:5000/v2/third/manifests/v1", "").want(t, 404, "MANIFEST_UNKNOWN")

	blob := "http://here:5000/v2/app/hello/blobs/" + string(digest.FromString("0123456789"))
	if a := ask(t, h, "GET", blob, "").want(t, 200, ""); a.body != "0123456789" {
		t.Errorf("blob %q", a.body)
	}
	a := ask(t, h, "GET", blob, "", "Range", "bytes=3-5").want(t, 206, "").wantHeader(t, "Content-Range", "bytes 3-5/10")
	if a.body != "345" {
		t.Errorf("range %q", a.body)
	}
	if a := ask(t, h, "GET", blob, "", "Range", "bytes=7-").want(t, 206, ""); a.body != "789" {
		t.Errorf("rest %q", a.body)
	}
	if a := ask(t, h, "GET", blob, "", "Range", "bytes=10-"); a.StatusCode != 416 {
		t.Errorf("a range beyond the end gave %d", a.StatusCode)
	}
}

func TestDamageIsNotServedAsManifest(t *testing.T) {
	st := memstore.New()
	d := image(st, "layer")
	tag(t, st, "app:v1", d)
	st.Damage(d.Digest, []byte(strings.Repeat(" ", int(d.Size))))
	ask(t, serve.New(st, serve.Options{}), "GET", "/v2/app/manifests/v1", "").want(t, 500, "UNKNOWN")
}

func TestLists(t *testing.T) {
	st := memstore.New()
	d := image(st, "layer")
	for _, name := range []string{"b:2", "b:1", "b:10", "a/x:v1", "here:5000/b:3", "here:5000/b:1", "UPPER:v1", "notag", "x@" + missing} {
		tag(t, st, name, d)
	}
	h := serve.New(st, serve.Options{})
	for target, want := range map[string]string{
		"/v2/_catalog":              `{"repositories":["a/x","b"]}`,
		"/v2/_catalog?n=1&last=a/x": `{"repositories":["b"]}`,
		"/v2/b/tags/list":           `{"name":"b","tags":["1","10","2","3"]}`,
		"/v2/b/tags/list?n=2":       `{"name":"b","tags":["1","10"]}`,
		"/v2/b/tags/list?last=11":   `{"name":"b","tags":["2","3"]}`,
		"/v2/b/tags/list?n=0":       `{"name":"b","tags":[]}`,
		"/v2/b/tags/list?last=z":    `{"name":"b","tags":[]}`,
	} {
		if a := ask(t, h, "GET", "http://here:5000"+target, "").want(t, 200, ""); a.body != want {
			t.Errorf("%s: %s, want %s", target, a.body, want)
		}
	}
	ask(t, h, "GET", "http://here:5000/v2/b/tags/list?n=2", "").wantHeader(t, "Link", `</v2/b/tags/list?last=10&n=2>; rel="next"`)
}

func TestReadOnly(t *testing.T) {
	st := memstore.New()
	tag(t, st, "app:v1", image(st, "layer"))
	h := serve.New(st, serve.Options{})
	before := len(st.Digests())
	for _, line := range []string{"PUT /v2/app/manifests/v2", "DELETE /v2/app/manifests/v1", "POST /v2/app/blobs/uploads/",
		"POST /v2/app/blobs/uploads/?digest=" + string(digest.FromString("")), "PATCH /v2/app/blobs/uploads/x", "PUT /v2/app/blobs/uploads/x"} {
		method, target, _ := strings.Cut(line, " ")
		ask(t, h, method, target, "").want(t, 405, "UNSUPPORTED")
	}
	ask(t, h, "GET", "/v2/app/manifests/v1", "").want(t, 200, "")
	if len(st.Digests()) != before || st.Unfinished() != 0 {
		t.Error("the store changed")
	}
}

// listen runs the server until stop.
func listen(t *testing.T, h *serve.Handler) (host string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve.Serve(ctx, l, h) }()
	return l.Addr().String(), func() error {
		cancel()
		return <-done
	}
}

func TestWebPagesCannotWrite(t *testing.T) {
	host, stop := listen(t, writable(memstore.New()))
	for name, test := range map[string]struct {
		host   string
		header []string
		status int
	}{
		"a client":                             {host, nil, 202},
		"localhost":                            {"localhost:5000", nil, 202},
		"another site's page":                  {host, []string{"Origin", "https://evil.example"}, 403},
		"a browser's word":                     {host, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"a name that was bent to this machine": {"evil.example:5000", []string{"Origin", "http://evil.example:5000"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest(http.MethodPost, "http://"+host+"/v2/app/blobs/uploads/", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = test.host
			for i := 0; i < len(test.header); i += 2 {
				r.Header.Set(test.header[i], test.header[i+1])
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != test.status {
				t.Errorf("status %d, want %d", resp.StatusCode, test.status)
			}
		})
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestRestartKeepsWhatWasCommitted(t *testing.T) {
	st := memstore.New()
	from := memstore.New()
	root := image(from, "layer")
	host, stop := listen(t, writable(st))
	if err := registry.New(registry.Options{}).Push(t.Context(), from, root, host+"/app:v1"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+host+"/v2/app/blobs/uploads/", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if n := st.Unfinished(); n != 0 {
		t.Errorf("%d ingests are still open after the end", n)
	}
	if _, err := http.Get("http://" + host + "/v2/"); err == nil {
		t.Error("it still answers after its end")
	}
	host, stop = listen(t, serve.New(st, serve.Options{}))
	got, err := registry.New(registry.Options{}).Pull(t.Context(), memstore.New(), host+"/app:v1", nil)
	if err != nil || got.Digest != root.Digest {
		t.Errorf("%v, %v", got, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestServeOnAClosedListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := serve.Serve(t.Context(), l, writable(memstore.New())); err == nil {
		t.Error("no error")
	}
}

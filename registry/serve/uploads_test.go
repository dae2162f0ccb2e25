package serve_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/mullion/mullion/registry/internal/memstore"
)

// begin starts an upload and gives its address.
func begin(t *testing.T, h http.Handler) string {
	t.Helper()
	a := ask(t, h, "POST", "/v2/app/blobs/uploads/", "").want(t, 202, "").wantHeader(t, "Range", "0-0")
	return a.Header.Get("Location")
}

func TestUploadInChunks(t *testing.T) {
	st := memstore.New()
	h := writable(st)
	at := begin(t, h)
	ask(t, h, "PATCH", at, "01234", "Content-Range", "0-4").want(t, 202, "").wantHeader(t, "Range", "0-4").wantHeader(t, "Location", at)
	ask(t, h, "PATCH", at, "56", "Content-Range", "0-1").want(t, 416, "BLOB_UPLOAD_INVALID").wantHeader(t, "Range", "0-4")
	ask(t, h, "PATCH", at, "56", "Content-Range", "6-7").want(t, 416, "BLOB_UPLOAD_INVALID")
	ask(t, h, "PATCH", at, "56", "Content-Range", "5-9").want(t, 400, "SIZE_INVALID")
	ask(t, h, "PATCH", at, "56", "Content-Range", "bytes 5-6/10").want(t, 400, "SIZE_INVALID")
	ask(t, h, "PATCH", at, "56").want(t, 202, "").wantHeader(t, "Range", "0-6")
	ask(t, h, "GET", at, "").want(t, 204, "").wantHeader(t, "Range", "0-6")
	ask(t, h, "GET", strings.Replace(at, "/app/", "/other/", 1), "").want(t, 404, "BLOB_UPLOAD_UNKNOWN")
	want := string(digest.FromString("0123456789"))
	ask(t, h, "PUT", at, "789", "Content-Range", "7-9").want(t, 400, "DIGEST_INVALID")
	a := ask(t, h, "PUT", at+"?digest="+want, "789", "Content-Range", "7-9").want(t, 201, "")
	a.wantHeader(t, "Location", "/v2/app/blobs/"+want).wantHeader(t, "Docker-Content-Digest", want)
	if a := ask(t, h, "GET", "/v2/app/blobs/"+want, ""); a.body != "0123456789" {
		t.Errorf("blob %q", a.body)
	}
	ask(t, h, "GET", at, "").want(t, 404, "BLOB_UPLOAD_UNKNOWN")
	if st.Unfinished() != 0 {
		t.Error("an ingest was left open")
	}
}

func TestUploadInOneRequest(t *testing.T) {
	st := memstore.New()
	h := writable(st)
	want := string(digest.FromString("content"))
	ask(t, h, "POST", "/v2/app/blobs/uploads/?digest="+want, "other").want(t, 400, "DIGEST_INVALID")
	ask(t, h, "POST", "/v2/app/blobs/uploads/?digest=sha256:1", "content").want(t, 400, "DIGEST_INVALID")
	ask(t, h, "POST", "/v2/app/blobs/uploads/?mount="+want+"&from=base", "").want(t, 202, "")
	if len(st.Digests()) != 0 || st.Unfinished() != 1 {
		t.Errorf("%d blobs, %d ingests, want none and the upload that the mount became", len(st.Digests()), st.Unfinished())
	}
	ask(t, h, "POST", "/v2/app/blobs/uploads?digest="+want, "content").want(t, 201, "").wantHeader(t, "Docker-Content-Digest", want)
	ask(t, h, "POST", "/v2/app/blobs/uploads/?mount="+want+"&from=base", "").want(t, 201, "").wantHeader(t, "Location", "/v2/app/blobs/"+want)
}

func TestUploadGivenUp(t *testing.T) {
	st := memstore.New()
	h := writable(st)
	at := begin(t, h)
	ask(t, h, "PATCH", at, "0123").want(t, 202, "")
	ask(t, h, "POST", at, "").want(t, 405, "UNSUPPORTED")
	ask(t, h, "DELETE", at, "").want(t, 204, "")
	ask(t, h, "PATCH", at, "4").want(t, 404, "BLOB_UPLOAD_UNKNOWN")
	if st.Unfinished() != 0 {
		t.Error("an ingest was left open")
	}
}

func TestTheLongestIdleUploadGoes(t *testing.T) {
	st := memstore.New()
	h := writable(st)
	first, second := begin(t, h), begin(t, h)
	ask(t, h, "GET", first, "").want(t, 204, "") // looked at: no longer the longest idle
	for range 255 {
		begin(t, h)
	}
	ask(t, h, "GET", first, "").want(t, 204, "")
	ask(t, h, "GET", second, "").want(t, 404, "BLOB_UPLOAD_UNKNOWN")
	if n := st.Unfinished(); n != 256 {
		t.Errorf("%d ingests are open", n)
	}
}

func TestBrokenUploadGoesOn(t *testing.T) {
	st := memstore.New()
	h := writable(st)
	at := begin(t, h)
	r := httptest.NewRequest(http.MethodPatch, at, io.MultiReader(strings.NewReader("0123"), brokenReader{}))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	answer{rec.Result(), rec.Body.String()}.want(t, 400, "SIZE_INVALID").wantHeader(t, "Range", "0-3")
	ask(t, h, "PATCH", at, "456789", "Content-Range", "4-9").want(t, 202, "")
	ask(t, h, "PUT", at+"?digest="+string(digest.FromString("0123456789")), "").want(t, 201, "")
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

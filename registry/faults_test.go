package registry_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/mullion/mullion/registry"
	"github.com/mullion/mullion/registry/internal/memstore"
)

// fault answers the n-th (from 1) request that it is asked about; false leaves
// the answer to the real server.
type fault func(n int, w http.ResponseWriter, r *http.Request) bool

// faulty puts a fault before the requests of one method whose path contains
// part.
func faulty(t *testing.T, next http.Handler, method, part string, f fault) (host string, seen *log) {
	var mu sync.Mutex
	n := 0
	return start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == method && strings.Contains(r.URL.Path, part) {
			mu.Lock()
			n++
			now := n
			mu.Unlock()
			if f(now, w, r) {
				return
			}
		}
		next.ServeHTTP(w, r)
	}))
}

// recorded gives what the real server answers.
func recorded(next http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	return rec
}

// breakOff announces a whole body, sends the first n bytes and hangs up.
func breakOff(w http.ResponseWriter, rec *httptest.ResponseRecorder, n int) {
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()))
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()[:n])
	panic(http.ErrAbortHandler)
}

func TestPullGoesOnWhereItBroke(t *testing.T) {
	noCredentials(t)
	served := memstore.New()
	tagged(t, served, "app:v1", simpleImage(served))
	big := ociLayer(served, 1, 3<<20)
	for name, ranges := range map[string]bool{"with ranges": true, "without ranges": false} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			next := ours(served)
			host, _ := faulty(t, next, "GET", string(big.Digest), func(n int, w http.ResponseWriter, r *http.Request) bool {
				asked = append(asked, r.Header.Get("Range"))
				if !ranges {
					r.Header.Del("Range")
				}
				if n > 3 {
					return false
				}
				breakOff(w, recorded(next, r), n*100_000)
				return true
			})
			to := memstore.New()
			if _, err := client(registry.Options{}).Pull(t.Context(), to, host+"/app:v1", nil); err != nil {
				t.Fatal(err)
			}
			sameBlobs(t, to, served)
			want := []string{"", "bytes=100000-", "bytes=300000-", "bytes=600000-"}
			if !ranges { // each answer began at 0: what it added is what lay beyond the last
				want = []string{"", "bytes=100000-", "bytes=200000-", "bytes=300000-"}
			}
			if fmt.Sprint(asked) != fmt.Sprint(want) {
				t.Errorf("asked for %q, want %q", asked, want)
			}
		})
	}
}

func TestBadDownloads(t *testing.T) {
	noCredentials(t)
	served := memstore.New()
	tagged(t, served, "app:v1", simpleImage(served))
	big := ociLayer(served, 1, 3<<20)
	next := ours(served)
	tests := map[string]struct {
		part string
		f    fault
		want []string
	}{
		"other bytes": {string(big.Digest), func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write(noise(99, 3<<20))
			return true
		}, []string{string(big.Digest), "memstore: got"}},
		"too many bytes": {string(big.Digest), func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write(noise(1, 3<<20+1))
			return true
		}, []string{string(big.Digest), "more than the 3145728 bytes"}},
		"too few bytes, every time": {string(big.Digest), func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write(noise(1, 1000))
			return true
		}, []string{string(big.Digest), "ends after 1000 of 3145728 bytes"}},
		"a range that was not asked for": {string(big.Digest), func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				breakOff(w, recorded(next, r), 1000)
			}
			w.Header().Set("Content-Range", "bytes 5-9/10")
			w.WriteHeader(http.StatusPartialContent)
			return true
		}, []string{string(big.Digest), `"bytes 5-9/10"`}},
		"layer gone": {string(big.Digest), func(_ int, w http.ResponseWriter, r *http.Request) bool {
			http.NotFound(w, r)
			return true
		}, []string{string(big.Digest), "404"}},
		"manifest of other bytes than announced": {"/manifests/", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Docker-Content-Digest", string(digest.FromString("other")))
			write(w, "{}")
			return true
		}, []string{"announced"}},
		"manifest without end": {"/manifests/", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write(make([]byte, registry.MaxManifest+1))
			return true
		}, []string{"too large"}},
		"manifest that is none": {"/manifests/", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			write(w, "<html>")
			return true
		}, []string{"not valid JSON"}},
		"broken for good": {"/manifests/", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}, []string{"503 Service Unavailable"}},
		"loops": {"/manifests/", func(_ int, w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
			return true
		}, []string{"redirects"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			host, _ := faulty(t, next, "GET", test.part, test.f)
			to := memstore.New()
			_, err := client(registry.Options{}).Pull(t.Context(), to, host+"/app:v1", nil)
			wantError(t, err, append(test.want, host)...)
			if to.Has(big.Digest) || to.Unfinished() != 0 {
				t.Error("the store holds what did not arrive")
			}
			for d := range to.Digests() {
				if !served.Has(d) {
					t.Errorf("the store holds %s", d)
				}
			}
		})
	}
}

func TestTriesAgain(t *testing.T) {
	noCredentials(t)
	served := memstore.New()
	tagged(t, served, "app:v1", simpleImage(served))
	for _, status := range []int{408, 429, 500, 502, 503, 504} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			host, _ := faulty(t, ours(served), "GET", "/manifests/", func(n int, w http.ResponseWriter, _ *http.Request) bool {
				switch n {
				case 1:
					w.Header().Set("Retry-After", "7")
				case 2:
					w.Header().Set("Retry-After", "999999")
				case 3:
					return false
				}
				w.WriteHeader(status)
				return true
			})
			var slept []time.Duration
			c := registry.NewForTest(registry.Options{}, time.Minute, func(d time.Duration) { slept = append(slept, d) })
			if _, err := c.Pull(t.Context(), memstore.New(), host+"/app:v1", nil); err != nil {
				t.Fatal(err)
			}
			if want := []time.Duration{7 * time.Second, 30 * time.Second}; fmt.Sprint(slept) != fmt.Sprint(want) {
				t.Errorf("waited %v, want %v", slept, want)
			}
		})
	}
}

func TestDoesNotTryForever(t *testing.T) {
	noCredentials(t)
	host, seen := faulty(t, ours(memstore.New()), "GET", "/manifests/", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	_, err := client(registry.Options{}).Pull(t.Context(), memstore.New(), host+"/app:v1", nil)
	wantError(t, err, "429", "try again later")
	if n := seen.count("GET", "/manifests/"); n != registry.Pauses+1 {
		t.Errorf("asked %d times, want %d", n, registry.Pauses+1)
	}
}

func TestPushTriesAgain(t *testing.T) {
	noCredentials(t)
	tests := map[string]struct {
		method, part string
		f            fault
	}{
		"upload hangs up": {"PATCH", "/blobs/uploads/", func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				_, _ = r.Body.Read(make([]byte, 1000))
				panic(http.ErrAbortHandler)
			}
			return false
		}},
		"close fails": {"PUT", "/blobs/uploads/", func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				w.WriteHeader(http.StatusBadGateway)
			}
			return n == 1
		}},
		"manifest fails": {"PUT", "/manifests/", func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				w.WriteHeader(http.StatusInternalServerError)
			}
			return n == 1
		}},
		"no session": {"POST", "/blobs/uploads/", func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				w.WriteHeader(http.StatusTooManyRequests)
			}
			return n == 1
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			served := memstore.New()
			host, _ := faulty(t, ours(served), test.method, test.part, test.f)
			st := memstore.New()
			root := simpleImage(st)
			if err := client(registry.Options{}).Push(t.Context(), st, root, host+"/app:v1"); err != nil {
				t.Fatal(err)
			}
			for d := range st.Digests() {
				if !served.Has(d) {
					t.Errorf("%s is missing", d)
				}
			}
		})
	}
}

func TestBadUploads(t *testing.T) {
	noCredentials(t)
	tests := map[string]struct {
		method, part string
		f            fault
		want         string
	}{
		"no location": {"POST", "/blobs/uploads/", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusAccepted)
			return true
		}, "where the upload goes on"},
		"created out of nothing": {"POST", "/blobs/uploads/", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusCreated)
			return true
		}, "not yet given"},
		"another blob": {"PUT", "/blobs/uploads/", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Docker-Content-Digest", string(digest.FromString("other")))
			w.WriteHeader(http.StatusCreated)
			return true
		}, "speaks of"},
		"another manifest": {"PUT", "/manifests/", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Docker-Content-Digest", string(digest.FromString("other")))
			w.WriteHeader(http.StatusCreated)
			return true
		}, "speaks of"},
		"denied": {"POST", "/blobs/uploads/", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusForbidden)
			return true
		}, "403"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			host, _ := faulty(t, ours(memstore.New()), test.method, test.part, test.f)
			st := memstore.New()
			err := client(registry.Options{}).Push(t.Context(), st, simpleImage(st), host+"/app:v1")
			wantError(t, err, "push "+host+"/app:v1: ", "sha256:", test.want, host)
		})
	}
}

func TestStalledTransfersEnd(t *testing.T) {
	noCredentials(t)
	served := memstore.New()
	root := simpleImage(served)
	tagged(t, served, "app:v1", root)
	over := make(chan struct{})
	defer close(over)
	host, _ := faulty(t, ours(served), "GET", "/blobs/", func(_ int, w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		select {
		case <-over:
		case <-r.Context().Done():
		}
		return true
	})
	c := registry.NewForTest(registry.Options{}, 20*time.Millisecond, nil)
	_, err := c.Pull(t.Context(), memstore.New(), host+"/app:v1", nil)
	wantError(t, err, host, "stopped sending")
}

// A pull that ends early, however that comes about, is gone on with by the next one; what it left, if it is no good, is not.
func TestPullIsResumed(t *testing.T) {
	noCredentials(t)
	served := memstore.New()
	tagged(t, served, "app:v1", simpleImage(served))
	big := ociLayer(served, 1, 3<<20)
	const half = 1 << 20
	for name, c := range map[string]struct {
		damage bool
		want   []string
	}{
		"sound":   {false, []string{"", "bytes=1048576-"}},
		"damaged": {true, []string{"", "bytes=1048576-", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			next := ours(served)
			host, _ := faulty(t, next, "GET", string(big.Digest), func(n int, w http.ResponseWriter, r *http.Request) bool {
				asked = append(asked, r.Header.Get("Range"))
				if n > 1 {
					return false
				}
				rec := recorded(next, r)
				w.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()+1)) // which no retry mends
				_, _ = w.Write(rec.Body.Bytes()[:half])
				panic(http.ErrAbortHandler)
			})
			to := memstore.New()
			ctx, cancel := context.WithCancel(t.Context())
			give := registry.NewForTest(registry.Options{}, time.Minute, func(time.Duration) { cancel() })
			if _, err := give.Pull(ctx, to, host+"/app:v1", nil); err == nil {
				t.Fatal("it should have ended early")
			}
			left := to.Part(big.Digest, nil)
			if len(left) != half || to.Has(big.Digest) {
				t.Fatalf("%d bytes are left, want %d", len(left), half)
			}
			if c.damage {
				to.Part(big.Digest, make([]byte, half))
			}
			if _, err := client(registry.Options{}).Pull(t.Context(), to, host+"/app:v1", nil); err != nil {
				t.Fatal(err)
			}
			sameBlobs(t, to, served)
			if fmt.Sprint(asked) != fmt.Sprint(c.want) {
				t.Errorf("asked for %q, want %q", asked, c.want)
			}
		})
	}
}

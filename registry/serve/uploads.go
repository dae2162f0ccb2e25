package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"syscall"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/registry"
)

// maxUploads bounds the unfinished uploads, each of which holds a file open.
// One more makes the longest idle go.
const maxUploads = 256

// upload is a blob on its way in. Who holds busy may use it.
type upload struct {
	id, repo string
	busy     sync.Mutex
	in       registry.Ingest
	off      int64  // bytes received
	used     uint64 // when last looked at, by the count of all looks
}

// uploads are the unfinished ones, by ID.
type uploads struct {
	mu    sync.Mutex
	byID  map[string]*upload
	looks uint64
}

func newUploads() *uploads { return &uploads{byID: map[string]*upload{}} }

// start begins an upload and returns it held.
func (us *uploads) start(ctx context.Context, st Store, repo string) (*upload, error) {
	in, err := st.Ingest(context.WithoutCancel(ctx)) // it outlives the request
	if err != nil {
		return nil, err
	}
	u := &upload{id: rand.Text(), repo: repo, in: in}
	u.busy.Lock()
	us.mu.Lock()
	defer us.mu.Unlock()
	if len(us.byID) >= maxUploads && !us.evict() {
		_ = in.Abort() // nothing was written
		return nil, fmt.Errorf("%d uploads are under way, try again later", maxUploads)
	}
	us.looks++
	u.used = us.looks
	us.byID[u.id] = u
	return u, nil
}

// evict drops the upload that nobody has looked at for longest.
func (us *uploads) evict() bool {
	var oldest *upload
	for _, u := range us.byID {
		if (oldest == nil || u.used < oldest.used) && u.busy.TryLock() {
			if oldest != nil {
				oldest.busy.Unlock()
			}
			oldest = u
		}
	}
	if oldest == nil {
		return false
	}
	delete(us.byID, oldest.id)
	_ = oldest.in.Abort() // the store sweeps what may be left
	return true
}

// hold finds an upload and makes it the caller's until release.
func (us *uploads) hold(repo, id string) (u *upload, busy bool) {
	us.mu.Lock()
	defer us.mu.Unlock()
	u = us.byID[id]
	if u == nil || u.repo != repo {
		return nil, false
	}
	if !u.busy.TryLock() {
		return nil, true
	}
	us.looks++
	u.used = us.looks
	return u, false
}

func (u *upload) release() { u.busy.Unlock() }

// drop forgets an upload that the caller holds, and its bytes unless they have
// been committed.
func (us *uploads) drop(u *upload) {
	us.mu.Lock()
	delete(us.byID, u.id)
	us.mu.Unlock()
	_ = u.in.Abort() // the store sweeps what may be left
}

func (us *uploads) dropAll() {
	us.mu.Lock()
	defer us.mu.Unlock()
	for _, u := range us.byID {
		if u.busy.TryLock() { // else a request that did not end in time still writes to it
			_ = u.in.Abort() // the store sweeps what may be left
		}
	}
	clear(us.byID)
}

// startUpload answers POST: a mount, a blob in one request, or a new upload.
func (h *Handler) startUpload(w http.ResponseWriter, r *http.Request, repo string) {
	q := r.URL.Query()
	if mount := q.Get("mount"); registry.CheckDigest(mount) == nil && h.st.Has(digest.Digest(mount)) {
		created(w, repo, mount)
		return
	}
	u, err := h.uploads.start(r.Context(), h.st, repo)
	if err != nil {
		failStore(w, err)
		return
	}
	defer u.release()
	if q.Has("digest") {
		defer h.uploads.drop(u) // one request was all it had
		h.finish(w, r, u)
		return
	}
	u.answer(w, http.StatusAccepted)
}

// session answers what concerns one unfinished upload.
func (h *Handler) session(w http.ResponseWriter, r *http.Request, repo, id string) {
	u, busy := h.uploads.hold(repo, id)
	if busy {
		fail(w, http.StatusConflict, "BLOB_UPLOAD_INVALID", "another request is writing to this upload")
		return
	}
	if u == nil {
		fail(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "there is no such upload; begin anew")
		return
	}
	defer u.release()
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		u.answer(w, http.StatusNoContent)
	case http.MethodPatch:
		if h.receive(w, r, u) {
			u.answer(w, http.StatusAccepted)
		}
	case http.MethodPut:
		h.finish(w, r, u)
	case http.MethodDelete:
		h.uploads.drop(u)
		w.WriteHeader(http.StatusNoContent)
	default:
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "this cannot be done to an upload")
	}
}

// answer says how far the upload is and where it goes on.
func (u *upload) answer(w http.ResponseWriter, status int) {
	u.headers(w)
	w.WriteHeader(status)
}

func (u *upload) headers(w http.ResponseWriter) {
	w.Header().Set("Location", "/v2/"+u.repo+"/blobs/uploads/"+u.id)
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(u.off-1, 0)))
	w.Header().Set("Docker-Upload-Uuid", u.id)
}

// receive appends the body of a request. When it returns false the request has
// been answered.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request, u *upload) bool {
	want := r.ContentLength
	if span := r.Header.Get("Content-Range"); span != "" {
		first, last, err := registry.ParseSpan(span)
		switch {
		case err != nil || want >= 0 && want != last-first+1:
			fail(w, http.StatusBadRequest, "SIZE_INVALID", "the Content-Range is not first-last, or not that of the body")
			return false
		case first != u.off:
			u.headers(w)
			fail(w, http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID", fmt.Sprintf("the upload goes on at byte %d", u.off))
			return false
		}
		want = last - first + 1
	}
	limit := int64(registry.MaxBlob) - u.off
	if want >= 0 {
		limit = min(limit, want)
	}
	to := &sink{w: u.in}
	n, err := io.CopyBuffer(to, http.MaxBytesReader(w, r.Body, limit), make([]byte, 256<<10))
	u.off += n
	tooLarge := new(http.MaxBytesError)
	switch {
	case to.err != nil:
		h.uploads.drop(u)
		failStore(w, to.err)
	case errors.As(err, &tooLarge):
		h.uploads.drop(u)
		fail(w, http.StatusRequestEntityTooLarge, "SIZE_INVALID", "the body is larger than announced, or than any blob may be")
	case err != nil, want >= 0 && n != want:
		u.headers(w)
		fail(w, http.StatusBadRequest, "SIZE_INVALID", "the body ended early")
	default:
		return true
	}
	return false
}

// sink remembers whether it was the store that failed.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil {
		s.err = err
	}
	return n, err
}

// finish takes the last bytes, if any, and makes the upload a blob. Whatever
// happens then, the upload is over.
func (h *Handler) finish(w http.ResponseWriter, r *http.Request, u *upload) {
	want := r.URL.Query().Get("digest")
	if err := registry.CheckDigest(want); err != nil {
		fail(w, http.StatusBadRequest, "DIGEST_INVALID", err.Error())
		return
	}
	if !h.receive(w, r, u) {
		return
	}
	defer h.uploads.drop(u)
	_, err := u.in.Commit(ocispec.Descriptor{Digest: digest.Digest(want)})
	switch system := syscall.Errno(0); {
	case errors.As(err, &system):
		failStore(w, err)
	case err != nil:
		fail(w, http.StatusBadRequest, "DIGEST_INVALID", err.Error())
	default:
		created(w, u.repo, want)
	}
}

func created(w http.ResponseWriter, repo, id string) {
	w.Header().Set("Location", "/v2/"+repo+"/blobs/"+id)
	w.Header().Set("Docker-Content-Digest", id)
	w.WriteHeader(http.StatusCreated)
}

package serve

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/registry"
)

// getBlob answers GET and HEAD, whole or by ranges.
func (h *Handler) getBlob(w http.ResponseWriter, r *http.Request, id string) {
	if err := registry.CheckDigest(id); err != nil {
		fail(w, http.StatusBadRequest, "DIGEST_INVALID", err.Error())
		return
	}
	blob, err := h.st.Open(r.Context(), ocispec.Descriptor{Digest: digest.Digest(id)})
	if errors.Is(err, fs.ErrNotExist) {
		fail(w, http.StatusNotFound, "BLOB_UNKNOWN", "the store does not hold this blob")
		return
	}
	if err != nil {
		failStore(w, err)
		return
	}
	defer blob.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	serveContent(w, r, id, io.NewSectionReader(blob, 0, blob.Size()))
}

// serveContent sends bytes that never change under their digest.
func serveContent(w http.ResponseWriter, r *http.Request, id string, content io.ReadSeeker) {
	w.Header().Set("Docker-Content-Digest", id)
	w.Header().Set("Etag", `"`+id+`"`)
	http.ServeContent(w, r, "", time.Time{}, content)
}

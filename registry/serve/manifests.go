package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/registry"
)

func isDigest(id string) bool { return strings.Contains(id, ":") }

// find gives what a tag or digest stands for, without its media type and size
// in case of a digest.
func (h *Handler) find(ctx context.Context, host, repo, id string) (ocispec.Descriptor, error) {
	if isDigest(id) {
		d := ocispec.Descriptor{Digest: digest.Digest(id)}
		if registry.CheckDigest(id) != nil || !h.st.Has(d.Digest) {
			return d, fs.ErrNotExist
		}
		return d, nil
	}
	repos, err := h.repositories(ctx, host)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	e, ok := repos[repo][id]
	if !ok {
		return ocispec.Descriptor{}, fs.ErrNotExist
	}
	return e.desc, nil
}

func (h *Handler) getManifest(w http.ResponseWriter, r *http.Request, repo, id string) {
	d, err := h.find(r.Context(), r.Host, repo, id)
	if errors.Is(err, fs.ErrNotExist) {
		unknownManifest(w, repo, id)
		return
	}
	if err != nil {
		failStore(w, err)
		return
	}
	body, err := registry.ReadManifest(r.Context(), h.st, d)
	if errors.Is(err, registry.ErrTooLarge) { // some layer's digest
		unknownManifest(w, repo, id)
		return
	}
	if err != nil {
		failStore(w, err)
		return
	}
	m, err := registry.DecodeManifest(d.MediaType, body)
	if err != nil { // a blob of another kind
		unknownManifest(w, repo, id)
		return
	}
	w.Header().Set("Content-Type", m.MediaType)
	serveContent(w, r, string(d.Digest), bytes.NewReader(body))
}

func unknownManifest(w http.ResponseWriter, repo, id string) {
	fail(w, http.StatusNotFound, "MANIFEST_UNKNOWN", fmt.Sprintf("the store has no manifest %.140s of %s", id, repo))
}

func (h *Handler) putManifest(w http.ResponseWriter, r *http.Request, repo, id string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, registry.MaxManifest))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		fail(w, http.StatusRequestEntityTooLarge, "SIZE_INVALID", fmt.Sprintf("a manifest may have %d bytes", registry.MaxManifest))
		return
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "MANIFEST_INVALID", "the manifest did not come whole")
		return
	}
	d := ocispec.Descriptor{Digest: digest.FromBytes(body), Size: int64(len(body))}
	switch {
	case isDigest(id) && id != string(d.Digest):
		fail(w, http.StatusBadRequest, "DIGEST_INVALID", fmt.Sprintf("the manifest's digest is %s", d.Digest))
		return
	case !isDigest(id) && !tagPattern.MatchString(id):
		fail(w, http.StatusBadRequest, "TAG_INVALID", "the tag is not a valid one")
		return
	}
	if d.MediaType, err = h.accept(r.Context(), r.Header.Get("Content-Type"), body); err != nil {
		code := "MANIFEST_INVALID"
		if errors.Is(err, fs.ErrNotExist) {
			code = "MANIFEST_BLOB_UNKNOWN"
		}
		fail(w, http.StatusBadRequest, code, err.Error())
		return
	}
	if err := h.keep(r.Context(), repo, id, d, body); err != nil {
		failStore(w, err)
		return
	}
	w.Header().Set("Location", "/v2/"+repo+"/manifests/"+string(d.Digest))
	w.Header().Set("Docker-Content-Digest", string(d.Digest))
	w.WriteHeader(http.StatusCreated)
}

// accept decides whether a manifest may come in: it must be one, under a media
// type that its bytes alone tell too, and all that it names must be here.
func (h *Handler) accept(ctx context.Context, contentType string, body []byte) (mediaType string, err error) {
	promised, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", errors.New("the Content-Type must be the manifest's media type")
	}
	m, err := registry.DecodeManifest(promised, body)
	if err != nil {
		return "", err
	}
	if alone, err := registry.DecodeManifest("", body); err != nil || alone.MediaType != promised {
		return "", fmt.Errorf("the manifest does not call itself %s", promised)
	}
	for _, d := range append(m.Manifests, m.Blobs...) {
		if registry.IsForeign(d) {
			continue
		}
		if err := h.holds(ctx, d); err != nil {
			return "", err
		}
	}
	return promised, nil
}

func (h *Handler) holds(ctx context.Context, d ocispec.Descriptor) error {
	blob, err := h.st.Open(ctx, ocispec.Descriptor{Digest: d.Digest})
	if err != nil {
		return fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	defer blob.Close()
	if blob.Size() != d.Size {
		return fmt.Errorf("blob %s has %d bytes, not %d", d.Digest, blob.Size(), d.Size)
	}
	return nil
}

// keep stores a manifest and gives it its tag.
func (h *Handler) keep(ctx context.Context, repo, id string, d ocispec.Descriptor, body []byte) error {
	if !h.st.Has(d.Digest) {
		if err := registry.Put(ctx, h.st, d, body); err != nil {
			return err
		}
	}
	if isDigest(id) {
		return nil
	}
	return h.st.Tag(ctx, repo+":"+id, d)
}

// deleteManifest takes away one tag, or every tag of the repository that
// stands for a digest.
func (h *Handler) deleteManifest(w http.ResponseWriter, r *http.Request, repo, id string) {
	repos, err := h.repositories(r.Context(), r.Host)
	if err != nil {
		failStore(w, err)
		return
	}
	gone := 0
	for tag, e := range repos[repo] {
		if tag != id && string(e.desc.Digest) != id {
			continue
		}
		if err := h.st.Untag(r.Context(), e.name); err != nil {
			failStore(w, err)
			return
		}
		gone++
	}
	if gone == 0 {
		unknownManifest(w, repo, id)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

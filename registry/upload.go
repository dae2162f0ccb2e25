package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// sendBlob sees to it that the registry holds d. from is a repository of the
// same registry that is believed to hold it, or empty.
func (s *site) sendBlob(ctx context.Context, st Store, d ocispec.Descriptor, from string) error {
	if IsForeign(d) {
		s.rep.tell(d, Left, 0)
		return nil
	}
	var how Action
	err := s.retry(ctx, s.host(), func() error {
		var err error
		how, err = s.upload(ctx, st, d, from)
		return err
	})
	if err != nil {
		return fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	s.rep.tell(d, how, d.Size)
	return nil
}

// upload tries the ways to get a blob into the repository, cheapest first. It
// may be called again after any error.
func (s *site) upload(ctx context.Context, st Store, d ocispec.Descriptor, from string) (Action, error) {
	there, err := s.exists(ctx, "blobs", string(d.Digest))
	if err != nil || there {
		return Exists, err
	}
	// The mount comes first: to open the blob a partial store may have to fetch it.
	var session *url.URL
	if from != "" {
		if session, err = s.begin(ctx, d, from); err != nil || session == nil {
			return Mounted, err
		}
	}
	blob, err := st.Open(ctx, d)
	switch {
	case errors.Is(err, fs.ErrNotExist) && from == "":
		return "", &localError{fmt.Errorf("it is neither in the store nor at %s: pull the image again", s.host())}
	case errors.Is(err, fs.ErrNotExist):
		return "", &localError{fmt.Errorf("it is not in the store, and %s cannot take it from %s: pull the image again", s.host(), from)}
	case err != nil:
		return "", &localError{err}
	}
	defer blob.Close()
	if session == nil {
		if session, err = s.begin(ctx, d, ""); err != nil {
			return "", err
		}
	}
	return Moved, s.fill(ctx, session, blob, d)
}

// begin opens an upload. A nil session means that the registry has mounted the
// blob and needs nothing more.
func (s *site) begin(ctx context.Context, d ocispec.Descriptor, from string) (*url.URL, error) {
	address := s.url("blobs/uploads", "")
	if from != "" {
		address += "?" + url.Values{"mount": {string(d.Digest)}, "from": {from}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.send(req, http.StatusAccepted, http.StatusCreated)
	if err != nil {
		return nil, err
	}
	defer drain(resp)
	if resp.StatusCode == http.StatusCreated {
		if from == "" {
			return nil, &localError{fmt.Errorf("registry %s claims to have a blob that it was not yet given", s.host())}
		}
		return nil, checkTold(resp, d.Digest)
	}
	return location(resp)
}

// fill sends the bytes and closes the upload. The registry compares their
// digest with ours before it answers.
func (s *site) fill(ctx context.Context, session *url.URL, blob Blob, d ocispec.Descriptor) error {
	if d.Size > 0 {
		var err error
		if session, err = s.patch(ctx, session, blob, d); err != nil {
			return err
		}
	}
	query := session.Query()
	query.Set("digest", string(d.Digest))
	session.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, session.String(), nil)
	if err != nil {
		return err
	}
	resp, err := s.send(req, http.StatusCreated, http.StatusNoContent)
	if err != nil {
		return err
	}
	defer drain(resp)
	return checkTold(resp, d.Digest)
}

// patch sends all bytes of a blob in one request.
func (s *site) patch(ctx context.Context, session *url.URL, blob Blob, d ocispec.Descriptor) (*url.URL, error) {
	w := s.watch(ctx)
	next, err := s.patchWatched(w, session, blob, d)
	return next, w.end(err)
}

func (s *site) patchWatched(w *watch, session *url.URL, blob Blob, d ocispec.Descriptor) (*url.URL, error) {
	open := func() io.ReadCloser {
		bytes := io.NewSectionReader(blob, 0, d.Size)
		return io.NopCloser(&meter{r: &watched{bytes, w}, desc: d, rep: s.rep})
	}
	req, err := http.NewRequestWithContext(w.ctx, http.MethodPatch, session.String(), open())
	if err != nil {
		return nil, err
	}
	req.GetBody = func() (io.ReadCloser, error) { return open(), nil }
	req.ContentLength = d.Size
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := s.send(req, http.StatusAccepted, http.StatusNoContent)
	if err != nil {
		return nil, err
	}
	defer drain(resp)
	return location(resp)
}

// location reads where an upload goes on.
func location(resp *http.Response) (*url.URL, error) {
	u, err := resp.Location()
	if err != nil {
		return nil, &localError{fmt.Errorf("registry %s does not say where the upload goes on", resp.Request.URL.Host)}
	}
	return u, nil
}

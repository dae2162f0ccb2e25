package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// fetchBlob brings one blob into the store unless it is there.
func (s *site) fetchBlob(ctx context.Context, st Store, d ocispec.Descriptor) error {
	if st.Has(d.Digest) {
		s.rep.tell(d, Exists, d.Size)
		return nil
	}
	err := s.download(ctx, st, d, s.http, s.url("blobs", string(d.Digest)))
	if err != nil && IsForeign(d) {
		err = s.downloadForeign(ctx, st, d, err)
	}
	if err != nil {
		return fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	s.rep.tell(d, Moved, d.Size)
	return nil
}

// downloadForeign tries the URLs of a foreign layer in their order, without
// any credentials. err says why the registry did not give it.
func (s *site) downloadForeign(ctx context.Context, st Store, d ocispec.Descriptor, err error) error {
	anonymous := &http.Client{Transport: s.guard}
	for _, u := range d.URLs {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		oneErr := s.download(ctx, st, d, anonymous, u)
		if oneErr == nil {
			return nil
		}
		err = errors.Join(err, oneErr)
	}
	return &sentence{text: strings.ReplaceAll(err.Error(), "\n", "; "), cause: err}
}

// download moves the bytes behind address into the store.
func (c *Client) download(ctx context.Context, st Store, d ocispec.Descriptor, client *http.Client, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("the layer's URL is not a valid one")
	}
	for {
		have, err := c.downloadRest(ctx, st, d, client, u)
		var committed *commitError
		if have == 0 || !errors.As(err, &committed) {
			return err
		}
		// What was there may have been damaged, by a loss of power for instance: now without it.
	}
}

// commitError is the error of bytes that all came and that the store does not take.
type commitError struct {
	host string
	err  error
}

func (e *commitError) Error() string { return fmt.Sprintf("received from %s: %v", e.host, e.err) }
func (e *commitError) Unwrap() error { return e.err }

// downloadRest moves those bytes that an earlier download, of this process or of
// another, has not left in the store; have is how many it has.
func (c *Client) downloadRest(ctx context.Context, st Store, d ocispec.Descriptor, client *http.Client, u *url.URL) (have int64, err error) {
	in, have, err := st.Resume(ctx, d)
	if err != nil {
		return 0, err
	}
	p := &part{Client: c, desc: d, to: in, off: have}
	if have < d.Size || d.Size == 0 {
		err = c.retry(ctx, u.Host, func() error { return p.get(ctx, client, u.String()) })
	}
	if err != nil {
		return have, errors.Join(err, in.Suspend())
	}
	if _, err := in.Commit(d); err != nil {
		return have, errors.Join(&commitError{u.Host, err}, in.Abort())
	}
	return have, nil
}

// part is a blob of which the first off bytes have been received.
type part struct {
	*Client
	desc ocispec.Descriptor
	to   io.Writer
	off  int64
}

// get asks for the missing bytes and writes what comes of them. After an error
// the next get goes on where this one stopped.
func (p *part) get(ctx context.Context, client *http.Client, address string) error {
	w := p.watch(ctx)
	return w.end(p.getWatched(w, client, address))
}

func (p *part) getWatched(w *watch, client *http.Client, address string) error {
	req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, address, nil)
	if err != nil {
		return &localError{errors.New("the layer's URL is not a valid one")}
	}
	if p.off > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", p.off))
	}
	resp, err := p.sendWith(client, req, http.StatusOK, http.StatusPartialContent)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return p.receive(resp, &watched{resp.Body, w})
}

func (p *part) receive(resp *http.Response, from io.Reader) error {
	body := &meter{r: from, desc: p.desc, rep: p.rep}
	if resp.StatusCode == http.StatusPartialContent {
		start, total, err := parseContentRange(resp.Header.Get("Content-Range"))
		if err != nil || start != p.off || total >= 0 && total != p.desc.Size {
			return &localError{fmt.Errorf("registry %s answered a request for bytes from %d with the range %q",
				resp.Request.URL.Host, p.off, oneLine(resp.Header.Get("Content-Range")))}
		}
		body.done = p.off
	} else if _, err := io.CopyN(io.Discard, body, p.off); err != nil {
		return &brokenError{err} // the whole blob comes again and is cut short before the old end
	}
	to := &localWriter{w: p.to}
	n, err := io.CopyBuffer(to, io.LimitReader(body, p.desc.Size-p.off+1), make([]byte, 256<<10))
	p.off += n
	switch {
	case to.err != nil:
		return &localError{to.err}
	case p.off > p.desc.Size:
		return &localError{fmt.Errorf("registry %s sends more than the %d bytes that the manifest says", resp.Request.URL.Host, p.desc.Size)}
	case err != nil:
		return &brokenError{err}
	case p.off < p.desc.Size:
		return &brokenError{fmt.Errorf("the data ends after %d of %d bytes", p.off, p.desc.Size)}
	}
	return nil
}

// localWriter remembers whether it was writing that failed.
type localWriter struct {
	w   io.Writer
	err error
}

func (w *localWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

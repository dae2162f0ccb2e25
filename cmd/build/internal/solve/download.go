package solve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
)

// maxDownload bounds a download, in bytes.
const maxDownload = 64 << 30

// download adds a file of the network. It is not unpacked unless that is asked for.
func (g *gathering) download(src string) error {
	it, err := g.s.fetch(src, g.c.Checksum)
	if err != nil {
		return err
	}
	g.matches++
	if g.c.Unpack {
		members, err := g.unpack(it)
		if err != nil {
			return err
		}
		if members != nil {
			g.dir = true
			return g.keep(members)
		}
	}
	g.files++
	return g.keep([]item{*it})
}

// fetch downloads a file into the folder of the build and checks its digest.
func (s *solver) fetch(src, checksum string) (*item, error) {
	f, err := os.CreateTemp(s.spool, "download-")
	if err != nil {
		return nil, err
	}
	s.onEnd(f.Close)
	h := sha256.New()
	size, err := Download(s.ctx, src, io.MultiWriter(f, h))
	if err != nil {
		return nil, err
	}
	it := &item{name: urlName(src), from: src, size: size, open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(f, 0, size)), nil
	}}
	h.Sum(it.digest[:0])
	if got := "sha256:" + hex.EncodeToString(it.digest[:]); checksum != "" && got != checksum {
		return nil, fmt.Errorf("download %s: its digest is %s, not %s", src, got, checksum)
	}
	return it, nil
}

// Download copies what an address of http gives to w.
func Download(ctx context.Context, address string, w io.Writer) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	shown := req.URL.Redacted()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the address, which may hold a password
		}
		return 0, fmt.Errorf("download %s: %w", shown, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("download %s: the server says %s", shown, resp.Status)
	}
	n, err := io.Copy(w, io.LimitReader(resp.Body, maxDownload+1))
	switch {
	case err != nil:
		return n, fmt.Errorf("download %s: %w", shown, err)
	case n > maxDownload:
		return n, fmt.Errorf("download %s: more than %d GiB", shown, maxDownload>>30)
	}
	return n, nil
}

// urlName is the name of a file that comes from an address.
func urlName(address string) string {
	if u, err := url.Parse(address); err == nil {
		if name := path.Base(u.Path); name != "." && name != "/" && strings.Trim(name, ".") != "" {
			return name
		}
	}
	return "__unnamed__"
}

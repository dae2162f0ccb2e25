package layers

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Default limits.
const (
	defaultEntries = 4 << 20
	defaultBytes   = 256 << 30
	defaultDepth   = 512
)

// Limits bounds what a Reader accepts; a zero field means its default.
type Limits struct {
	Entries int   // members of the tar (4 Mi)
	Bytes   int64 // length of the tar (256 GiB)
	Depth   int   // components of a name (512)

	// Packed is the size of the compressed blob that the tar comes from, where it is known; zero turns Ratio off. The tar
	// may then be Ratio times as long (4096, four times what gzip can reach), or 1 GiB if that is more.
	Packed int64
	Ratio  int64
}

const (
	defaultRatio = 4096
	ratioFree    = 1 << 30 // a tar that is no longer than this is no bomb, however small the blob
)

// withDefaults fills in what is zero, and turns the ratio into a number of bytes.
func (l Limits) withDefaults() Limits {
	l.Entries, l.Depth = cmp.Or(l.Entries, defaultEntries), cmp.Or(l.Depth, defaultDepth)
	l.Bytes, l.Ratio = cmp.Or(l.Bytes, defaultBytes), cmp.Or(l.Ratio, defaultRatio)
	if l.Packed > 0 && l.Packed < l.Bytes/l.Ratio {
		l.Bytes = min(l.Bytes, max(l.Packed*l.Ratio, ratioFree))
	}
	return l
}

// Reader reads a layer in one pass, in the order of the tar. It looks at each entry alone; what entries are to each
// other is Validate's business.
//
// It reads what other tools write: names with "./" or a trailing slash, missing times (they become the modification
// time) and attributes, global headers, entries outside the roots. What it corrects or leaves out is in Findings.
// Names that lead elsewhere or that no Windows volume holds and sparse files are errors of type [*Refusal]; anything
// beyond the Limits and what is no tar at all are errors too, after which nothing more can be read.
type Reader struct {
	tar      *tar.Reader
	in       countReader
	lim      Limits
	count    int
	offset   int64
	mute     bool // the content of the current member is not the entry's
	findings findings
	sds      map[string][]byte // decoded descriptors by text; layers repeat a few of them
}

// NewReader returns a Reader of the uncompressed tar r.
func NewReader(r io.Reader, l Limits) *Reader {
	l = l.withDefaults()
	lr := &Reader{in: countReader{r: r, left: l.Bytes}, lim: l, sds: map[string][]byte{}}
	lr.tar = tar.NewReader(&lr.in)
	return lr
}

// Next returns the next entry, or io.EOF after the last. The entry stays valid; what is left of the content of the one
// before is skipped. After a [*Refusal] the next call goes on with the entry behind the refused one.
func (r *Reader) Next() (*Entry, error) {
	for {
		hdr, err := r.tar.Next()
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // entry looks at the path itself
			return nil, fmt.Errorf("read layer at byte %d: %w", r.in.n, err)
		}
		if r.count++; r.count > r.lim.Entries {
			return nil, fmt.Errorf("layer entry %q: more than %d entries", shorten(hdr.Name), r.lim.Entries)
		}
		r.offset, r.mute = r.in.n, false
		e, err := r.entry(hdr)
		if err != nil {
			r.mute = true
			return nil, named(err, hdr.Name)
		}
		if e != nil {
			return e, nil
		}
	}
}

// Read reads the content of the current entry.
func (r *Reader) Read(p []byte) (int, error) {
	if r.mute {
		return 0, io.EOF
	}
	return r.tar.Read(p)
}

// Offset returns where in the tar the content of the current entry begins.
func (r *Reader) Offset() int64 { return r.offset }

// Findings returns what was corrected or left out so far, at most a hundred of each rule.
func (r *Reader) Findings() []Finding { return r.findings.all() }

func (r *Reader) warn(rule, entry, problem, remedy string) {
	r.findings.add(Warning, rule, entry, problem, remedy)
}

func (r *Reader) fault(rule, entry, problem, remedy string) {
	r.findings.add(Error, rule, entry, problem, remedy)
}

// shorten keeps hostile text out of messages.
func shorten(s string) string { return clip(s, 200) }

// clip cuts s to at most n bytes and a mark that it is cut.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}

// countReader counts what passes and stops at a limit.
type countReader struct {
	r    io.Reader
	n    int64
	left int64
}

func (c *countReader) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("layer is longer than %d bytes", c.n)
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.n += int64(n)
	c.left -= int64(n)
	return n, err
}

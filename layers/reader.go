package layers

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mullion/mullion/internal/nt"
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
}

// Reader reads a layer in one pass, in the order of the tar. It looks at each entry alone; what entries are to each
// other is Validate's business.
//
// It reads what other tools write: names with "./" or a trailing slash, missing times (they become the modification
// time) and attributes, global headers, entries outside the roots. What it corrects or leaves out is in Findings.
// Names that lead elsewhere or that no Windows volume holds, sparse files and anything beyond the Limits are errors.
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
	if l.Entries == 0 {
		l.Entries = defaultEntries
	}
	if l.Bytes == 0 {
		l.Bytes = defaultBytes
	}
	if l.Depth == 0 {
		l.Depth = defaultDepth
	}
	lr := &Reader{in: countReader{r: r, left: l.Bytes}, lim: l, sds: map[string][]byte{}}
	lr.tar = tar.NewReader(&lr.in)
	return lr
}

// Next returns the next entry, or io.EOF after the last. The entry stays valid; what is left of the content of the one
// before is skipped.
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
			return nil, fmt.Errorf("layer entry %q: more than %d entries", hdr.Name, r.lim.Entries)
		}
		r.offset, r.mute = r.in.n, false
		e, err := r.entry(hdr)
		if err != nil {
			return nil, fmt.Errorf("layer entry %q: %w", shorten(hdr.Name), err)
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

// entry turns a header into an Entry, or nil if it is left out with a finding.
func (r *Reader) entry(hdr *tar.Header) (*Entry, error) {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		r.fault("global-header", "", "the tar has a global header, of which Windows makes a file",
			"write the layer without global headers")
		return nil, nil
	}
	name, err := r.cleanName(hdr)
	if err != nil || name == "" {
		return nil, err
	}
	if e, found := r.deletion(name); found {
		r.mute = true
		return e, nil
	}
	if hdr.Typeflag == tar.TypeGNUSparse || hasKey(hdr.PAXRecords, paxGNUSparse) {
		return nil, errors.New("is a sparse file, whose data Windows would lose")
	}
	e := &Entry{Name: name}
	if file, stream := splitStream(name); stream != "" || file != name {
		if hdr.Typeflag != tar.TypeReg {
			return nil, errors.New("is a stream, but no regular file")
		}
		e.Kind, e.Size = Stream, hdr.Size
		return e, r.times(e, hdr)
	}
	if ok, err := r.kind(e, hdr); !ok || err != nil {
		return nil, err
	}
	if err := r.times(e, hdr); err != nil {
		return nil, err
	}
	return e, r.security(e, hdr)
}

// kind sets Kind, Size, Attributes and Target. It reports whether the entry is one for Windows.
func (r *Reader) kind(e *Entry, hdr *tar.Header) (ok bool, err error) {
	switch hdr.Typeflag {
	case tar.TypeReg:
		e.Kind, e.Size = File, hdr.Size
	case tar.TypeDir:
		e.Kind = Dir
	case tar.TypeSymlink:
		e.Kind, e.Target = Symlink, strings.ReplaceAll(hdr.Linkname, "/", `\`)
		_, e.Junction = hdr.PAXRecords[paxMountPoint]
	case tar.TypeLink:
		e.Kind = HardLink
		if e.Target, err = r.linkTarget(e.Name, hdr.Linkname); err != nil {
			return false, err
		}
	default:
		r.fault("type", e.Name, fmt.Sprintf("tar type %q is unknown to Windows, which would make an empty file", hdr.Typeflag),
			"leave it out of the layer")
		return false, nil
	}
	r.attributes(e, hdr)
	return true, nil
}

// attributes sets Attributes. As Windows does, it believes them more than the type when it comes to directories.
func (r *Reader) attributes(e *Entry, hdr *tar.Header) {
	text, ok := hdr.PAXRecords[paxAttributes]
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		e.Attributes = map[Kind]uint32{File: DefaultFile, Dir: DefaultDir, Symlink: DefaultFileLink, HardLink: DefaultFile}[e.Kind]
		if ok {
			r.fault("attributes", e.Name, fmt.Sprintf("attributes %q are no 32-bit number", shorten(text)), "write them in decimal")
		} else if e.Kind != HardLink && e.Name != rootOf(e.Name) {
			r.warn("no-attributes", e.Name, "has no Windows attributes", "write "+paxAttributes)
		}
		return
	}
	e.Attributes = uint32(n)
	if dir := e.Attributes&AttrDirectory != 0; dir != (e.Kind == Dir) && (e.Kind == File || e.Kind == Dir) {
		r.fault("attributes", e.Name, fmt.Sprintf("attributes %d contradict the tar type %q", n, hdr.Typeflag),
			"give directories, and only them, attribute 16")
		if e.Kind = File; dir {
			e.Kind, e.Size, r.mute = Dir, 0, true
		}
	}
}

func (r *Reader) times(e *Entry, hdr *tar.Header) error {
	e.Modified = clampTime(nt.FiletimeOf(hdr.ModTime))
	e.Accessed, e.Changed, e.Created = e.Modified, e.Modified, e.Modified
	if !hdr.AccessTime.IsZero() {
		e.Accessed = clampTime(nt.FiletimeOf(hdr.AccessTime))
	}
	if !hdr.ChangeTime.IsZero() {
		e.Changed = clampTime(nt.FiletimeOf(hdr.ChangeTime))
	}
	created, ok := hdr.PAXRecords[paxCreated]
	if ok {
		t, err := parseTime(created)
		if err != nil {
			return fmt.Errorf("%s: %w", paxCreated, err)
		}
		e.Created = t
	}
	if hdr.AccessTime.IsZero() || hdr.ChangeTime.IsZero() {
		r.warn("no-times", e.Name, "has no access or change time, for which Windows sets a day in 1754",
			"write all four times of every entry")
	} else if !ok && e.Kind != Stream {
		r.warn("no-creation-time", e.Name, "has no creation time", "write "+paxCreated)
	}
	return nil
}

func (r *Reader) security(e *Entry, hdr *tar.Header) error {
	if text, ok := hdr.PAXRecords[paxSD]; ok {
		e.SD = r.descriptor(e.Name, text)
	} else if text, ok := hdr.PAXRecords[paxSDDL]; ok {
		e.SD = r.sddl(e.Name, text)
	}
	for key, text := range hdr.PAXRecords {
		name, ok := strings.CutPrefix(key, paxEA)
		if !ok {
			continue
		}
		value, err := decodeBase64(text, maxEAValue)
		if err != nil {
			return fmt.Errorf("extended attribute %q: %w", shorten(name), err)
		}
		if name == "" || len(name) > maxEAName {
			return fmt.Errorf("extended attribute has the name %q", shorten(name))
		}
		e.EAs = append(e.EAs, EA{name, value})
	}
	sortEAs(e.EAs)
	return nil
}

// maxKnownSDs bounds the memory that hostile variety can take.
const maxKnownSDs = 4096

func (r *Reader) descriptor(name, text string) []byte {
	if sd, ok := r.sds[text]; ok {
		return sd
	}
	sd, err := decodeBase64(text, maxSD)
	if err != nil {
		r.fault("descriptor", name, fmt.Sprintf("security descriptor: %v", err), "write it in base64")
		return nil
	}
	if len(r.sds) < maxKnownSDs {
		r.sds[strings.Clone(text)] = sd
	}
	return sd
}

func (r *Reader) sddl(name, text string) []byte {
	if len(text) > maxSD {
		r.fault("descriptor", name, "security descriptor is too long", "write "+paxSD)
		return nil
	}
	sd, err := nt.ParseSDDL(text)
	if err != nil {
		r.fault("descriptor", name, fmt.Sprintf("security descriptor: %v", err), "write "+paxSD)
		return nil
	}
	r.warn("sddl", name, "has its security descriptor as text only", "write "+paxSD)
	return sd.Marshal()
}

// shorten keeps hostile text out of messages.
func shorten(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
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

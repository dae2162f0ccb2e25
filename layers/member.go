package layers

import (
	"archive/tar"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mullion/mullion/internal/nt"
)

// entry turns a header into an Entry, or nil if it is left out with a finding. Its errors are Refusals.
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
	more, err := r.records(name, hdr)
	if err != nil {
		return nil, err
	}
	if hdr.Typeflag == tar.TypeGNUSparse || more.sparse {
		return nil, refuse("sparse", "write the file whole", "is a sparse file, whose data Windows would lose")
	}
	e := &Entry{Name: name}
	if file, _ := splitStream(name); file != name {
		if hdr.Typeflag != tar.TypeReg {
			return nil, refuse("stream", "leave it out of the layer", "is a stream, but no regular file")
		}
		e.Kind, e.Size = Stream, hdr.Size
		return e, r.times(e, hdr)
	}
	if ok, err := r.kind(e, hdr); !ok || err != nil {
		return nil, err
	}
	e.EAs = more.eas
	if text, ok := hdr.PAXRecords[paxSD]; ok {
		e.SD = r.descriptor(e.Name, text)
	} else if text, ok := hdr.PAXRecords[paxSDDL]; ok {
		e.SD = r.sddl(e.Name, text)
	}
	return e, r.times(e, hdr)
}

// kind sets Kind, Size, Attributes and Target. It reports whether the entry is one for Windows.
func (r *Reader) kind(e *Entry, hdr *tar.Header) (ok bool, err error) {
	switch hdr.Typeflag {
	case tar.TypeReg:
		e.Kind, e.Size = File, hdr.Size
	case tar.TypeDir:
		e.Kind = Dir
	case tar.TypeSymlink:
		e.Kind, e.Target = Symlink, r.reparseTarget(e.Name, hdr.Linkname)
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

// attributes sets Attributes. As Windows does, it believes them more than the type when it comes to directories, and
// the type more than them when it comes to reparse points.
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
	kept := e.Attributes &^ AttrReparse
	switch e.Kind {
	case Symlink:
		kept |= AttrReparse
	case HardLink:
		kept &^= AttrDirectory
	}
	if kept != e.Attributes {
		r.warn("attributes", e.Name, fmt.Sprintf("attributes %d are not those of a %s", n, e.Kind),
			"give links, and only them, attribute 1024")
		e.Attributes = kept
	}
}

func (r *Reader) times(e *Entry, hdr *tar.Header) error {
	e.Modified = r.clock(e, nt.FiletimeOf(hdr.ModTime))
	e.Accessed, e.Changed, e.Created = e.Modified, e.Modified, e.Modified
	if !hdr.AccessTime.IsZero() {
		e.Accessed = r.clock(e, nt.FiletimeOf(hdr.AccessTime))
	}
	if !hdr.ChangeTime.IsZero() {
		e.Changed = r.clock(e, nt.FiletimeOf(hdr.ChangeTime))
	}
	created, ok := hdr.PAXRecords[paxCreated]
	if ok {
		t, err := parseTime(created)
		if err != nil {
			return refuse("bad-time", "write it as seconds since 1970", "%s: %v", paxCreated, err)
		}
		e.Created = r.clock(e, t)
	}
	if hdr.AccessTime.IsZero() || hdr.ChangeTime.IsZero() {
		r.warn("no-times", e.Name, "has no access or change time, for which Windows sets a day in 1754",
			"write all four times of every entry")
	} else if !ok && e.Kind != Stream {
		r.warn("no-creation-time", e.Name, "has no creation time", "write "+paxCreated)
	}
	return nil
}

// clock returns t, within what importers can compute.
func (r *Reader) clock(e *Entry, t nt.Filetime) nt.Filetime {
	if kept := clampTime(t); kept != t {
		r.warn("time-range", e.Name, fmt.Sprintf("has a time in the year %d, which overflows on Windows", t.Time().Year()),
			fmt.Sprintf("write times between %s and %s", firstTime.Time().Format(time.DateOnly), lastTime.Time().Format(time.DateOnly)))
		return kept
	}
	return t
}

// records holds what the PAX records of an entry say beyond the keys that are looked up by name.
type records struct {
	eas    []EA
	sparse bool
}

func (r *Reader) records(name string, hdr *tar.Header) (more records, err error) {
	total := 0
	for key, text := range hdr.PAXRecords {
		switch {
		case strings.HasPrefix(key, paxGNUSparse):
			more.sparse = true
		case strings.HasPrefix(key, paxSchily):
			r.warn("foreign-keys", name, fmt.Sprintf("carries %q of another system, which Windows ignores", shorten(key)),
				"write the layer without "+paxSchily+" records")
		case strings.HasPrefix(key, paxEA):
			ea, err := decodeEA(key[len(paxEA):], text)
			if err != nil {
				return more, err
			}
			if total += len(ea.Name) + len(ea.Value); total > maxEAValue {
				return more, refuse("bad-ea", "leave extended attributes out", "has more than %d bytes of extended attributes", maxEAValue)
			}
			more.eas = append(more.eas, ea)
		}
	}
	sortEAs(more.eas)
	return more, nil
}

// decodeEA reads one extended attribute from the end of its key and its text.
func decodeEA(name, text string) (EA, error) {
	value, err := decodeBase64(text, maxEAValue)
	switch {
	case err != nil:
		return EA{}, refuse("bad-ea", "write it in base64", "extended attribute %q: %v", shorten(name), err)
	case name == "" || len(name) > maxEAName:
		return EA{}, refuse("bad-ea", "leave it out", "extended attribute has the name %q", shorten(name))
	}
	return EA{name, value}, nil
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

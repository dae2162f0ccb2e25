package solve

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
)

// maxArchive bounds what an archive holds when it is unpacked, in bytes.
const maxArchive = 256 << 30

// archiveKind tells by its first bytes how an archive is packed: "tar", "bzip2", "xz",
// "packed" for what pack.Decompress knows, or "" for a file that is no archive.
func archiveKind(head []byte) string {
	for _, k := range []struct{ magic, kind string }{{"\x1f\x8b", "packed"}, {"\x28\xb5\x2f\xfd", "packed"}, {"BZh", "bzip2"}, {"\xfd7zXZ\x00", "xz"}} {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return k.kind
		}
	}
	if len(head) >= 262 && string(head[257:262]) == "ustar" {
		return "tar"
	}
	return ""
}

// unpack lists what is in an archive, or returns nil if a file is none. A compressed
// file that holds no tar is none.
func (g *gathering) unpack(it *item) ([]item, error) {
	if it.link != nil {
		return nil, nil
	}
	b, err := head(it)
	if err != nil {
		return nil, err
	}
	kind := archiveKind(b)
	switch kind {
	case "":
		return nil, nil
	case "xz":
		return nil, fmt.Errorf("%s is packed with xz, which cannot be unpacked here; pack it with gzip or zstd, or COPY it as it is", it.from)
	}
	list, err := g.s.members(it, kind)
	if errors.Is(err, errNoTar) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", it.from, err)
	}
	return list, nil
}

// errNoTar is that of a file in which there is no tar.
var errNoTar = errors.New("it holds no tar")

// members unpacks an archive into the folder of the build and lists its members. They
// are names in an image, so no member can lead anywhere else.
func (s *solver) members(it *item, kind string) (list []item, err error) {
	r, err := it.open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var plain io.Reader = r
	switch kind {
	case "bzip2":
		plain = bzip2.NewReader(r)
	case "packed":
		d, err := pack.Decompress(r, "")
		if err != nil {
			return nil, errNoTar
		}
		defer d.Close()
		plain = d
	}
	begin := bufio.NewReader(plain)
	if b, err := begin.Peek(512); err != nil || !isTar(b) {
		return nil, errNoTar
	}
	f, err := os.CreateTemp(s.spool, "archive-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil || list == nil {
			err = errors.Join(err, f.Close())
		} else {
			s.onEnd(f.Close)
		}
	}()
	if n, err := io.Copy(f, io.LimitReader(ctxReader{s.ctx, begin}, maxArchive+1)); err != nil {
		return nil, err
	} else if n > maxArchive {
		return nil, fmt.Errorf("it holds more than %d GiB", maxArchive>>30)
	}
	return readMembers(f, it.from)
}

// isTar reports whether a block is the first one of a tar.
func isTar(b []byte) bool {
	if archiveKind(b) == "tar" {
		return true
	}
	_, err := tar.NewReader(bytes.NewReader(b)).Next()
	return err == nil
}

// readMembers reads the headers of a tar. The data stays in the file.
func readMembers(f *os.File, from string) ([]item, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	m := &memberReader{file: f, tar: tar.NewReader(f), seen: map[string]int{}, dirs: map[string]bool{".": true}}
	for {
		hdr, err := m.tar.Next()
		switch {
		case errors.Is(err, io.EOF):
			m.links()
			return m.list, nil
		case err != nil:
			return nil, err
		case len(m.list) >= maxItems:
			return nil, fmt.Errorf("it holds more than %d files", maxItems)
		case hdr.Typeflag == tar.TypeXGlobalHeader:
			continue
		}
		it, err := m.member(hdr)
		if err == nil {
			it.from = from + ":" + hdr.Name
			err = m.add(it)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", hdr.Name, err)
		}
	}
}

// memberReader lists the members of a tar.
type memberReader struct {
	file *os.File
	tar  *tar.Reader
	list []item
	seen map[string]int  // index of list by folded name
	dirs map[string]bool // folded names of what others are in
}

// member describes one member.
func (m *memberReader) member(hdr *tar.Header) (item, error) {
	name, err := memberName(hdr.Name)
	if err != nil {
		return item{}, err
	}
	it := item{name: name}
	switch hdr.Typeflag {
	case tar.TypeDir:
		it.dir = true
		return it, nil
	case tar.TypeReg:
		if hdr.Mode&0o222 == 0 {
			it.attributes = layers.AttrReadOnly | layers.AttrArchive
		}
		return it, m.content(hdr, &it)
	case tar.TypeLink:
		target, err := memberName(hdr.Linkname)
		if err != nil {
			return it, err
		}
		i, ok := m.seen[nt.Fold(target)]
		if !ok || m.list[i].dir || m.list[i].link != nil {
			return it, fmt.Errorf("is a hard link to %s, which is no file before it in the archive", hdr.Linkname)
		}
		it = m.list[i]
		it.name = name
		return it, nil
	case tar.TypeSymlink:
		if hdr.Linkname == "" || strings.ContainsAny(hdr.Linkname, "\x00\"<>|*?") {
			return it, fmt.Errorf("is a link to %q, which Windows cannot have", hdr.Linkname)
		}
		it.link = &link{target: strings.ReplaceAll(hdr.Linkname, "/", `\`)}
		return it, nil
	}
	return it, errors.New("is neither a file nor a folder nor a link, and Windows has nothing like it")
}

// content finds the data of a file.
func (m *memberReader) content(hdr *tar.Header, it *item) error {
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return errors.New("is a sparse file, which is not supported; make the archive without --sparse")
		}
	}
	start, err := m.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(h, m.tar)
	if err != nil {
		return err
	}
	it.size = n
	h.Sum(it.digest[:0])
	it.open = func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(m.file, start, n)), nil }
	return nil
}

// add keeps a member. A later one replaces an earlier one of the same name.
func (m *memberReader) add(it item) error {
	for dir := path.Dir(it.name); dir != "." && it.name != ""; dir = path.Dir(dir) {
		if i, ok := m.seen[nt.Fold(dir)]; ok && !m.list[i].dir {
			return fmt.Errorf("is below %s, which is no folder", dir)
		}
		m.dirs[nt.Fold(dir)] = true
	}
	if i, ok := m.seen[nt.Fold(it.name)]; ok && m.list[i].name == it.name {
		if m.list[i].dir != it.dir {
			return errors.New("is in the archive as a folder and as a file")
		}
		m.list[i] = it
		return nil
	}
	m.seen[nt.Fold(it.name)] = len(m.list)
	m.list = append(m.list, it)
	return nil
}

// links finds out which links lead to folders of the archive: Windows wants to know.
func (m *memberReader) links() {
	for i := range m.list {
		it := &m.list[i]
		if it.link == nil {
			continue
		}
		target := nt.Fold(path.Join(path.Dir(it.name), strings.ReplaceAll(it.link.target, `\`, "/")))
		i, ok := m.seen[target]
		it.link.dir = m.dirs[target] || ok && m.list[i].dir
	}
}

// memberName cleans the name of a member and refuses one that Windows cannot have or
// that leads out of the archive.
func memberName(name string) (string, error) {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." {
			continue
		}
		if part == ".." {
			return "", errors.New("leads out of the archive")
		}
		if err := nt.ValidateName(part); err != nil {
			return "", err
		}
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), nil
}

// ctxReader ends when its context does.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"
)

// FileID tells whether a file is still what it was when it was read: a write changes its change time, which no program
// can set, and to put another file in its place changes the number. Times are nanoseconds since 1970.
type FileID struct {
	Size, Modified, Changed int64
	Inode, Device           uint64
}

// Settled reports whether a file that is read after now and has this identity then will have another one once it is
// changed. File systems keep times in steps of up to two seconds, and two changes within one step look like one: git
// calls such a file racily clean.
func (id FileID) Settled(now time.Time) bool {
	return now.UnixNano()-max(id.Modified, id.Changed) > int64(2*time.Second)
}

// Files remembers the digests of the files in one folder, so that those that are what they were need not be read. It may
// be used by several goroutines. It is a help only: without its file every digest is computed again.
type Files struct {
	cache *Cache
	path  string

	mu    sync.RWMutex
	known map[string]fileDigest
	fresh bool // some of it is not in the file
}

type fileDigest struct {
	FileID
	sum [sha256.Size]byte
}

// filesKind is the folder of the files among the store's derived data; each has the name of a hash of its folder's path.
const filesKind = "files"

// A file is this magic with the version as its last byte; then, in the order of the names, of each file how many bytes
// its name shares with the one before, the rest of the name, its identity and its digest; then a CRC-32C of all that.
const filesMagic = "mlfile\r\x01"

// Bounds of the file.
const (
	maxFiles     = 1 << 20
	maxFilesSize = 256 << 20
)

// Files returns what is remembered of a folder, which goes by its absolute path.
func (c *Cache) Files(dir string) *Files {
	id := sha256.Sum256([]byte(dir))
	f := &Files{cache: c, path: c.store.Derived(filesKind, hex.EncodeToString(id[:]))}
	if f.known = readFiles(f.path); f.known == nil {
		f.known = map[string]fileDigest{}
	}
	return f
}

// Digest returns the SHA-256 of a file, if it is known and the file is what it was then.
func (f *Files) Digest(name string, id FileID) (sum [sha256.Size]byte, ok bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	d, ok := f.known[name]
	return d.sum, ok && d.FileID == id
}

// Put remembers the digest of a file that was read after the time read and had the same identity before and after. It
// does nothing for a file that was changed just before, as another change might not show.
func (f *Files) Put(name string, id FileID, read time.Time, sum [sha256.Size]byte) {
	if !id.Settled(read) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.known) >= maxFiles {
		// What is known of files that are gone stays, until there is too much of it.
		clear(f.known)
	}
	f.known[name], f.fresh = fileDigest{id, sum}, true
}

// Save keeps what was learnt, if it was anything.
func (f *Files) Save() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.fresh {
		return nil
	}
	if err := f.cache.store.WriteDerived(f.path, encodeFiles(f.known)); err != nil {
		return fmt.Errorf("remember digests of files: %w", err)
	}
	f.fresh = false
	return nil
}

func encodeFiles(all map[string]fileDigest) []byte {
	b := []byte(filesMagic)
	b = binary.AppendUvarint(b, uint64(len(all)))
	last := ""
	for _, name := range slices.Sorted(maps.Keys(all)) {
		same := 0
		for same < min(len(name), len(last)) && name[same] == last[same] {
			same++
		}
		b = binary.AppendUvarint(b, uint64(same))
		b = binary.AppendUvarint(b, uint64(len(name)-same))
		b = append(b, name[same:]...)
		d := all[name]
		b = binary.AppendVarint(b, d.Size)
		b = binary.AppendVarint(b, d.Modified)
		b = binary.AppendVarint(b, d.Changed-d.Modified)
		b = binary.AppendUvarint(b, d.Inode)
		b = binary.AppendUvarint(b, d.Device)
		b = append(b, d.sum[:]...)
		last = name
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli()))
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// readFiles returns nothing if there is no file or it is damaged.
func readFiles(path string) map[string]fileDigest {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() > maxFilesSize {
		return nil
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil
	}
	all, err := decodeFiles(b)
	if err != nil {
		return nil
	}
	return all
}

var errFiles = errors.New("list of files is damaged")

func decodeFiles(b []byte) (map[string]fileDigest, error) {
	if len(b) < len(filesMagic)+4 || !bytes.HasPrefix(b, []byte(filesMagic)) {
		return nil, errFiles
	}
	b, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(b, castagnoli()) != sum {
		return nil, errFiles
	}
	r := fields{b: b[len(filesMagic):]}
	count := r.uint()
	if count > maxFiles || count > uint64(len(r.b))/(sha256.Size+7) {
		return nil, errFiles
	}
	all := make(map[string]fileDigest, count)
	last := ""
	for range count {
		same := r.uint()
		rest := r.bytes(r.uint())
		if same > uint64(len(last)) {
			return nil, errFiles
		}
		name := last[:same] + string(rest)
		d := fileDigest{FileID: FileID{Size: r.int(), Modified: r.int()}}
		d.Changed = d.Modified + r.int()
		d.Inode, d.Device = r.uint(), r.uint()
		copy(d.sum[:], r.bytes(sha256.Size))
		if r.bad || len(name) > maxName || name <= last {
			return nil, errFiles
		}
		all[name], last = d, name
	}
	if len(r.b) != 0 {
		return nil, errFiles
	}
	return all, nil
}

// maxName bounds the path of a file in its folder.
const maxName = 64 << 10

// fields takes values off b; once one is not there it is bad and gives nothing.
type fields struct {
	b   []byte
	bad bool
}

func (r *fields) uint() uint64 {
	n, used := binary.Uvarint(r.b)
	return n * r.take(used)
}

func (r *fields) int() int64 {
	n, used := binary.Varint(r.b)
	return n * int64(r.take(used))
}

// take drops the bytes of a number and returns 1, or 0 if there was none.
func (r *fields) take(used int) uint64 {
	if used <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[used:]
	return 1
}

func (r *fields) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

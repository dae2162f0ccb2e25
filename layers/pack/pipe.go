package pack

import (
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"sync"
)

// pipe takes a tar and writes a blob: it cuts the tar into chunks, hashes them in one goroutine, compresses them in as
// many as there are cores, and writes them, in order, in one more. It is used by one goroutine.
type pipe struct {
	kind  Compression
	reuse func(Key) []byte // nil for none
	out   io.Writer        // of the blob

	cut     cutter
	now     *chunk // being filled; nil for none
	started int    // chunks
	content contentRun

	free, hash, pack, write chan *chunk
	end                     sync.WaitGroup

	tar    sum
	crc    uint32 // of the tar, as the end of a gzip file has it
	blob   sum
	chunks []Chunk
	fail   failure
}

// contentRun is the content that is being written.
type contentRun struct {
	left, at int64
	split    bool // over several chunks
	sum      *[sha256.Size]byte
}

// failure keeps the first error of several goroutines.
type failure struct {
	mu  sync.Mutex
	err error
}

func (f *failure) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *failure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// ahead is how many chunks there are besides those being compressed: one being filled, one being hashed, one being written.
const ahead = 3

func newPipe(out io.Writer, kind Compression) (*pipe, error) {
	packers := make([]packer, max(1, runtime.GOMAXPROCS(0)))
	for i := range packers {
		var err error
		if packers[i], err = kind.packer(); err != nil {
			return nil, err
		}
	}
	n := len(packers) + ahead
	p := &pipe{
		kind: kind, out: out, tar: newSum(), blob: newSum(),
		free: make(chan *chunk, n), hash: make(chan *chunk, n), pack: make(chan *chunk, n), write: make(chan *chunk, n),
	}
	for range n {
		p.free <- &chunk{}
	}
	p.put(kind.head())
	p.end.Go(p.hashing)
	p.end.Go(p.writing)
	for _, packer := range packers {
		p.end.Go(func() { p.packing(packer) })
	}
	return p, nil
}

// entry says that the next bytes begin an entry of that many bytes of content.
func (p *pipe) entry(name string, size int64) {
	if p.cut.before(name, size) {
		p.flush()
	}
}

// begin says that the next size bytes are content. If its digest is known, chunks are known by it.
func (p *pipe) begin(size int64, sum *[sha256.Size]byte) {
	p.content = contentRun{left: size, sum: sum, split: size > chunkMax}
	if p.content.split {
		p.flush()
	}
}

// Write takes the next bytes of the tar.
func (p *pipe) Write(b []byte) (int, error) {
	if err := p.fail.get(); err != nil {
		return 0, err
	}
	n := len(b)
	for len(b) > 0 {
		part := b
		if c := &p.content; c.left > 0 {
			part = part[:min(int64(len(part)), c.left)]
			if c.split {
				part = part[:min(len(part), chunkAim-int(c.at%chunkAim))]
			}
		}
		p.add(part)
		b = b[len(part):]
	}
	return n, nil
}

// add puts bytes, which are all of one content or of none, into the chunk.
func (p *pipe) add(b []byte) {
	if p.now == nil {
		p.now = <-p.free
		if p.started++; p.started > 1 && cap(p.now.plain) == 0 {
			// More than a small layer: the next ones will need all of it, and growing leaves garbage behind.
			p.now.plain, p.now.packed = make([]byte, 0, chunkRoom), make([]byte, 0, chunkAim)
		}
		p.now.plain, p.now.known, p.now.packed = p.now.plain[:0], p.now.known[:0], p.now.packed[:0]
		p.now.hashed, p.now.done = make(chan struct{}), make(chan struct{})
	}
	c := p.now
	from := len(c.plain)
	c.plain = append(c.plain, b...)
	p.cut.size += int64(len(b))
	run := &p.content
	if run.left == 0 {
		return
	}
	if run.sum != nil {
		c.add(known{from: from, to: len(c.plain), sum: *run.sum, at: run.at})
	}
	run.left -= int64(len(b))
	run.at += int64(len(b))
	if run.split && run.at%chunkAim == 0 {
		p.flush()
	}
}

// add notes a known part, which may go on with the last one.
func (c *chunk) add(k known) {
	if n := len(c.known); n > 0 && c.known[n-1].to == k.from && c.known[n-1].sum == k.sum &&
		c.known[n-1].at+int64(c.known[n-1].to-c.known[n-1].from) == k.at {
		c.known[n-1].to = k.to
		return
	}
	c.known = append(c.known, k)
}

// flush ends the chunk.
func (p *pipe) flush() {
	if p.now == nil {
		return
	}
	p.hash <- p.now
	p.pack <- p.now
	p.write <- p.now
	p.now, p.cut.size = nil, 0
}

func (p *pipe) hashing() {
	for c := range p.hash {
		_, _ = p.tar.Write(c.plain) // a hash does not fail
		if p.kind == Gzip {
			p.crc = crc32.Update(p.crc, crc32.IEEETable, c.plain)
		}
		close(c.hashed)
	}
}

func (p *pipe) packing(packer packer) {
	for c := range p.pack {
		p.packOne(packer, c)
		close(c.done)
	}
}

func (p *pipe) packOne(packer packer, c *chunk) {
	if p.reuse != nil && p.kind != None {
		c.Key = c.key(p.kind)
		if packed := p.reuse(c.Key); packed != nil {
			c.packed = append(c.packed, packed...)
			return
		}
	}
	var err error
	if c.packed, err = packer(c.packed, c.plain); err != nil {
		p.fail.set(err)
	}
}

func (p *pipe) writing() {
	for c := range p.write {
		<-c.done
		c.Chunk = Chunk{Key: c.Key, Offset: p.blob.n, Size: int64(len(c.packed)), Plain: int64(len(c.plain))}
		if p.reuse != nil {
			c.Sum = Checksum(c.packed)
		}
		p.chunks = append(p.chunks, c.Chunk)
		p.put(c.packed)
		<-c.hashed
		p.free <- c
	}
}

// put writes to the blob. After an error it writes nothing more, and the others work on for nothing until Write says so.
func (p *pipe) put(b []byte) {
	if p.fail.get() != nil {
		return
	}
	// At once: of a layer whose chunks are all there this is most of the work.
	var hashing sync.WaitGroup
	hashing.Go(func() { _, _ = p.blob.Write(b) }) // a hash does not fail
	if _, err := p.out.Write(b); err != nil {
		p.fail.set(err)
	}
	hashing.Wait()
}

// Close ends the blob and all goroutines.
func (p *pipe) Close() error {
	p.flush()
	close(p.hash)
	close(p.pack)
	close(p.write)
	p.end.Wait()
	p.put(p.kind.tail(p.crc, p.tar.n))
	if err := p.fail.get(); err != nil {
		return fmt.Errorf("compress layer: %w", err)
	}
	return nil
}

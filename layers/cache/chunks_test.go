package cache

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/pack"
)

// layer puts a blob of chunks into the store and remembers them.
func layer(t *testing.T, c *Cache, seed byte) (digest.Digest, []pack.Chunk, [][]byte) {
	t.Helper()
	r := rand.NewChaCha8([32]byte{seed})
	blob := []byte("head")
	var chunks []pack.Chunk
	var bodies [][]byte
	for i := range 5 {
		b := make([]byte, 1000+i)
		_, _ = r.Read(b) // never fails
		chunks = append(chunks, pack.Chunk{Key: pack.Key{seed, byte(i)}, Offset: int64(len(blob)), Size: int64(len(b)), Plain: 7, Sum: pack.Checksum(b)})
		blob, bodies = append(blob, b...), append(bodies, b)
	}
	desc, err := c.store.Put(t.Context(), ocispec.MediaTypeImageLayerGzip, append(blob, "tail"...))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.KeepChunks(desc.Digest, chunks); err != nil {
		t.Fatal(err)
	}
	return desc.Digest, chunks, bodies
}

func list(t *testing.T, c *Cache) *Chunks {
	t.Helper()
	ch, err := c.Chunks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ch.Close(); err != nil {
			t.Error(err)
		}
	})
	return ch
}

func TestChunks(t *testing.T) {
	c, s := open(t)
	if got := list(t, c).Get(pack.Key{1}); got != nil {
		t.Errorf("an empty store has a chunk of %d bytes", len(got))
	}
	one, chunks, bodies := layer(t, c, 1)
	_, more, moreBodies := layer(t, c, 2)
	ch := list(t, c)
	for i := range chunks {
		if !bytes.Equal(ch.Get(chunks[i].Key), bodies[i]) || !bytes.Equal(ch.Get(more[i].Key), moreBodies[i]) {
			t.Errorf("chunk %d is not what was put", i)
		}
	}
	if got := ch.Get(pack.Key{9}); got != nil {
		t.Errorf("an unknown chunk has %d bytes", len(got))
	}
	// A damaged chunk never gets out; the others of the layer do.
	path := s.Dir() + "/blobs/sha256/" + one.Encoded()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range chunks {
		bad := bytes.Clone(b)
		bad[chunks[i].Offset+int64(i)*100] ^= 4
		if err := os.WriteFile(path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		ch := list(t, c)
		for j := range chunks {
			if got := ch.Get(chunks[j].Key); i == j && got != nil || i != j && !bytes.Equal(got, bodies[j]) {
				t.Errorf("chunk %d damaged: chunk %d is %d bytes", i, j, len(got))
			}
		}
	}
	if err := os.WriteFile(path, b[:chunks[4].Offset+10], 0o644); err != nil {
		t.Fatal(err)
	}
	if got := list(t, c).Get(chunks[4].Key); got != nil {
		t.Error("a chunk of a shortened blob was given out")
	}
	// Of a layer that has gone nothing is left.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	ch = list(t, c)
	if ch.Get(chunks[0].Key) != nil || !bytes.Equal(ch.Get(more[0].Key), moreBodies[0]) {
		t.Error("the chunks of the other layer are not those that are left")
	}
	if _, err := os.Stat(s.Derived(chunksKind, one.Encoded())); !os.IsNotExist(err) {
		t.Errorf("the list of a layer that has gone: %v", err)
	}
}

func TestDamagedChunkList(t *testing.T) {
	c, s := open(t)
	one, chunks, _ := layer(t, c, 1)
	path := s.Derived(chunksKind, one.Encoded())
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeChunks(b); err != nil || !cmp.Equal(got, chunks) {
		t.Fatalf("%v, %v", got, err)
	}
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 0x10
		if _, err := decodeChunks(bad); err == nil {
			t.Fatalf("byte %d changed and nobody noticed", i)
		}
		if _, err := decodeChunks(b[:i]); err == nil {
			t.Fatalf("cut after byte %d and nobody noticed", i)
		}
	}
	if err := os.WriteFile(path, b[:40], 0o644); err != nil {
		t.Fatal(err)
	}
	if got := list(t, c).Get(chunks[0].Key); got != nil {
		t.Error("a damaged list was believed")
	}
}

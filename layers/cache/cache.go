// Package cache remembers what the steps of builds made, so that a step whose every input is the same is not done again.
//
// The nouns: an ActionID is the hash of all that a step depends on; a Result is what the step made. Results name blobs
// of a store and are as good as those blobs: one whose layer Prune took is a miss. All entries can be deleted at any
// time, and several processes may use one cache.
package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/layers/store"
)

// ErrMiss matches the error of Get when there is no usable entry.
var ErrMiss = errors.New("not in the build cache")

// ActionID identifies a step by all that its result depends on.
type ActionID [sha256.Size]byte

// String returns the hexadecimal form.
func (id ActionID) String() string { return hex.EncodeToString(id[:]) }

// Hash builds an ActionID out of fields.
type Hash struct {
	h   hash.Hash
	buf []byte
}

// NewHash begins an ActionID. The salt names the kind of step and the version of the code that does it; whoever changes
// what a step makes of the same input changes the salt.
func NewHash(salt string) *Hash {
	h := &Hash{h: sha256.New()}
	h.Field("salt", salt)
	return h
}

// hashBlock is how much is hashed at once: a step may have a hundred thousand short fields.
const hashBlock = 16 << 10

// Field adds a named value. Names and values are framed by their lengths, so that no two sequences of fields meet.
func (h *Hash) Field(name, value string) {
	for _, s := range []string{name, value} {
		h.buf = binary.LittleEndian.AppendUint64(h.buf, uint64(len(s)))
		h.buf = append(h.buf, s...)
	}
	if len(h.buf) >= hashBlock {
		h.flush()
	}
}

func (h *Hash) flush() {
	h.h.Write(h.buf)
	h.buf = h.buf[:0]
}

// Sum returns the ActionID of the fields so far.
func (h *Hash) Sum() ActionID {
	h.flush()
	return ActionID(h.h.Sum(nil))
}

// Result is what a step made.
type Result struct {
	Layer  ocispec.Descriptor `json:"layer"`  // the layer; without a digest if the step changed no file
	DiffID digest.Digest      `json:"diffID"` // of the layer's tar
}

// Cache is the build cache of one store.
type Cache struct{ store *store.Store }

// kind is the folder of the cache among the store's derived data.
const kind = "cache"

// Open returns the cache of s.
func Open(s *store.Store) *Cache { return &Cache{s} }

// maxEntry bounds the file of an entry.
const maxEntry = 64 << 10

// entry is the file of a Result. It repeats the ActionID, to tell a damaged or misplaced file.
type entry struct {
	Action string `json:"action"`
	Result
}

// Get returns what the step made when it was done last. If there is nothing, or its layer has gone, the error matches
// ErrMiss. A layer that is found is shielded from Prune by the lease of the store.
func (c *Cache) Get(id ActionID) (Result, error) {
	f, err := os.Open(c.path(id))
	if err != nil {
		return Result{}, fmt.Errorf("step %s: %w", id, ErrMiss)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxEntry))
	if err != nil {
		return Result{}, fmt.Errorf("step %s: %w", id, ErrMiss)
	}
	var e entry
	if json.Unmarshal(b, &e) != nil || e.Action != id.String() {
		return Result{}, fmt.Errorf("step %s: %w", id, ErrMiss)
	}
	if e.Layer.Digest != "" && !c.store.Has(e.Layer.Digest) {
		return Result{}, fmt.Errorf("step %s: its layer %s has gone: %w", id, e.Layer.Digest, ErrMiss)
	}
	return e.Result, nil
}

// Put keeps what a step made. It replaces an older entry, all at once.
func (c *Cache) Put(id ActionID, r Result) error {
	b, err := json.Marshal(entry{Action: id.String(), Result: r})
	if err != nil {
		return fmt.Errorf("keep result of step %s: %w", id, err)
	}
	if err := c.store.WriteDerived(c.path(id), b); err != nil {
		return fmt.Errorf("keep result of step %s: %w", id, err)
	}
	return nil
}

func (c *Cache) path(id ActionID) string {
	name := id.String()
	return c.store.Derived(kind, name[:2], name)
}

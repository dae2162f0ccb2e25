package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Kinds of findings.
const (
	Damaged = "damaged" // bytes are not what they should be
	Missing = "missing" // something leads to what is not there
	Stray   = "stray"   // a file that belongs to nothing
	Lazy    = "remote"  // not here but recorded where it is: no damage
)

// Finding is one thing that is wrong with a store, or remote.
type Finding struct {
	Kind     string `json:"kind"`
	Object   string `json:"object"` // a tag, a digest or a path below the store
	Problem  string `json:"problem"`
	Remedy   string `json:"remedy"`             // what a person can do; "" if nothing need be done
	Repaired string `json:"repaired,omitempty"` // what Repair did
	mend     func() (done string, err error)
}

// String returns the finding as one line.
func (f Finding) String() string {
	parts := []string{f.Object, f.Problem}
	if f.Repaired != "" {
		parts = append(parts, f.Repaired)
	}
	if f.Remedy != "" {
		parts = append(parts, f.Remedy)
	}
	return strings.ReplaceAll(strings.Join(parts, ": "), "\n", " ")
}

// Harmless reports whether nothing is wrong, or nothing any more.
func (f Finding) Harmless() bool { return f.Kind == Lazy || f.Repaired != "" && f.Remedy == "" }

const pullAgain = "pull or build the image again"

// Check reads every blob and returns what is damaged, what is missing of the images that index.json lists and what is not
// here but recorded, and damaged derived data. An image that an index lists and that was never pulled is not missing, nor
// are layers that lie at a URL. It changes nothing but the marks of damaged blobs.
func (s *Store) Check(ctx context.Context) ([]Finding, error) {
	c := &checker{store: s, ctx: ctx, bad: map[digest.Digest]bool{}, seen: map[digest.Digest]bool{}, users: map[digest.Digest]string{}}
	for _, step := range []func() error{c.blobs, c.records, c.tables, c.index} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("check store: %w", err)
		}
	}
	c.name()
	return c.found, nil
}

// name adds to each damaged blob the name of an image that needs it.
func (c *checker) name() {
	for i := range c.found {
		f := &c.found[i]
		if user := c.users[digest.Digest(f.Object)]; user != "" {
			f.Problem += ", needed by " + user
		}
	}
}

// Repair is Check that mends what can be: what is damaged is moved into the folder "aside" of the store, so that the next
// pull or build brings it again and nothing is lost that was of use, damaged derived data is removed, and entries of
// index.json are put right or taken out. A Finding says what was done, and keeps its Remedy if that is still to be done.
func (s *Store) Repair(ctx context.Context) ([]Finding, error) {
	found, err := s.Check(ctx)
	if err != nil {
		return nil, err
	}
	unlock, err := s.lock(ctx, exclusive)
	if err != nil {
		return found, fmt.Errorf("repair store: %w", err)
	}
	defer unlock()
	for i := range found {
		f := &found[i]
		if f.mend == nil {
			continue
		}
		if f.Repaired, err = f.mend(); err != nil {
			return found, fmt.Errorf("repair store: %s: %w", f.Object, err)
		}
	}
	return found, nil
}

// checker is one run of Check. The mends that it finds are called under the exclusive lock, and what they would change may
// have been changed by others in the meantime.
type checker struct {
	store *Store
	ctx   context.Context
	bad   map[digest.Digest]bool // damaged, also where no mark can be made
	seen  map[digest.Digest]bool
	users map[digest.Digest]string // of damaged blobs, a name that leads there
	found []Finding
}

func (c *checker) add(f Finding) { c.found = append(c.found, f) }

// blobs hashes every file in the folder of blobs.
func (c *checker) blobs() error {
	names, err := readDir(c.store.path(blobDir))
	if err != nil {
		return err
	}
	for _, n := range names {
		d := digest.NewDigestFromEncoded(digest.SHA256, n.Name())
		if checkDigest(d) != nil || !n.Type().IsRegular() {
			c.add(Finding{Stray, blobDir + "/" + n.Name(), "is no blob", "", "",
				func() (string, error) { return c.store.setAside(c.store.path(blobDir, n.Name())) }})
			continue
		}
		err := c.store.Verify(c.ctx, ocispec.Descriptor{Digest: d})
		var bad *CorruptError
		switch {
		case err == nil || errors.Is(err, fs.ErrNotExist): // Prune may run beside us
		case errors.As(err, &bad):
			c.damaged(d, "is damaged: "+bad.Problem)
		case c.ctx.Err() != nil:
			return err
		default: // the disk fails
			_ = c.store.corrupt(d, err.Error())
			c.damaged(d, "cannot be read: "+err.Error())
		}
	}
	return nil
}

// damaged reports a blob that is still damaged when it is to be mended if its mark is there.
func (c *checker) damaged(d digest.Digest, problem string) {
	c.bad[d] = true
	remedy := pullAgain
	if c.store.knows(d) {
		remedy = ""
	}
	c.add(Finding{Damaged, string(d), problem, remedy, "", func() (string, error) {
		if c.store.present(d) {
			return "it was replaced meanwhile", nil
		}
		done, err := c.store.setAside(c.store.blobPath(d))
		if err == nil {
			err = ignoreAbsent(os.Remove(c.store.markPath(d)))
		}
		if remedy == "" {
			done += ", it is fetched again when needed"
		}
		return done, err
	}})
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// records reads what is known about absent blobs.
func (c *checker) records() error {
	names, err := readDir(c.store.path(remoteDir))
	if err != nil {
		return err
	}
	for _, n := range names {
		d := digest.NewDigestFromEncoded(digest.SHA256, n.Name())
		if c.store.knows(d) || strings.HasSuffix(n.Name(), newSuffix) {
			continue
		}
		c.add(Finding{Damaged, remoteDir + "/" + n.Name(), "is no record of a blob", pullAgain, "",
			func() (string, error) { return c.store.setAside(c.store.path(remoteDir, n.Name())) }})
	}
	return nil
}

// tables reads the tables of contents.
func (c *checker) tables() error {
	names, err := readDir(c.store.path(derivedDir, "toc"))
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		d := digest.NewDigestFromEncoded(digest.SHA256, strings.TrimSuffix(n.Name(), borrowed))
		file := c.store.path(derivedDir, "toc", n.Name())
		if checkDigest(d) == nil && knownTOC(file, d) != nil || !n.Type().IsRegular() {
			continue
		}
		if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		c.add(Finding{Damaged, derivedDir + "/toc/" + n.Name(), "is no table of contents of a layer, or of an older version", "", "",
			func() (string, error) { return "removed, it is made again when needed", ignoreAbsent(os.Remove(file)) }})
	}
	return nil
}

// index follows the entries of index.json.
func (c *checker) index() error {
	index, err := c.store.index()
	if err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		if !errors.As(err, &syntax) && !errors.As(err, &kind) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		c.add(Finding{Damaged, ocispec.ImageIndexFile, err.Error(), "give the images their names again with \"build tag\"", "", c.rebuildIndex})
		return nil
	}
	names := map[string]bool{}
	for _, d := range index.Manifests {
		name := d.Annotations[ocispec.AnnotationRefName]
		if name == "" {
			name = string(d.Digest)
		} else if names[name] {
			c.add(Finding{Damaged, name, "two images have this name, of which the first counts", "", "", c.entry(d, nil)})
			continue
		}
		names[name] = true
		if err := c.root(name, d); err != nil {
			return err
		}
	}
	return nil
}

// root checks an entry of index.json and what it leads to.
func (c *checker) root(name string, d ocispec.Descriptor) error {
	if err := checkDigest(d.Digest); err != nil {
		c.add(Finding{Damaged, name, err.Error(), pullAgain, "", c.entry(d, nil)})
		return nil
	}
	info, err := os.Stat(c.store.blobPath(d.Digest))
	switch {
	case errors.Is(err, fs.ErrNotExist) && !c.store.knows(d.Digest):
		c.add(Finding{Missing, name, fmt.Sprintf("its blob %s is missing", d.Digest), pullAgain, "", c.entry(d, nil)})
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && info.Size() != d.Size && !c.bad[d.Digest]:
		right := d
		right.Size = info.Size()
		c.add(Finding{Damaged, name, fmt.Sprintf("its entry in index.json says %d bytes, its blob has %d", d.Size, info.Size()), "", "", c.entry(d, &right)})
		d = right
	}
	if d.MediaType == "" {
		right := d
		right.MediaType = c.store.typeOf(c.ctx, d.Digest)
		if right.MediaType != "" {
			c.add(Finding{Damaged, name, "its entry in index.json has no media type", "", "", c.entry(d, &right)})
			d = right
		}
	}
	return c.image(name, d, 0)
}

// image looks for what d leads to.
func (c *checker) image(name string, d ocispec.Descriptor, depth int) error {
	if c.bad[d.Digest] { // it is reported already
		c.users[d.Digest] = name
		return nil
	}
	if c.seen[d.Digest] {
		return nil
	}
	c.seen[d.Digest] = true
	info, err := os.Stat(c.store.blobPath(d.Digest))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if r, ok := c.store.Remote(d.Digest); ok {
			c.add(Finding{Lazy, name, fmt.Sprintf("its blob %s (%d bytes) is not here but at %s", d.Digest, r.Desc.Size, strings.Join(r.Sources, ", ")), "", "", nil})
			return nil
		}
		c.add(Finding{Missing, name, fmt.Sprintf("its blob %s is missing", d.Digest), pullAgain, "", nil})
		return nil
	case err != nil:
		return err
	case d.Size > 0 && info.Size() != d.Size:
		c.add(Finding{Damaged, name, fmt.Sprintf("its blob %s has %d bytes, not %d", d.Digest, info.Size(), d.Size), pullAgain, "", nil})
		return nil
	case depth > maxDepth:
		c.add(Finding{Damaged, name, "its indexes are nested too deeply", pullAgain, "", nil})
		return nil
	}
	children, err := c.store.children(c.ctx, d)
	if err != nil {
		c.add(Finding{Damaged, name, err.Error(), pullAgain, "", nil})
		return nil
	}
	for _, child := range children {
		if (isIndex(d.MediaType) || isForeign(child.MediaType)) && !c.store.present(child.Digest) && !c.store.knows(child.Digest) {
			continue
		}
		if err := c.image(name, child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

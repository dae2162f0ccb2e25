package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// PruneOptions say what Prune may remove besides what nothing needs.
type PruneOptions struct {
	DryRun bool            // only plan
	Keep   []digest.Digest // images that something outside of the store needs, such as containers
	// Of the derived data that no living process works with: all of it; what was last used before a time; and what was
	// used least recently, until MaxDerived bytes are left. Zero values remove nothing.
	AllDerived bool
	Before     time.Time
	MaxDerived int64
}

// Item is one thing in the store: a blob, a unit of derived data, or a file that a dead process left.
type Item struct {
	Kind   string    `json:"kind"`   // "blob", "remote", "aside", "left over", or the kind of derived data
	Path   string    `json:"path"`   // below the store, with slashes
	Size   int64     `json:"size"`   // in bytes
	Used   time.Time `json:"used"`   // when it was last written or, where the system tells, read
	Reason string    `json:"reason"` // why it goes or stays
}

// Pruned is what Prune removed, or would remove.
type Pruned struct {
	Removed []Item `json:"removed"`
	Kept    []Item `json:"kept"`
	Freed   int64  `json:"freed"` // bytes of what is removed
}

// Prune removes the blobs that no tag, no living lease and no digest in o.Keep leads to, the files of processes that died,
// what is derived of removed layers, and the derived data that o names. It fails, with nothing removed, if an image cannot
// be read, as it may lead to more. Images go before what they lead to, so that none is ever there in part.
func (s *Store) Prune(ctx context.Context, o PruneOptions) (*Pruned, error) {
	unlock, err := s.lock(ctx, exclusive)
	if err != nil {
		return nil, err
	}
	defer unlock()
	p := &pruner{store: s, o: o}
	if err := p.plan(ctx); err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	if !o.DryRun {
		if err := p.execute(ctx); err != nil {
			return &p.result, fmt.Errorf("prune: %w", err)
		}
	}
	for _, i := range p.result.Removed {
		p.result.Freed += i.Size
	}
	return &p.result, nil
}

// pruner is one run of Prune, under the exclusive lock.
type pruner struct {
	store  *Store
	o      PruneOptions
	leases *leases
	need   *reached
	result Pruned
}

func (p *pruner) remove(i Item, reason string) {
	i.Reason = reason
	p.result.Removed = append(p.result.Removed, i)
}

func (p *pruner) keep(i Item, reason string) {
	i.Reason = reason
	p.result.Kept = append(p.result.Kept, i)
}

// plan decides about every file.
func (p *pruner) plan(ctx context.Context) (err error) {
	p.result = Pruned{Removed: []Item{}, Kept: []Item{}}
	if p.leases, err = p.store.leases(); err != nil {
		return err
	}
	roots, err := p.store.roots(ctx, p.leases.digests, p.o.Keep)
	if err != nil {
		return err
	}
	if p.need, err = p.store.reach(ctx, roots); err != nil {
		return err
	}
	for _, step := range []func() error{p.blobs, p.leftOvers, p.aside, p.derived} {
		if err := step(); err != nil {
			return err
		}
	}
	p.imagesFirst(ctx)
	return nil
}

// each calls f for the regular files of a folder of the store.
func (p *pruner) each(kind, dir string, f func(name string, i Item)) error {
	names, err := readDir(p.store.path(filepath.FromSlash(dir)))
	if err != nil {
		return err
	}
	for _, n := range names {
		info, err := n.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err != nil {
			return err
		}
		f(n.Name(), Item{Kind: kind, Path: path.Join(dir, n.Name()), Size: info.Size(), Used: usedAt(info)})
	}
	return nil
}

// blobs decides about blobs and what is known about them.
func (p *pruner) blobs() error {
	decide := func(name string, i Item) {
		if why := p.need.why[digest.NewDigestFromEncoded(digest.SHA256, strings.TrimSuffix(name, newSuffix))]; why != "" {
			p.keep(i, why)
		} else {
			p.remove(i, "nothing needs it")
		}
	}
	return errors.Join(
		p.each("blob", blobDir, decide),
		p.each("remote", remoteDir, decide),
		p.each("left over", derivedDir+"/"+damagedKind, func(name string, i Item) {
			if !p.need.has(digest.NewDigestFromEncoded(digest.SHA256, name)) {
				p.remove(i, "it marks a blob that goes")
			}
		}),
	)
}

// leftOvers are the files of processes that died.
func (p *pruner) leftOvers() error {
	return errors.Join(
		p.each("left over", ingestDir, func(name string, i Item) {
			owner, _, _ := strings.Cut(name, "-")
			if slices.Contains(p.leases.alive, owner) {
				p.keep(i, "a living process writes it")
			} else {
				p.remove(i, "the process that wrote it has died")
			}
		}),
		p.each("left over", leaseDir, func(name string, i Item) {
			if slices.Contains(p.leases.dead, strings.TrimSuffix(name, leaseLock)) {
				p.remove(i, "the lease of a process that has died")
			}
		}),
	)
}

// aside decides about what "build check --repair" moved aside: it goes on demand only.
func (p *pruner) aside() error {
	return p.each("aside", asideDir, func(_ string, i Item) {
		switch {
		case p.o.AllDerived:
			p.remove(i, "damaged, and all that can go is to go")
		case i.Used.Before(p.o.Before):
			p.remove(i, "damaged, and older than asked for")
		default:
			p.keep(i, "damaged, for you to look at")
		}
	})
}

// derived decides about derived data.
func (p *pruner) derived() error {
	units, err := p.store.units()
	if err != nil {
		return err
	}
	slices.SortFunc(units, func(a, b unit) int { return cmp.Or(a.used.Compare(b.used), strings.Compare(a.rel, b.rel)) })
	var stay []unit
	var total int64
	for _, u := range units {
		switch reason, goes := p.verdict(u); {
		case goes:
			p.remove(u.item(), reason)
		case reason != "":
			p.keep(u.item(), reason)
			total += u.size
		default:
			stay = append(stay, u)
			total += u.size
		}
	}
	for _, u := range stay { // least recently used first
		if p.o.MaxDerived > 0 && total > p.o.MaxDerived {
			p.remove(u.item(), "used least recently, and there is more than asked for")
			total -= u.size
		} else {
			p.keep(u.item(), "derived data, of use to come")
		}
	}
	return nil
}

// verdict says whether a unit goes or, if there is a reason, must stay.
func (p *pruner) verdict(u unit) (reason string, goes bool) {
	switch {
	case u.temp && !p.leases.uses(u.kind):
		return "the process that made it has died", true
	case p.leases.uses(u.rel) || u.temp:
		return "a living process works with it", false
	case u.ofWindows():
		return "Windows made it", false
	case p.orphan(u):
		return "the layer it was made of has gone", true
	case p.o.AllDerived:
		return "it can be made again", true
	case u.used.Before(p.o.Before):
		return "not used for as long as asked for", true
	}
	return "", false
}

// orphan reports whether u is named by a layer that is not needed.
func (p *pruner) orphan(u unit) bool {
	if u.kind != "toc" && u.kind != "chunks" && !strings.HasPrefix(u.rel, "disk/data/") {
		return false
	}
	hex, _, _ := strings.Cut(path.Base(u.rel), "-")
	d := digest.NewDigestFromEncoded(digest.SHA256, hex)
	return checkDigest(d) == nil && !p.need.has(d)
}

func (u unit) item() Item {
	return Item{Kind: u.kind, Path: derivedLine + u.rel, Size: u.size, Used: u.used}
}

// imagesFirst orders what goes: indexes, manifests, then all else.
func (p *pruner) imagesFirst(ctx context.Context) {
	rank := map[string]int{}
	for _, i := range p.result.Removed {
		if i.Kind != "blob" || i.Size > maxManifest {
			continue
		}
		switch t := p.store.typeOf(ctx, digest.NewDigestFromEncoded(digest.SHA256, path.Base(i.Path))); {
		case isIndex(t):
			rank[i.Path] = -2
		case isManifest(t):
			rank[i.Path] = -1
		}
	}
	slices.SortStableFunc(p.result.Removed, func(a, b Item) int { return cmp.Compare(rank[a.Path], rank[b.Path]) })
}

// execute removes what the plan says.
func (p *pruner) execute(ctx context.Context) error {
	for n, i := range p.result.Removed {
		err := ctx.Err()
		if err == nil {
			err = removeUnit(p.store.path(filepath.FromSlash(i.Path)))
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			p.result.Removed = p.result.Removed[:n]
			return err
		}
	}
	return nil
}

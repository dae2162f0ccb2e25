package layers

import (
	"errors"
	"fmt"
	"io"

	"github.com/mullion/mullion/internal/nt"
)

// Validation says how a layer is to be validated. The zero value judges a derived layer alone.
type Validation struct {
	Base   bool   // the layer is the lowest of its image
	Limits Limits // of the Reader

	// Lower returns what the layers below have under a tar name below Files ("Files/Windows"), found as Windows finds it
	// whatever its case, with the spelling and metadata that it has there; nil if there is nothing. Without it nothing is
	// said of the layers below.
	Lower func(name string) *Entry

	// Hive judges a registry hive: a delta of a derived layer, one of the five hives of the lowest or a boot
	// configuration of the utility VM. It reads from content, which has size bytes, what it needs. Of its findings the
	// Entry is set by the caller. An error ends the validation. Without it only empty hives are found.
	Hive func(name string, size int64, content io.Reader) ([]Finding, error)
}

// Validate reads the tar r to its end and returns what keeps it from being a good layer; base says that it is the lowest
// of its image. It sees one layer only and no content; a [Validation] sees more.
func Validate(r io.Reader, base bool) ([]Finding, error) { return Validation{Base: base}.Run(r) }

// Run reads the tar r to its end and returns what keeps it from being a good layer: at most a hundred findings of each
// rule, in the order of the tar, those of the layer as a whole last. docs/formats lists the rules.
//
// It holds some hundred bytes for each entry, however long its name, among them at most 64 MiB of names.
//
// An error means that the tar could be read no further; the findings up to there come with it.
func (v Validation) Run(r io.Reader) ([]Finding, error) {
	lr := NewReader(r, v.Limits)
	state := newValidator(v, lr)
	for {
		e, err := lr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if refused, ok := errors.AsType[*Refusal](err); ok {
			state.add(refused.Severity, refused.Rule, refused.Entry, refused.Problem, refused.Remedy)
			continue
		}
		if err == nil {
			err = state.entry(e)
		}
		if err != nil {
			return lr.Findings(), err
		}
	}
	state.end()
	return lr.Findings(), nil
}

// validator is the state of one validation.
type validator struct {
	Validation
	reader *Reader
	seen   map[nameKey]record
	arena  []byte // last components of names, as written; for messages
	sds    map[string][]sdFault
	owner  string // the last entry that may have streams
	links  linkList
	deltas int  // how many registry deltas there are
	uvm    bool // the tree of the utility VM has begun
}

func newValidator(v Validation, r *Reader) *validator {
	return &validator{Validation: v, reader: r, seen: map[nameKey]record{}, sds: map[string][]sdFault{}, arena: make([]byte, 1)}
}

func (v *validator) add(severity Severity, rule, entry, problem, remedy string) {
	v.reader.findings.add(severity, rule, entry, problem, remedy)
}

func (v *validator) fault(rule, entry, problem, remedy string) {
	v.add(Error, rule, entry, problem, remedy)
}
func (v *validator) warn(rule, entry, problem, remedy string) {
	v.add(Warning, rule, entry, problem, remedy)
}

func (v *validator) entry(e *Entry) error {
	if e.Kind == Stream {
		v.stream(e)
		return nil
	}
	v.owner = ""
	v.place(e)
	v.parent(e)
	key := keyOf(e.Name)
	switch e.Kind {
	case Opaque:
		return nil // the Reader has reported it
	case Whiteout:
		v.whiteout(e, key)
		return nil
	}
	before := v.seen[key]
	if before.there {
		v.twice(e, before)
	}
	if before.gone {
		v.both(e)
	}
	switch e.Kind {
	case Symlink:
		v.symlink(e)
	case HardLink:
		v.hardLink(e) // before e itself is known, to which it cannot lead
	case Dir, File:
		v.owner = e.Name
		v.lower(e)
	}
	v.seen[key] = v.recordOf(e, before.gone)
	v.metadata(e)
	return v.hive(e)
}

func (v *validator) stream(e *Entry) {
	if file, _ := splitStream(e.Name); file != v.owner {
		v.fault("orphan-stream", e.Name, "does not follow its file", "write a stream directly behind its file, or leave it out")
		return
	}
	v.warn("stream", e.Name, "is an alternate data stream, which not every importer keeps", "leave it out")
}

// parent wants a directory above every entry, and the deletions in it before its children.
func (v *validator) parent(e *Entry) {
	name := parentOf(e.Name)
	if e.Kind == Opaque {
		name = e.Name
	}
	if name == "" {
		return
	}
	key := keyOf(name)
	parent := v.seen[key]
	switch {
	case !parent.there:
		v.fault("missing-parent", e.Name, fmt.Sprintf("its directory %q does not come before it", shorten(name)),
			"write every parent directory once, before what lies in it")
	case parent.kind != Dir:
		v.fault("below-file", e.Name, fmt.Sprintf("lies below %q, which is a %s", shorten(name), parent.kind),
			"write it where the link leads, or make a directory of it")
	}
	switch deletion := e.Kind == Whiteout || e.Kind == Opaque; {
	case !deletion && !parent.kids:
		parent.kids = true
		v.seen[key] = parent
	case deletion && parent.kids:
		v.warn("order", e.Name, "is deleted after its directory got something", "write deletions directly behind their directory")
	}
}

func (v *validator) whiteout(e *Entry, key nameKey) {
	if v.Base {
		v.fault("whiteout-in-base", e.Name, "is deleted by the lowest layer", "leave it out of the layer")
	}
	before := v.seen[key]
	if before.there {
		v.both(e)
	}
	if before.gone {
		v.warn("duplicate", e.Name, "is deleted twice", "write it once")
	}
	before.gone = true
	v.seen[key] = before
	if low := v.ask(e.Name); low == nil && v.knows(e.Name) {
		v.warn("whiteout-nothing", e.Name, "is deleted, but no lower layer has it", "leave it out of the layer")
	} else if low != nil {
		v.respelled(e, low)
	}
}

func (v *validator) both(e *Entry) {
	v.fault("whiteout-and-add", e.Name, "is both deleted and added; Windows deletes last", "write only the addition")
}

func (v *validator) twice(e *Entry, before record) {
	if before.exact != spellingOf(e.Name) {
		v.fault("case-twin", e.Name, fmt.Sprintf("is the same name as %s on Windows", v.nameOf(before)), "rename one of them")
		return
	}
	if !v.Base && below(e.Name, rootUVM) {
		v.warn("duplicate", e.Name, "is written twice", "write it once")
		return
	}
	v.fault("duplicate", e.Name, "is written twice", "write it once")
}

// place looks at where e is.
func (v *validator) place(e *Entry) {
	root := rootOf(e.Name)
	v.uvm = v.uvm || root == rootUVM
	switch {
	case (e.Name == root || e.Name == rootUVMFiles) && e.Kind != Dir && e.Kind != Opaque:
		v.fault("root-kind", e.Name, "is no directory", "make it one")
	case root != rootUVM && v.uvm:
		v.warn("order", e.Name, "comes behind the utility VM", "write Files, then Hives, then UtilityVM")
	case root == rootHives && v.Base:
		v.fault("hives-in-base", e.Name, "is in the lowest layer, whose registry is below Files", "leave Hives out")
	}
}

// hive hands the content of registry hives to who can judge it.
func (v *validator) hive(e *Entry) error {
	switch {
	case !v.Base && e.Kind == File && baseHive(e.Name):
		v.warn("shadowed-hive", e.Name, "is a registry hive, which Windows takes from the lowest layer", "write a delta below Hives")
		return nil
	case !v.isHive(e):
		return nil
	case e.Kind == HardLink && baseHive(e.Name):
		return nil // judged under its first name, if that is a hive
	case e.Kind != File:
		v.fault("hive", e.Name, fmt.Sprintf("is a %s, but must be a registry hive", e.Kind), "write the hive as a file")
		return nil
	case e.Size == 0:
		v.fault("hive", e.Name, "is an empty file, not a registry hive", "write a hive that has at least a root key")
		return nil
	case v.Hive == nil:
		return nil
	}
	found, err := v.Hive(e.Name, e.Size, v.reader)
	if err != nil {
		return fmt.Errorf("check hive %q: %w", e.Name, err)
	}
	for _, f := range found {
		v.add(f.Severity, f.Rule, e.Name, f.Problem, f.Remedy)
	}
	return nil
}

// isHive reports whether e is where Windows wants a hive, and counts the deltas.
func (v *validator) isHive(e *Entry) bool {
	switch {
	case parentOf(e.Name) == rootHives:
		v.deltas++
		return true
	case nt.EqualFold(e.Name, bootConfig):
		return true
	}
	return v.Base && baseHive(e.Name)
}

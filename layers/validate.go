package layers

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// Validate reads the tar r to its end and returns what keeps it from being a good layer; base says that it is the lowest
// of its image. It sees one layer only: that a link or a deletion meets something in the layers below, and that hives
// are whole, is for those to check who have them.
//
// An error means that the tar could be read no further; the findings up to there come with it.
func Validate(r io.Reader, base bool) ([]Finding, error) {
	lr := NewReader(r, Limits{})
	v := validator{base: base, seen: map[string]*Entry{}, gone: map[string]string{}, findings: &lr.findings}
	for {
		e, err := lr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return lr.Findings(), err
		}
		v.entry(e)
	}
	v.end()
	return lr.Findings(), nil
}

type validator struct {
	base     bool
	seen     map[string]*Entry // by folded name, what exists after the layer; only name, kind and target are kept
	gone     map[string]string // deleted names by folded name
	owner    string            // the last entry that may have streams
	findings *findings
}

func (v *validator) fault(rule, entry, problem, remedy string) {
	v.findings.add(Error, rule, entry, problem, remedy)
}

func (v *validator) warn(rule, entry, problem, remedy string) {
	v.findings.add(Warning, rule, entry, problem, remedy)
}

func (v *validator) entry(e *Entry) {
	if e.Kind == Stream {
		v.stream(e)
		return
	}
	v.owner = ""
	v.parent(e)
	key := nt.Fold(e.Name)
	switch e.Kind {
	case Opaque:
		return // the Reader has reported it
	case Whiteout:
		v.whiteout(e, key)
		return
	}
	if before, ok := v.seen[key]; ok {
		v.twice(e, before)
	}
	if _, ok := v.gone[key]; ok {
		v.both(e)
	}
	v.seen[key] = &Entry{Name: e.Name, Kind: e.Kind}
	if e.Kind == File || e.Kind == Dir {
		v.owner = e.Name
	}
	v.place(e)
	v.metadata(e)
	v.links(e)
}

func (v *validator) stream(e *Entry) {
	if file, _ := splitStream(e.Name); file != v.owner {
		v.fault("orphan-stream", e.Name, "does not follow its file", "write a stream directly behind its file, or leave it out")
		return
	}
	v.warn("stream", e.Name, "is an alternate data stream, which not every importer keeps", "leave it out")
}

func (v *validator) parent(e *Entry) {
	name := parentOf(e.Name)
	if name == "" || e.Kind == Opaque {
		return
	}
	switch parent, ok := v.seen[nt.Fold(name)]; {
	case !ok:
		v.fault("missing-parent", e.Name, fmt.Sprintf("its directory %q does not come before it", name),
			"write every parent directory once, before what lies in it")
	case parent.Kind != Dir:
		v.fault("child-under-"+strings.ReplaceAll(parent.Kind.String(), " ", "-"), e.Name,
			fmt.Sprintf("lies below %q, which is a %s", name, parent.Kind), "write it where the link leads, or make a directory of it")
	}
}

func (v *validator) whiteout(e *Entry, key string) {
	if v.base {
		v.fault("whiteout-in-base", e.Name, "is deleted by the lowest layer", "leave it out of the layer")
	}
	if _, ok := v.seen[key]; ok {
		v.both(e)
	}
	v.gone[key] = e.Name
}

func (v *validator) both(e *Entry) {
	v.fault("whiteout-and-add", e.Name, "is both deleted and added; Windows deletes last", "write only the addition")
}

func (v *validator) twice(e, before *Entry) {
	if e.Name != before.Name {
		v.fault("case-twin", e.Name, fmt.Sprintf("is the same name as %q on Windows", before.Name), "rename one of them")
		return
	}
	if !v.base && below(e.Name, rootUVM) {
		v.warn("duplicate", e.Name, "is written twice", "write it once")
		return
	}
	v.fault("duplicate", e.Name, "is written twice", "write it once")
}

func (v *validator) place(e *Entry) {
	if e.Name == rootOf(e.Name) && e.Kind != Dir {
		v.fault("root-kind", e.Name, "is no directory", "make it one")
	}
	if v.base && below(e.Name, rootHives) {
		v.fault("hives-in-base", e.Name, "is in the lowest layer, whose registry is below Files", "leave Hives out")
	}
}

func (v *validator) metadata(e *Entry) {
	if e.Kind != Dir && e.Attributes&attrStorage != 0 {
		v.warn("storage-attributes", e.Name, "is marked sparse, compressed or encrypted", "clear those attributes")
	}
	if e.SD == nil {
		if strings.HasPrefix(e.Name, rootFiles+"/") && (e.Kind == File || e.Kind == Dir) {
			v.warn("no-descriptor", e.Name, "has no security descriptor; on some hosts only administrators can read it",
				"write "+paxSD)
		}
		return
	}
	sd, err := nt.ParseSD(e.SD)
	switch {
	case err != nil:
		v.fault("descriptor", e.Name, fmt.Sprintf("security descriptor: %v", err), "write a self-relative descriptor")
	case sd.DACL == nil:
		v.warn("no-dacl", e.Name, "its security descriptor lets everyone do everything", "give it an access list")
	}
}

func (v *validator) links(e *Entry) {
	switch e.Kind {
	case Symlink:
		if e.Junction && !absolute(e.Target) {
			v.fault("junction-target", e.Name, fmt.Sprintf("is a junction to %q, which is not absolute", e.Target),
				"write a target with its drive")
		}
		if strings.HasPrefix(e.Target, rootFiles+`\`) {
			v.warn("link-prefix", e.Name, fmt.Sprintf("leads to %q, which Windows takes literally", e.Target),
				"write the path as programs on Windows see it")
		}
	case HardLink:
		target, ok := v.seen[nt.Fold(e.Target)]
		switch {
		case ok && target.Kind != File && target.Kind != HardLink:
			v.fault("link-target", e.Name, fmt.Sprintf("is a hard link to the %s %q", target.Kind, e.Target), "link to a file")
		case !ok && v.base:
			v.fault("link-target", e.Name, fmt.Sprintf("is a hard link to %q, which does not come before it", e.Target),
				"write the file before its links")
		case !ok:
			v.warn("link-lower", e.Name, fmt.Sprintf("is a hard link to %q, which is not in this layer", e.Target),
				"write the file instead of the link")
		}
	}
}

// baseHives are the files that make the lowest layer one that Windows takes.
var baseHives = []string{"DEFAULT", "SAM", "SECURITY", "SOFTWARE", "SYSTEM"}

func (v *validator) end() {
	if v.seen[nt.Fold(rootFiles)] == nil {
		v.fault("no-files", "", "there is no Files directory", "write one, even if it is empty")
	}
	if !v.base {
		if v.seen[nt.Fold(rootHives)] == nil {
			v.fault("no-hives", "", "there is no Hives directory", "write one, even if it is empty")
		}
		return
	}
	for _, hive := range baseHives {
		name := "Files/Windows/System32/config/" + hive
		if e := v.seen[nt.Fold(name)]; e == nil || e.Kind != File && e.Kind != HardLink {
			v.fault("missing-hive", name, "the lowest layer has no such registry hive", "write all five base hives")
		}
	}
}

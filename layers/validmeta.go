package layers

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// attrKnown are the attributes that a layer can mean.
const attrKnown = AttrReadOnly | AttrHidden | AttrSystem | AttrDirectory | AttrArchive | AttrNormal | AttrTemporary |
	AttrReparse | AttrOffline | AttrNotIndexed | attrStorage

// sdFault is what is wrong with a security descriptor, the same for every entry that has it.
type sdFault struct {
	severity              Severity
	rule, problem, remedy string
}

func (v *validator) metadata(e *Entry) {
	if e.Kind != Dir && e.Attributes&attrStorage != 0 {
		v.warn("storage-attributes", e.Name, "is marked sparse, compressed or encrypted", "clear those attributes")
	}
	if odd := e.Attributes &^ attrKnown; odd != 0 {
		v.warn("odd-attributes", e.Name, fmt.Sprintf("has the attributes %#x, which no layer carries", odd), "clear those attributes")
	}
	inFiles := strings.HasPrefix(e.Name, rootFiles+"/")
	switch {
	case e.SD == nil && inFiles && (e.Kind == File || e.Kind == Dir):
		v.warn("no-descriptor", e.Name, "has no security descriptor; on some hosts only administrators can read it", "write "+paxSD)
	case e.SD == nil:
	case below(e.Name, rootHives):
		v.warn("hives-descriptor", e.Name, "has a security descriptor, which Windows ignores in Hives", "leave "+paxSD+" out")
	default:
		for _, f := range v.descriptor(e.SD) {
			v.add(f.severity, f.rule, e.Name, f.problem, f.remedy)
		}
	}
}

// descriptor judges a security descriptor, once for all entries that have it.
func (v *validator) descriptor(raw []byte) []sdFault {
	if known, ok := v.sds[string(raw)]; ok {
		return known
	}
	found := judge(raw)
	if len(v.sds) < maxKnownSDs {
		v.sds[string(raw)] = found
	}
	return found
}

func judge(raw []byte) []sdFault {
	sd, err := nt.ParseSD(raw)
	switch {
	case err != nil:
		return []sdFault{{Error, "descriptor", fmt.Sprintf("security descriptor: %v", err), "write a self-relative descriptor"}}
	case sd.DACL == nil:
		return []sdFault{{Warning, "no-dacl", "its security descriptor lets everyone do everything", "give it an access list"}}
	case !sd.DACL.Canonical():
		return []sdFault{{Warning, "acl-order", "its access list is not in the order that Windows' tools want",
			"write own entries before inherited ones and denials before grants"}}
	}
	return nil
}

// knows reports whether the layers below can be asked for name.
func (v *validator) knows(name string) bool {
	return v.Lower != nil && strings.HasPrefix(name, rootFiles+"/")
}

// ask returns what the layers below have under name, nil if they have nothing or cannot be asked.
func (v *validator) ask(name string) *Entry {
	if !v.knows(name) {
		return nil
	}
	return v.Lower(name)
}

// lower compares e with what it stands on.
func (v *validator) lower(e *Entry) {
	low := v.ask(e.Name)
	if low == nil {
		return
	}
	v.respelled(e, low)
	if e.Kind != Dir || low.Kind != Dir {
		return
	}
	const meant = attrKnown &^ attrStorage
	if e.Attributes&meant != low.Attributes&meant || e.SD != nil && low.SD != nil && !bytes.Equal(e.SD, low.SD) {
		v.warn("changed-directory", e.Name, "has other attributes or another security descriptor than in the layers below",
			"write a directory that is there already with the metadata it has")
	}
}

func (v *validator) respelled(e, low *Entry) {
	if was := baseOf(low.Name); was != baseOf(e.Name) {
		v.warn("case-differs", e.Name, fmt.Sprintf("is spelled %q in the layers below", shorten(was)), "write it as it is there")
	}
}

package layers

import (
	"fmt"
	"strings"
)

func (v *validator) hardLink(e *Entry) {
	target, ok := v.seen[keyOf(e.Target)]
	bad := func(format string, args ...any) {
		v.fault("link-target", e.Name, fmt.Sprintf(format, args...), "link to a file of the same layer that comes before it")
	}
	to := shorten(e.Target)
	if below(e.Name, rootFiles) && below(e.Target, rootUVM) {
		v.warn("link-direction", e.Name, fmt.Sprintf("is a hard link to %q in the utility VM", to), "write the file below Files and link to it there")
	}
	switch {
	case below(e.Name, rootHives), below(e.Target, rootHives):
		bad("is a hard link to %q; links are for Files and UtilityVM/Files", to)
	case mutable(e.Target):
		bad("is a hard link to %q, which an import rewrites", to)
	case ok && target.gone && !target.there:
		bad("is a hard link to %q, which this layer deletes", to)
	case !ok || !target.there:
		v.linkBelow(e)
	case target.kind != File && target.kind != HardLink:
		bad("is a hard link to the %s %q", target.kind, to)
	case target.exact != spellingOf(e.Target):
		bad("is a hard link to %q, whose case differs from that of the file", to)
	case target.names >= maxLinks:
		bad("is one name more than the %d that NTFS gives the file %q", maxLinks, to)
	default:
		target.names++
		v.seen[keyOf(e.Target)] = target
	}
}

// linkBelow judges a hard link to what this layer does not have.
func (v *validator) linkBelow(e *Entry) {
	low := v.ask(e.Target)
	switch to := shorten(e.Target); {
	case v.Base, v.knows(e.Target) && low == nil:
		v.fault("link-target", e.Name, fmt.Sprintf("is a hard link to %q, which does not come before it", to),
			"write the file before its links")
	case low != nil && low.Kind != File && low.Kind != HardLink:
		v.fault("link-target", e.Name, fmt.Sprintf("is a hard link to the %s %q of a lower layer", low.Kind, to), "link to a file")
	default:
		v.warn("link-lower", e.Name, fmt.Sprintf("is a hard link to %q, which is not in this layer", to),
			"write the file instead of the link")
	}
}

// Bounds of what is kept of symbolic links until the layer's end, when all that they can lead to is known. Links beyond
// them are not followed.
const (
	maxLinkCount = 1 << 16
	maxLinkText  = 16 << 20
	maxHops      = 63 // as many reparse points as NT follows in one path
)

// linkList holds the symbolic links of a layer.
type linkList struct {
	list  []pendingLink
	index map[nameKey]int
	text  int
}

type pendingLink struct {
	name, target string
	dir          bool
}

func (v *validator) symlink(e *Entry) {
	switch {
	case e.Target == "":
		v.fault("link-target", e.Name, "leads nowhere", "write the path that programs on Windows see")
		return
	case e.Junction && !absolute(e.Target):
		v.fault("junction-target", e.Name, fmt.Sprintf("is a junction to %q, which is not absolute", shorten(e.Target)),
			"write a target with its drive")
	case strings.HasPrefix(e.Target, rootFiles+`\`):
		v.warn("link-prefix", e.Name, fmt.Sprintf("leads to %q, which Windows takes literally", shorten(e.Target)),
			"write the path as programs on Windows see it")
		return
	}
	l := &v.links
	if l.text += len(e.Name) + len(e.Target); len(l.list) >= maxLinkCount || l.text > maxLinkText {
		return
	}
	if l.index == nil {
		l.index = map[nameKey]int{}
	}
	l.index[keyOf(e.Name)] = len(l.list)
	l.list = append(l.list, pendingLink{e.Name, e.Target, e.Attributes&AttrDirectory != 0})
}

// resolveLinks follows every symbolic link as far as this layer and those below it tell.
func (v *validator) resolveLinks() {
	for i := range v.links.list {
		l := &v.links.list[i]
		at, ok := targetName(l.name, l.target)
		if !ok {
			continue
		}
		kind, why := v.follow(at)
		switch {
		case why == endless:
			v.warn("link-cycle", l.name, fmt.Sprintf("leads to %q and from there in a circle", shorten(l.target)), "break the circle")
		case why == absent && (v.Base || v.knows(at)):
			v.warn("dangling-link", l.name, fmt.Sprintf("leads to %q, which is not there", shorten(l.target)), "write what it leads to, or leave it out")
		case why == found && kind <= Dir && l.dir != (kind == Dir):
			v.warn("link-kind", l.name, fmt.Sprintf("is a link to a %s by its attributes, but leads to a %s", linkKind(l.dir), kind),
				"give links to directories, and only them, attribute 16")
		}
	}
}

func linkKind(dir bool) Kind {
	if dir {
		return Dir
	}
	return File
}

// How the search for what a link leads to ends.
type outcome uint8

const (
	unknown outcome = iota
	found
	absent
	endless
)

// follow finds what lies under a tar name, through the links of this layer.
func (v *validator) follow(name string) (Kind, outcome) {
	for range maxHops {
		next, hop, known := v.hop(name)
		switch {
		case !known:
			return 0, unknown
		case hop:
			name = next
			continue
		}
		kind, ok := v.kindOf(name)
		if !ok {
			return 0, absent
		}
		if kind == HardLink {
			kind = File
		}
		return kind, found
	}
	return 0, endless
}

// kindOf returns what this layer or one below it has under a tar name.
func (v *validator) kindOf(name string) (Kind, bool) {
	if r := v.seen[keyOf(name)]; r.there {
		return r.kind, true
	}
	if low := v.ask(name); low != nil {
		return low.Kind, true
	}
	return 0, false
}

// hop replaces the first link on the way to name by its target. It does not know where links of lower layers lead.
func (v *validator) hop(name string) (next string, hop, known bool) {
	if len(name) > maxPath {
		return "", false, false
	}
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		head := name[:i]
		if n, ok := v.links.index[keyOf(head)]; ok {
			at, ok := targetName(head, v.links.list[n].target)
			return at + name[i:], true, ok
		}
		if r := v.seen[keyOf(head)]; !r.there {
			if low := v.ask(head); low != nil && low.Kind == Symlink {
				return "", false, false
			}
		} else if r.kind == Symlink {
			return "", false, false // one that was not kept
		}
	}
	return "", false, true
}

// targetName returns the tar name of what a symbolic link at the tar name link leads to, if that is a path of the image.
func targetName(link, target string) (string, bool) {
	root := rootFiles
	if below(link, rootUVMFiles) {
		root = rootUVMFiles
	}
	target = strings.TrimPrefix(target, `\\?\`)
	from := root
	switch {
	case strings.HasPrefix(target, `\\`):
		return "", false
	case len(target) >= 2 && target[1] == ':':
		if target[0]|0x20 != 'c' || len(target) == 2 || target[2] != '\\' {
			return "", false
		}
		target = target[2:]
	case strings.HasPrefix(target, `\`):
	default:
		from = parentOf(link)
	}
	parts := strings.Split(strings.TrimPrefix(from, root), "/")[1:]
	if from == root {
		parts = nil
	}
	for part := range strings.SplitSeq(target, `\`) {
		switch {
		case part == "" || part == ".":
		case part == "..":
			parts = parts[:max(len(parts)-1, 0)]
		case strings.IndexByte(part, '/') >= 0, checkComponent(part) != nil:
			return "", false
		default:
			parts = append(parts, part)
		}
	}
	return strings.Join(append([]string{root}, parts...), "/"), true
}

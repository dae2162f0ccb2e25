package layers

import (
	"archive/tar"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mullion/mullion/internal/nt"
)

// cleanName returns the canonical tar name of a member, "" if it lies outside of the roots, which is a finding.
func (r *Reader) cleanName(hdr *tar.Header) (string, error) {
	raw := hdr.Name
	if strings.HasPrefix(raw, "/") {
		return "", refuse("bad-name", renameRemedy, "is an absolute path")
	}
	name := r.tidy(raw, raw)
	if name == "" {
		return "", nil // the "./" that GNU tar begins with
	}
	if err := r.checkName(name); err != nil {
		return "", err
	}
	name = r.spellRoot(name)
	if rootOf(name) == "" {
		r.fault("foreign-root", shorten(name), "lies outside of Files, Hives and UtilityVM/Files",
			"put the files of the image below Files")
		return "", nil
	}
	if rootOf(name) == rootHives && name != rootHives {
		if want, ok := deltaFiles[nt.Fold(baseOf(name))]; ok {
			return rootHives + "/" + want, nil
		}
		if !strings.HasPrefix(baseOf(name), whiteoutPrefix) {
			r.fault("hives", name, "is not one of the five registry deltas", "leave it out of the layer")
			return "", nil
		}
	}
	if file, stream := splitStream(name); file != name {
		name = file + ":" + strings.TrimSuffix(stream, dataSuffix)
	}
	r.spelling(name)
	return name, nil
}

// spelling reports names that can be on a volume but are of no use there.
func (r *Reader) spelling(name string) {
	base := streamless(baseOf(name))
	if strings.HasPrefix(base, whiteoutPrefix) {
		return
	}
	err := nt.ValidateName(base)
	switch {
	case err == nil:
	case len(base) >= len(metadataSuffix) && strings.EqualFold(base[len(base)-len(metadataSuffix):], metadataSuffix):
		r.fault("reserved-name", name, err.Error(), "rename it; Windows' export would swallow it")
	default:
		r.warn("name", name, err.Error(), "rename it; programs on Windows cannot reach it")
	}
	if parentOf(name) == rootFiles && strings.EqualFold(base, "$Recycle.Bin") {
		r.warn("recycle-bin", name, "is the recycle bin, which Windows' own exports leave out", "leave it out of the layer")
	}
}

const (
	metadataSuffix = ".$wcidirs$" // of the files in which an import keeps the metadata of directories
	renameRemedy   = "give it a name below Files that Windows can hold"
)

func streamless(base string) string {
	file, _ := splitStream(base)
	return file
}

// checkName refuses what leads out of the layer or cannot be on a Windows volume.
func (r *Reader) checkName(name string) error {
	file, stream := splitStream(name)
	if file != name {
		if err := checkComponent(strings.TrimSuffix(stream, dataSuffix)); err != nil {
			return refuse("bad-name", renameRemedy, "stream: %v", err)
		}
	}
	if err := checkPath(file, r.lim.Depth); err != nil {
		return refuse("bad-name", renameRemedy, "%v", err)
	}
	return nil
}

// tidy removes what tar programs add to a name, and does to bytes that are not UTF-8 what Windows does.
func (r *Reader) tidy(entry, name string) string {
	if !utf8.ValidString(name) {
		r.warn("encoding", shorten(entry), "name is not UTF-8", "write names in UTF-8")
		name = string([]rune(name))
	}
	clean := strings.TrimRight(name, "/")
	for strings.HasPrefix(clean, "./") {
		clean = strings.TrimLeft(clean[2:], "/")
	}
	if clean == "." {
		return ""
	}
	if clean != name {
		r.warn("spelling", shorten(entry), `name has a trailing slash or a leading "./", which Windows takes for another name`,
			"write names without them")
	}
	return clean
}

// spellRoot corrects the case of the reserved components.
func (r *Reader) spellRoot(name string) string {
	for _, root := range []string{rootFiles, rootHives, rootUVMFiles, rootUVM} {
		if len(name) >= len(root) && below(name, name[:len(root)]) && name[:len(root)] != root && strings.EqualFold(name[:len(root)], root) {
			r.fault("root-case", shorten(name), "Windows finds "+root+" by its exact case only", "write "+root)
			return root + name[len(root):]
		}
	}
	return name
}

// deletion recognises whiteouts, which only their name tells. A nil entry is left out.
func (r *Reader) deletion(name string) (e *Entry, found bool) {
	base := baseOf(name)
	gone, ok := strings.CutPrefix(base, whiteoutPrefix)
	if !ok {
		return nil, false
	}
	parent := parentOf(name)
	switch {
	case !below(parent, rootFiles) && !below(parent, rootUVMFiles):
		r.fault("whiteout-place", name, "Windows deletes only in Files and UtilityVM/Files", "leave it out of the layer")
		return nil, true
	case base == opaqueName:
		r.fault("opaque", parent, "has an opaque marker, which Windows ignores: the files of lower layers stay visible",
			"delete each child of the directory instead")
		return &Entry{Name: parent, Kind: Opaque}, true
	case strings.HasPrefix(base, reservedPrefix), checkComponent(gone) != nil:
		r.fault("whiteout-name", name, "deletes nothing that can exist", "leave it out of the layer")
		return nil, true
	}
	return &Entry{Name: parent + "/" + gone, Kind: Whiteout}, true
}

// linkTarget returns the tar name that a hard link leads to. Some tools forget that it begins at the layer's root.
func (r *Reader) linkTarget(name, link string) (string, error) {
	target := r.spellRoot(r.tidy(name, link))
	if err := checkPath(target, r.lim.Depth); err != nil {
		return "", refuse("link-target", "link to a file of the same layer", "hard link to %q: %v", shorten(link), err)
	}
	if rootOf(target) == "" {
		r.fault("link-target", name, fmt.Sprintf("hard link to %q, which is no name in a layer", shorten(link)),
			"write the whole name of the target, such as Files/"+shorten(target))
		target = rootFiles + "/" + target
	}
	return target, nil
}

// reparseTarget returns the Windows path that a symbolic link holds. The importer turns every slash as well.
func (r *Reader) reparseTarget(name, link string) string {
	if !utf8.ValidString(link) {
		r.warn("encoding", name, "link target is not UTF-8", "write link targets in UTF-8")
		link = string([]rune(link))
	}
	return strings.ReplaceAll(link, "/", `\`)
}

func sortEAs(eas []EA) {
	slices.SortFunc(eas, func(a, b EA) int { return cmp.Compare(a.Name, b.Name) })
}

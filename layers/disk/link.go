package disk

import (
	"fmt"
	"path"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// relink turns the Windows targets of all symlinks into what Linux resolves to
// the same entry: relative, so that it holds wherever the tree is mounted, and in
// the spelling of the tree, because Linux compares names byte by byte.
func (n *node) relink() error {
	return n.relinkBelow(n, "")
}

func (n *node) relinkBelow(root *node, dir string) error {
	for _, k := range n.kids {
		if k.kids != nil {
			if err := k.relinkBelow(root, path.Join(dir, k.name)); err != nil {
				return err
			}
			continue
		}
		if k.target == "" || k.plain {
			continue
		}
		if k.target = linuxTarget(root, dir, k.target); len(k.target) > maxLink {
			return fmt.Errorf("symlink %s: its target of %d bytes is too long", path.Join(dir, k.name), len(k.target))
		}
	}
	return nil
}

// linuxTarget translates the target of a link in the directory dir. A target
// outside C: leads nowhere: it becomes one name without slashes, which no file of
// the tree has and which cannot point to anything of the host.
func linuxTarget(root *node, dir, target string) string {
	to, ok := insideC(dir, target)
	if !ok {
		return strings.ReplaceAll(target, "/", `\`)
	}
	to = root.spelling(to)
	var up int
	if dir != "" {
		up = strings.Count(dir, "/") + 1
	}
	switch {
	case up == 0 && to == "":
		return "."
	case to == "":
		return strings.TrimSuffix(strings.Repeat("../", up), "/")
	}
	return strings.Repeat("../", up) + to
}

// insideC gives the place on C: that a Windows target means for a link in dir.
// Windows, too, resolves the dots of a target before it looks at any file.
func insideC(dir, target string) (string, bool) {
	t := strings.ReplaceAll(target, `\`, "/")
	device := false
	for _, prefix := range []string{"/??/", "//?/", "//./"} {
		if rest, ok := strings.CutPrefix(t, prefix); ok {
			t, device = rest, true
			break
		}
	}
	switch {
	case len(t) >= 2 && t[1] == ':':
		if t[0]|0x20 != 'c' || len(t) > 2 && t[2] != '/' {
			return "", false
		}
		t = "/" + t[2:]
	case device, strings.HasPrefix(t, "//"):
		return "", false
	case !strings.HasPrefix(t, "/"):
		t = "/" + dir + "/" + t
	}
	return strings.TrimPrefix(path.Clean(t), "/"), true
}

// spelling gives p in the names that the tree has, as far as p is there.
func (n *node) spelling(p string) string {
	if p == "" {
		return ""
	}
	parts := strings.Split(p, "/")
	at := n
	for i, name := range parts {
		next := at.kids[nt.Fold(name)]
		if next == nil && at.kids != nil {
			next = at.byLinuxName(name)
		}
		if next == nil {
			break
		}
		parts[i] = next.name
		at = next
	}
	return strings.Join(parts, "/")
}

package reg

import (
	"context"
	"io"
	"strings"

	"github.com/mullion/mullion/hives/regfile"
)

// ExportJSON prints a key of r and all below it, a JSON object for each, one a line.
func ExportJSON(ctx context.Context, w io.Writer, r *Registry, key string) error {
	return Query{Deep: true, JSON: true}.Run(ctx, w, r, key)
}

// ExportReg writes a key of r and all below it as a .reg file. The keys of a hive file
// get prefix before their paths; without one they begin with a backslash. A delta hive
// becomes the deletions and additions that it stands for.
func ExportReg(w io.Writer, version regfile.Version, r *Registry, key, prefix string) error {
	n, err := r.Find(key)
	if err != nil {
		return err
	}
	path := n.Path
	if !r.IsImage() {
		if prefix = strings.TrimSuffix(prefix, `\`); path != "" {
			prefix += `\`
		}
		return regfile.Write(w, version, regfile.Root{Path: prefix + path, Key: n.Key})
	}
	if path != "" {
		return regfile.Write(w, version, regfile.Root{Path: path, Key: n.Key})
	}
	var roots []regfile.Root
	for root, err := range n.Subkeys() {
		if err != nil {
			return err
		}
		roots = append(roots, regfile.Root{Path: root.Path, Key: root.Key})
	}
	return regfile.Write(w, version, roots...)
}

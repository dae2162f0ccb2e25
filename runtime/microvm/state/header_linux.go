package state

import (
	"archive/tar"
	"io/fs"
	"strings"
	"time"
)

// The extended attributes of overlayfs that matter when a folder is moved: that a
// directory hides the one below, and where a renamed directory came from. The
// others only speed things up or name inodes of the machine they were made on.
const (
	overlayRoot = "trusted.overlay."
	// overlayUser replaces overlayRoot where only root could set it.
	overlayUser = "user.overlay."
	paxXattr    = "SCHILY.xattr."
)

func overlayMarks() []string { return []string{"opaque", "redirect"} }

// isMark tells whether an extended attribute of a tar entry is one of ours, and
// which.
func isMark(pax string) (mark string, ok bool) {
	name, ok := strings.CutPrefix(pax, paxXattr+overlayRoot)
	if !ok {
		return "", false
	}
	for _, m := range overlayMarks() {
		if m == name {
			return m, true
		}
	}
	return "", false
}

// header gives the tar header of a file as every machine would write it: owned by
// root, with the permissions and the time of the last change.
func header(name string, info fs.FileInfo) *tar.Header {
	h := &tar.Header{
		Name:    name,
		Mode:    int64(info.Mode().Perm()),
		ModTime: info.ModTime(),
		Format:  tar.FormatPAX,
	}
	if h.ModTime.Unix() < 0 {
		h.ModTime = time.Unix(0, 0) // tar knows no earlier time in a plain header
	}
	return h
}

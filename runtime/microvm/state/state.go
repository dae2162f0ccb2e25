// Package state moves what a container wrote between the host and its utility VM.
//
// A container's own folder (see package runtime/wine) holds its Wine prefix and
// the upper directory of the overlay that is its drive C:. Pack turns some of its
// folders into a tar, Unpack turns that into folders again, on either side. What
// overlayfs knows about an upper directory survives: whiteouts, which are
// character devices 0/0, and the marks of replaced and renamed folders.
//
// The tar that comes out of a VM is as trustworthy as the program that ran there,
// so that Unpack takes nothing for granted: no path leads out of the folder, no
// device but a whiteout is made, no file can become set-user-ID, and the amounts
// are bounded.
package state

import (
	"archive/tar"
	"io/fs"
	"strings"
	"time"
)

// Limits bounds what Unpack takes.
type Limits struct {
	// Bytes is the length of all contents together.
	Bytes int64
	// Entries is the number of files, directories and links.
	Entries int
}

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

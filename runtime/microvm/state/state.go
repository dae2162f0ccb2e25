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

// Limits bounds what Unpack takes.
type Limits struct {
	// Bytes is the length of all contents together.
	Bytes int64
	// Entries is the number of files, directories and links.
	Entries int
}

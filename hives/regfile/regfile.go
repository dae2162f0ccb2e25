// Package regfile reads and writes .reg files, the text form of the registry that
// regedit and reg.exe exchange.
//
// What the form cannot hold is lost: classes, security descriptors, times, links and
// the tombstones of delta hives. The facts are from Microsoft's support article on
// .reg files and from Wine's conformance tests, which are run on Windows.
package regfile

import "github.com/mullion/mullion/hives"

// What a file may hold; more is refused.
const (
	maxFile = 1 << 30  // bytes
	maxData = 64 << 20 // bytes of one value
)

// Section is one key of a .reg file and what to do with it.
type Section struct {
	Path   string // with its root, as written: HKEY_LOCAL_MACHINE\SOFTWARE\X
	Delete bool   // delete the key with all below it; no values then
	Values []Entry
}

// Entry is one line of a section.
type Entry struct {
	hives.Value
	Delete bool // delete the value; only its name is set
}

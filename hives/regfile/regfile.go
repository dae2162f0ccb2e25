// Package regfile reads and writes .reg files, the text form of the registry that
// regedit and reg.exe exchange.
//
// Deletions are part of the form, so that a delta hive can be written too. What the form
// cannot hold is lost: classes, security descriptors, times and that a key is a link. The
// facts are from Microsoft's support article on .reg files and from Wine's conformance
// tests, which are run on Windows.
package regfile

import "github.com/mullion/mullion/hives"

// What a file may hold; more is refused.
const (
	maxFile = 1 << 30   // bytes
	maxLine = 256 << 20 // bytes
	maxData = 64 << 20  // bytes of one value
	maxKeys = 8 << 20   // that are written
)

// Version is one of the two forms of a .reg file. It is the file's first line.
type Version string

const (
	// Version5 is that of Windows 2000 and later: UTF-16, for any name and data.
	Version5 Version = "Windows Registry Editor Version 5.00"
	// Version4 is that of Windows 95 and NT 4, in the code page of the machine that reads
	// it. Programs that write .reg files by hand still prefer it.
	Version4 Version = "REGEDIT4"
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

// Package tools is the programs of System32 that the offline shell knows. They
// print what the real ones print and return their exit codes.
package tools

import (
	"maps"
	"slices"

	"github.com/mullion/mullion/runtime/offline/proc"
)

var programs = map[string]proc.Program{
	"attrib": attrib, "certutil": certutil, "curl": curl, "find": find, "findstr": findstr, "icacls": icacls, "ping": ping, "reg": reg, "regedit": regedit, "robocopy": robocopy,
	"sc": sc, "setx": setx, "takeown": takeown, "tar": tar, "timeout": timeout, "where": where, "whoami": whoami, "xcopy": xcopy,
}

// Find returns a program by its name in lower case, without ".exe".
func Find(name string) (proc.Program, bool) {
	p, ok := programs[name]
	return p, ok
}

// Names lists the programs, sorted.
func Names() []string { return slices.Sorted(maps.Keys(programs)) }

// isOption reports whether an argument is an option: it starts with a slash or a
// dash.
func isOption(arg string) bool { return len(arg) > 1 && (arg[0] == '/' || arg[0] == '-') }

// Package tools is the programs of System32 that the offline shell knows: reg
// and setx. They print what the real ones print and return their exit codes.
package tools

import "github.com/mullion/mullion/runtime/offline/proc"

// Find returns a program by its name in lower case, without ".exe".
func Find(name string) (proc.Program, bool) {
	switch name {
	case "reg":
		return reg, true
	case "setx":
		return setx, true
	}
	return nil, false
}

// Names lists the programs, sorted.
func Names() []string { return []string{"reg", "setx"} }

// isOption reports whether an argument is an option: it starts with a slash or a
// dash.
func isOption(arg string) bool { return len(arg) > 1 && (arg[0] == '/' || arg[0] == '-') }

package cmdexe

import "strings"

// SplitProgram takes the program off the front of a command line as
// CreateProcess does: a quoted path, or all up to the first space.
func SplitProgram(line string) (name, rest string) {
	line = strings.TrimLeft(line, " \t")
	if after, ok := strings.CutPrefix(line, `"`); ok {
		name, rest, _ = strings.Cut(after, `"`)
		return name, rest
	}
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		return line[:i], line[i:]
	}
	return line, ""
}

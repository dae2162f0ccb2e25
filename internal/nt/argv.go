package nt

import "strings"

// EscapeArg quotes one argument so that a program whose C runtime splits its command
// line finds it unchanged: in quotes if it is empty or holds a space or tab, quotes
// escaped by a backslash, backslashes doubled only before a quote.
func EscapeArg(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\"") {
		return s
	}
	quote := s == "" || strings.ContainsAny(s, " \t")
	b := make([]byte, 0, len(s)+8)
	if quote {
		b = append(b, '"')
	}
	slashes := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			slashes++
		case '"':
			b = append(appendSlashes(b, slashes), '\\')
			slashes = 0
		default:
			slashes = 0
		}
		b = append(b, s[i])
	}
	if quote {
		b = append(appendSlashes(b, slashes), '"')
	}
	return string(b)
}

func appendSlashes(b []byte, n int) []byte {
	for range n {
		b = append(b, '\\')
	}
	return b
}

// CommandLine joins the arguments of a program, the program first, into the one
// string that Windows starts a process with.
func CommandLine(args []string) string {
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(EscapeArg(a))
	}
	return b.String()
}

// SplitCommandLine takes a command line apart as the C runtime does: in the first
// argument a quote only opens or closes; in the others a quote after an odd number of
// backslashes is literal, and a doubled quote inside quotes stands for one.
func SplitCommandLine(s string) []string {
	s = strings.TrimLeft(s, " \t")
	if s == "" {
		return nil
	}
	program, s := splitProgram(s)
	args := []string{program}
	for {
		if s = strings.TrimLeft(s, " \t"); s == "" {
			return args
		}
		var a string
		a, s = splitArg(s)
		args = append(args, a)
	}
}

func splitProgram(s string) (program, rest string) {
	quoted := false
	var b []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case !quoted && (s[i] == ' ' || s[i] == '\t'):
			return string(b), s[i:]
		default:
			b = append(b, s[i])
		}
	}
	return string(b), ""
}

func splitArg(s string) (arg, rest string) {
	quoted := false
	var b []byte
	for i := 0; i < len(s); i++ {
		slashes := 0
		for i < len(s) && s[i] == '\\' {
			slashes++
			i++
		}
		if i == len(s) || s[i] != '"' {
			b = appendSlashes(b, slashes)
			if i == len(s) {
				break
			}
			if !quoted && (s[i] == ' ' || s[i] == '\t') {
				return string(b), s[i:]
			}
			b = append(b, s[i])
			continue
		}
		b = appendSlashes(b, slashes/2)
		switch {
		case slashes%2 == 1:
			b = append(b, '"')
		case quoted && i+1 < len(s) && s[i+1] == '"':
			b = append(b, '"')
			i++
		default:
			quoted = !quoted
		}
	}
	return string(b), ""
}

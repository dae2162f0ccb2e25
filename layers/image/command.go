package image

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// maxCommandLine is what CreateProcess takes, in UTF-16 units without the final NUL.
const maxCommandLine = 32766

// defaultShell returns what runs the shell form where no SHELL says otherwise.
func defaultShell() []string { return []string{"cmd", "/S", "/C"} }

// Command is the operand of RUN, CMD or ENTRYPOINT.
type Command struct {
	// Exec is the array of the exec form; nil for the shell form. An empty array clears CMD or ENTRYPOINT.
	Exec []string
	// Text is the shell form exactly as written, quotes and all.
	Text string
}

// Line returns the command line that RUN starts: the shell followed by the text, or the escaped array.
func (c *Config) Line(cmd Command) string {
	if cmd.Exec != nil {
		return nt.CommandLine(cmd.Exec)
	}
	shell := c.Shell
	if len(shell) == 0 {
		shell = defaultShell()
	}
	// The words of SHELL are joined as they are, like Docker on Windows does: people write "-Command", "$x = 1;".
	return strings.Join(slices.Concat([]string{quoteProgram(shell[0])}, shell[1:], []string{cmd.Text}), " ")
}

// SetCmd sets Cmd, and ArgsEscaped so that the image starts the same under Docker, containerd and Mullion. Windows has
// one command line and one flag for both Entrypoint and Cmd, so an ENTRYPOINT in exec form under a CMD in shell form is
// turned into a command line. The warning is not empty if the result is hardly what was meant.
func (c *Config) SetCmd(cmd Command) (warning string) {
	entry := c.Config.Entrypoint
	if cmd.Exec != nil {
		c.Config.Cmd = slices.Clone(cmd.Exec)
		// A flag that an earlier CMD has set, ours or BuildKit's, goes if the entry point does not depend on it.
		c.ArgsEscaped = c.ArgsEscaped && len(entry) > 0 && !plain(entry[0])
		return ""
	}
	c.Config.Cmd = []string{c.Line(cmd)}
	if len(entry) > 0 && !c.ArgsEscaped {
		c.joinEntrypoint()
		return mixed
	}
	c.ArgsEscaped = true
	return ""
}

// SetEntrypoint sets Entrypoint as SetCmd sets Cmd. As for Docker it clears a Cmd inherited from the base image; keepCmd
// says that the Cmd comes from the same build stage.
func (c *Config) SetEntrypoint(cmd Command, keepCmd bool) (warning string) {
	lineInCmd := keepCmd && c.ArgsEscaped && len(c.Config.Entrypoint) == 0 && len(c.Config.Cmd) > 0 && !plain(c.Config.Cmd[0])
	if !keepCmd {
		c.Config.Cmd = nil
	}
	if cmd.Exec == nil {
		c.Config.Entrypoint, c.ArgsEscaped = []string{c.Line(cmd)}, true
		return ""
	}
	c.Config.Entrypoint, c.ArgsEscaped = slices.Clone(cmd.Exec), false
	switch {
	case !lineInCmd:
		return ""
	case len(cmd.Exec) == 0:
		c.ArgsEscaped = true
		return ""
	}
	c.joinEntrypoint()
	return mixed
}

const mixed = "ENTRYPOINT in exec form gets CMD in shell form as one argument: write both in exec form"

func (c *Config) joinEntrypoint() {
	c.Config.Entrypoint, c.ArgsEscaped = []string{nt.CommandLine(c.Config.Entrypoint)}, true
}

// CommandLine returns the one command line that starts the image. entrypoint and args are what the user has given for
// this run: a non-nil entrypoint stands in the place of the image's ENTRYPOINT and CMD, non-empty args in that of CMD.
//
// Where ArgsEscaped is set the first element is used as it is, unless it is obviously the path of a program with blanks,
// as BuildKit writes; arguments of the user without any ENTRYPOINT are escaped whatever the flag says.
func (c *Config) CommandLine(entrypoint, args []string) (string, error) {
	entry, cmd, escaped := c.Config.Entrypoint, c.Config.Cmd, c.ArgsEscaped
	if entrypoint != nil {
		entry, cmd, escaped = slices.DeleteFunc(slices.Clone(entrypoint), func(s string) bool { return s == "" }), nil, false
	}
	if len(args) > 0 {
		cmd = args
		escaped = escaped && len(entry) > 0
	}
	all := slices.Concat(entry, cmd)
	if len(all) == 0 {
		return "", errors.New("make command line: the image has neither ENTRYPOINT nor CMD: name a command to run")
	}
	line := nt.CommandLine(all)
	if escaped {
		line = quoteProgram(all[0])
		if len(all) > 1 {
			line += " " + nt.CommandLine(all[1:])
		}
	}
	if strings.ContainsRune(line, 0) {
		return "", errors.New("make command line: an argument holds a NUL")
	}
	if n := len(nt.UTF16(line)); n > maxCommandLine {
		return "", fmt.Errorf("make command line: %d characters, Windows takes at most %d", n, maxCommandLine)
	}
	return line, nil
}

// plain reports whether s means the same as a command line and as its first argument.
func plain(s string) bool { return quoteProgram(s) == nt.EscapeArg(s) }

// quoteProgram quotes s if it is a path with blanks up to a program's extension and nothing after it.
func quoteProgram(s string) string {
	if strings.ContainsAny(s, " \t") && !strings.Contains(s, `"`) && isAbsolute(s) && programEnd(s) == len(s) {
		return `"` + s + `"`
	}
	return s
}

func isAbsolute(s string) bool {
	return strings.HasPrefix(s, `\`) || strings.HasPrefix(s, "/") || len(s) > 2 && s[1] == ':' && (s[2] == '\\' || s[2] == '/')
}

// programEnd returns where the first word that ends like a program does ends; -1 if none does.
func programEnd(s string) int {
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != ' ' && s[i] != '\t' || i < 4 {
			continue
		}
		switch strings.ToLower(s[i-4 : i]) {
		case ".exe", ".com", ".bat", ".cmd":
			return i
		}
	}
	return -1
}

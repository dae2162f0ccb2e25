package image

import (
	"slices"
	"strings"
	"testing"
)

// steps of a build and what they leave in the configuration.
type step struct {
	verb string // "CMD", "ENTRYPOINT" or "SHELL"
	exec []string
	text string
}

func apply(c *Config, steps []step) (warnings int) {
	cmdHere := false
	for _, s := range steps {
		warning := ""
		switch s.verb {
		case "SHELL":
			c.Shell = s.exec
		case "CMD":
			warning, cmdHere = c.SetCmd(Command{s.exec, s.text}), true
		case "ENTRYPOINT":
			warning = c.SetEntrypoint(Command{s.exec, s.text}, cmdHere)
		}
		if warning != "" {
			warnings++
		}
	}
	return warnings
}

func TestSetCommands(t *testing.T) {
	shellCmd := step{"CMD", nil, `echo "a b"`}
	execCmd := step{"CMD", []string{"p q", "r"}, ""}
	shellEntry := step{"ENTRYPOINT", nil, `run "x y"`}
	execEntry := step{"ENTRYPOINT", []string{`C:\my app\a.exe`, "b c"}, ""}
	const cmdLine, entryLine = `cmd /S /C echo "a b"`, `cmd /S /C run "x y"`
	tests := []struct {
		name       string
		steps      []step
		entrypoint []string
		cmd        []string
		escaped    bool
		line       string
		warnings   int
	}{
		{"shell cmd", []step{shellCmd}, nil, []string{cmdLine}, true, cmdLine, 0},
		{"exec cmd", []step{execCmd}, nil, []string{"p q", "r"}, false, `"p q" r`, 0},
		{"shell entrypoint", []step{shellEntry}, []string{entryLine}, nil, true, entryLine, 0},
		{"exec entrypoint", []step{execEntry}, []string{`C:\my app\a.exe`, "b c"}, nil, false, `"C:\my app\a.exe" "b c"`, 0},
		{"exec entrypoint, exec cmd", []step{execEntry, execCmd}, []string{`C:\my app\a.exe`, "b c"}, []string{"p q", "r"}, false,
			`"C:\my app\a.exe" "b c" "p q" r`, 0},
		{"shell entrypoint, exec cmd", []step{shellEntry, execCmd}, []string{entryLine}, []string{"p q", "r"}, true,
			entryLine + ` "p q" r`, 0},
		{"exec cmd, shell entrypoint", []step{execCmd, shellEntry}, []string{entryLine}, []string{"p q", "r"}, true,
			entryLine + ` "p q" r`, 0},
		{"shell entrypoint, shell cmd", []step{shellEntry, shellCmd}, []string{entryLine}, []string{cmdLine}, true,
			entryLine + ` "cmd /S /C echo \"a b\""`, 0},
		{"exec entrypoint, shell cmd", []step{execEntry, shellCmd}, []string{`"C:\my app\a.exe" "b c"`}, []string{cmdLine}, true,
			`"C:\my app\a.exe" "b c" "cmd /S /C echo \"a b\""`, 1},
		{"shell cmd, exec entrypoint", []step{shellCmd, execEntry}, []string{`"C:\my app\a.exe" "b c"`}, []string{cmdLine}, true,
			`"C:\my app\a.exe" "b c" "cmd /S /C echo \"a b\""`, 1},
		{"shell cmd, then exec cmd", []step{shellCmd, execCmd}, nil, []string{"p q", "r"}, false, `"p q" r`, 0},
		{"exec entrypoint, cmd of both forms", []step{{"ENTRYPOINT", []string{"a.exe"}, ""}, shellCmd, execCmd}, []string{"a.exe"},
			[]string{"p q", "r"}, false, `a.exe "p q" r`, 1},
		{"cleared entrypoint", []step{shellCmd, execEntry, {"ENTRYPOINT", []string{}, ""}}, nil, []string{cmdLine}, false, "", 1},
		{"powershell", []step{{"SHELL", []string{"powershell", "-Command", "$x = 1;"}, ""}, {"CMD", nil, "Get-Item 'a b'"}}, nil,
			[]string{"powershell -Command $x = 1; Get-Item 'a b'"}, true, "powershell -Command $x = 1; Get-Item 'a b'", 0},
		{"shell with blanks", []step{{"SHELL", []string{`C:\Program Files\PowerShell\7\pwsh.exe`, "-c"}, ""}, {"CMD", nil, "dir"}}, nil,
			[]string{`"C:\Program Files\PowerShell\7\pwsh.exe" -c dir`}, true, `"C:\Program Files\PowerShell\7\pwsh.exe" -c dir`, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var c Config
			warnings := apply(&c, test.steps)
			if !slices.Equal(c.Config.Entrypoint, test.entrypoint) || !slices.Equal(c.Config.Cmd, test.cmd) {
				t.Errorf("Entrypoint %q, Cmd %q", c.Config.Entrypoint, c.Config.Cmd)
			}
			if test.line == "" {
				return
			}
			if c.ArgsEscaped != test.escaped || warnings != test.warnings {
				t.Errorf("ArgsEscaped %v, %d warnings", c.ArgsEscaped, warnings)
			}
			if line, err := c.CommandLine(nil, nil); err != nil || line != test.line {
				t.Errorf("starts %s (%v)\n  want %s", line, err, test.line)
			}
		})
	}
}

// An ENTRYPOINT clears the CMD of the base image, but not one of its own stage.
func TestEntrypointClearsInheritedCmd(t *testing.T) {
	var c Config
	c.SetCmd(Command{Exec: []string{"base"}})
	c.SetEntrypoint(Command{Exec: []string{"a.exe"}}, false)
	if c.Config.Cmd != nil {
		t.Errorf("Cmd is %q", c.Config.Cmd)
	}
}

func TestCommandLine(t *testing.T) {
	none := []string(nil)
	buildKit := []string{"cmd", "/S", "/C", `echo "a b"`}
	path := `C:\Program Files\App\app.exe`
	tests := []struct {
		name             string
		entry, cmd       []string
		escaped          bool
		userEntry, extra []string
		want             string
	}{
		{"plain", []string{path}, []string{"a b", ""}, false, nil, nil, `"C:\Program Files\App\app.exe" "a b" ""`},
		{"quotes and slashes", []string{"a.exe"}, []string{`say "x"`, `C:\dir with\`, `back\slash`}, false, nil, nil,
			`a.exe "say \"x\"" "C:\dir with\\" back\slash`},
		{"classic shell form", none, []string{`cmd /S /C echo "a b"`}, true, nil, nil, `cmd /S /C echo "a b"`},
		{"BuildKit shell form", none, buildKit, true, nil, nil, `cmd /S /C "echo \"a b\""`},
		{"BuildKit exec form", none, []string{path, "a b"}, true, nil, nil, `"C:\Program Files\App\app.exe" "a b"`},
		{"BuildKit exec entry and cmd", []string{path}, []string{"a b"}, true, nil, nil, `"C:\Program Files\App\app.exe" "a b"`},
		{"a command line that begins with a path", none, []string{`C:\bin\a.exe --from C:\other\b.exe`}, true, nil, nil,
			`C:\bin\a.exe --from C:\other\b.exe`},
		{"a quoted command line", none, []string{`"C:\my app\a.exe" b`}, true, nil, nil, `"C:\my app\a.exe" b`},
		{"user arguments in place of CMD", []string{"a.exe"}, []string{"old"}, false, nil, []string{"new arg"}, `a.exe "new arg"`},
		{"user arguments, raw entry", []string{`cmd /S /C x "y"`}, []string{"old"}, true, nil, []string{"new arg"}, `cmd /S /C x "y" "new arg"`},
		{"user arguments, no entry, flag set", none, []string{"cmd /S /C x"}, true, nil, []string{`C:\a b\x`, "y z"}, `"C:\a b\x" "y z"`},
		{"user entry point", []string{"a.exe"}, []string{"old"}, true, []string{"other exe"}, nil, `"other exe"`},
		{"user entry point and arguments", []string{"a.exe"}, []string{"old"}, true, []string{"b.exe"}, []string{"1"}, `b.exe 1`},
		{"cleared entry point and arguments", []string{"a.exe"}, []string{"old"}, true, []string{""}, []string{"c d", "1"}, `"c d" 1`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var c Config
			c.Config.Entrypoint, c.Config.Cmd, c.ArgsEscaped = test.entry, test.cmd, test.escaped
			if got, err := c.CommandLine(test.userEntry, test.extra); err != nil || got != test.want {
				t.Errorf("got %s (%v)\nwant %s", got, err, test.want)
			}
		})
	}
	var c Config
	for _, args := range [][]string{nil, {"a\x00b"}, {strings.Repeat("x", maxCommandLine+1)}} {
		if line, err := c.CommandLine(nil, args); err == nil {
			t.Errorf("%.20q gives %.20q", args, line)
		}
	}
	c.Config.Cmd = []string{"x"}
	if line, err := c.CommandLine([]string{""}, nil); err == nil {
		t.Errorf("a cleared entry point starts %q", line)
	}
}

func TestRunLine(t *testing.T) {
	c := Config{Shell: []string{"powershell", "-Command"}}
	if got := c.Line(Command{Text: `Write-Host "a b"`}); got != `powershell -Command Write-Host "a b"` {
		t.Error(got)
	}
	if got := c.Line(Command{Exec: []string{`C:\a b\x.exe`, "p q"}}); got != `"C:\a b\x.exe" "p q"` {
		t.Error(got)
	}
	c.Shell = nil
	if got := c.Line(Command{Text: `mkdir "c:/foo"`}); got != `cmd /S /C mkdir "c:/foo"` {
		t.Error(got)
	}
}

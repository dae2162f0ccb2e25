package powershell

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// lineWriter hands each line that a program prints on.
type lineWriter struct {
	rest []byte
	line func(string) error
	err  error
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for w.err == nil {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 {
			if len(w.rest) > maxText {
				w.err = errors.New("a line is longer than 256 MiB")
			}
			break
		}
		line := string(bytes.TrimSuffix(w.rest[:i], []byte("\r")))
		w.rest = w.rest[i+1:]
		w.err = w.line(line)
	}
	return len(b), w.err
}

func (w *lineWriter) close() error {
	if w.err == nil && len(w.rest) > 0 {
		w.err = w.line(string(w.rest))
		w.rest = nil
	}
	return w.err
}

// programStage starts a program or a script by its name.
func (in *interp) programStage(c *command, name string, args []arg, out sink) (*stage, error) {
	var input strings.Builder
	st := &stage{process: func(v any) error {
		text, err := in.display(c.pos, v, true)
		for _, l := range text {
			input.WriteString(l + "\r\n")
		}
		return err
	}}
	found := in.p.Search(name)
	if found == "" {
		found = in.p.Search(name + ".ps1")
	}
	if strings.EqualFold(extension(name), ".ps1") || strings.EqualFold(extension(nt.Win(found)), ".ps1") {
		if found == "" || !strings.ContainsAny(name, `\/:`) && !in.onPath(name) {
			return nil, in.raise(c.pos, "System.Management.Automation.CommandNotFoundException", "The term '%s' is not recognized as the name of a cmdlet, function, script file, or operable program.", name)
		}
		st.end = func() error {
			err := in.script(c, found, args, out)
			var exit *exitError
			if errors.As(err, &exit) { // it ends the script, not the one that called it
				in.lastExit, in.ok = int64(int32(exit.code)), exit.code == 0
				return nil
			}
			return err
		}
		return st, nil
	}
	line := quoteName(name)
	for _, a := range args {
		for _, text := range programArgument(a) {
			line += " " + text
		}
	}
	st.end = func() error {
		child := in.p.Child()
		child.Stdin = strings.NewReader(input.String())
		stdout := &lineWriter{line: func(s string) error { return out(s) }}
		child.Stdout = stdout
		stderr := &lineWriter{line: func(s string) error {
			if in.streams.err == nil {
				in.p.Complain("%s", s)
				return nil
			}
			e := &errorRecord{message: s, kind: "System.Management.Automation.RemoteException", id: "NativeCommandError", at: c.pos, s: in.src}
			if !in.core && in.preference("ErrorActionPreference") == "stop" {
				return &thrown{e, true} // as Windows PowerShell does with 2> of a program
			}
			return in.streams.err(e)
		}}
		child.Stderr = stderr
		code, err := in.exec(in.ctx, child, line)
		if err := errors.Join(stdout.close(), stderr.close()); err != nil {
			return err
		}
		if err != nil {
			return in.startError(c, name, err)
		}
		in.lastExit, in.ok = int64(int32(code)), code == 0
		if code != 0 && in.core && truth(in.scopeOf("global").vars["psnativecommanduseerroractionpreference"]) {
			return in.report(&errorRecord{message: fmt.Sprintf("Program %q ended with non-zero exit code: %d.", name, code), kind: "System.Management.Automation.NativeCommandExitException", id: "ProgramExitedWithNonZeroCode", at: c.pos, s: in.src}, "")
		}
		return nil
	}
	return st, nil
}

// startError makes of a name that nothing answers to what PowerShell makes of it.
func (in *interp) startError(c *command, name string, err error) error {
	var u *proc.Unsupported
	if !errors.As(err, &u) {
		return err
	}
	line, col := place(in.src.text, c.pos)
	where := fmt.Sprintf("line %d, column %d: ", line, col)
	if in.src.file != "" {
		where = in.src.file + ", " + where
	}
	if strings.HasPrefix(u.Why, "line ") || strings.Contains(u.Why, ", line ") {
		return err // it says already where, in a script of its own
	}
	return &proc.Unsupported{Command: u.Command, Why: where + u.Why, Program: u.Program}
}

// onPath tells whether a script without a directory in its name is found in one of
// PATH: those of the current directory are not run by name alone.
func (in *interp) onPath(name string) bool {
	path, _ := in.p.Env.Get("PATH")
	return in.p.SearchIn(path, name, []string{"", ".ps1"}) != ""
}

func quoteName(name string) string {
	if strings.ContainsAny(name, " \t") {
		return `"` + name + `"`
	}
	return name
}

// programArgument is an argument as a program gets it: PowerShell puts quotes around
// blanks, and Windows PowerShell leaves those inside as they are.
func programArgument(a arg) (list []string) {
	if a.name != "" {
		name := "-" + a.name
		if !a.alone {
			name += ":" + toString(a.value)
		}
		return []string{name}
	}
	for _, v := range items(a.value) {
		s := toString(v)
		switch {
		case s == "" && a.bare:
		case s == "":
			s = `""`
		case strings.ContainsAny(s, " \t") && !strings.HasPrefix(s, `"`):
			if strings.HasSuffix(s, `\`) {
				s += `\`
			}
			s = `"` + s + `"`
		}
		list = append(list, s)
	}
	return list
}

// script runs a .ps1 file.
func (in *interp) script(c *command, path string, args []arg, out sink) error {
	f, err := in.p.Files.Resolve(path)
	if err != nil {
		return err
	}
	b, err := in.load(f)
	if err != nil {
		return err
	}
	src := &source{text: strings.TrimPrefix(decode(b, in.textEncoding()), "\ufeff"), file: nt.Win(path)}
	body, err := parse(src.text)
	if err != nil {
		return &proc.Unsupported{Command: c.text, Why: src.file + ", " + err.Error()}
	}
	st := in.functionStage(c, &function{name: fileName(src.file), block: body, s: src}, append([]arg(nil), args...), out, c.operator != ".")
	old := in.scope
	defer func() { in.scope = old }()
	if c.operator != "." {
		in.scope = newScope(old)
		in.scope.script = true
	}
	root := src.file[:max(lastSlash(src.file), 0)]
	if strings.HasSuffix(root, ":") {
		root += `\`
	}
	in.scope.vars["psscriptroot"] = root
	in.scope.vars["pscommandpath"] = src.file
	in.scope.vars["myinvocation"] = newObject("System.Management.Automation.InvocationInfo", "InvocationName", src.file,
		"MyCommand", newObject("System.Management.Automation.ExternalScriptInfo", "Name", fileName(src.file), "Path", src.file, "Source", src.file, "Definition", src.file))
	return st.end()
}

// evaluate runs text as Invoke-Expression does.
func (in *interp) evaluate(text string, at pos, out sink) error {
	body, err := parse(text)
	if err != nil {
		return in.unsupported(at, "Invoke-Expression", "of what it is given, "+err.Error())
	}
	up, err := in.deeper(at)
	if err != nil {
		return err
	}
	defer up()
	old := in.src
	in.src = &source{text: text, file: "<Invoke-Expression>"}
	defer func() { in.src = old }()
	return in.body(body, body.body, out)
}

func init() {
	add("Start-Process", "FilePath=PSPath@0 ArgumentList=Args@1 Wait! NoNewWindow!=nnw PassThru! WorkingDirectory Verb WindowStyle- RedirectStandardOutput RedirectStandardError RedirectStandardInput LoadUserProfile! UseNewEnvironment!", startProcess)
}

func startProcess(c *call) error {
	if c.flag("UseNewEnvironment") || c.has("RedirectStandardInput") || c.has("Verb") && !strings.EqualFold(c.str("Verb"), "RunAs") && !strings.EqualFold(c.str("Verb"), "open") {
		return c.unknown("-Verb, -UseNewEnvironment and -RedirectStandardInput are not known without Windows")
	}
	child := c.in.p.Child()
	if c.has("WorkingDirectory") {
		cpath, err := c.in.path(c.at, c.str("WorkingDirectory"))
		if err != nil {
			return err
		}
		if f, err := c.in.p.Files.Resolve(cpath); err != nil || !f.IsDir() {
			return c.fail("System.InvalidOperationException", "This command cannot be run due to the error: The directory name is invalid.")
		}
		child.Cwd = nt.Win(cpath)
	}
	child.Stdin = strings.NewReader("")
	var files []func() error
	for _, r := range []struct {
		name string
		to   *io.Writer
	}{{"RedirectStandardOutput", &child.Stdout}, {"RedirectStandardError", &child.Stderr}} {
		if !c.has(r.name) {
			continue
		}
		var b bytes.Buffer
		*r.to = &b
		files = append(files, func() error {
			to, err := c.in.path(c.at, c.str(r.name))
			if err != nil {
				return err
			}
			return c.in.p.Files.WriteFile(to, &b)
		})
	}
	line := quoteName(c.str("FilePath"))
	if strings.EqualFold(extension(c.str("FilePath")), ".msi") {
		line = "msiexec /i " + line // what Windows opens packages with
	}
	for _, a := range c.strs("ArgumentList") {
		line += " " + a // Start-Process puts no quotes around anything
	}
	// Without -Wait the program would run beside the script; that it ends first is one of the orders Windows allows.
	code, err := c.in.exec(c.in.ctx, child, line)
	if err != nil {
		return c.in.startError(&command{pos: c.at, text: c.text}, c.str("FilePath"), err)
	}
	for _, write := range files {
		if err := write(); err != nil {
			return err
		}
	}
	if c.flag("PassThru") {
		return c.out(newObject("System.Diagnostics.Process", "ExitCode", int64(int32(code)), "HasExited", true, "Id", int64(0), "ProcessName", fileName(c.str("FilePath"))))
	}
	return nil
}

// Main is powershell.exe, or with core pwsh.exe. args are those after its name.
func Main(ctx context.Context, p *proc.Process, args []string, core bool, exec Exec) (uint32, error) {
	in := &interp{ctx: ctx, p: p, exec: exec, core: core, errors: &list{dynamic: true}, ok: true, clock: &clock{}}
	in.scope = newScope(nil)
	in.scope.script = true
	for name, v := range map[string]any{"erroractionpreference": "Continue", "progresspreference": "Continue", "warningpreference": "Continue", "verbosepreference": "SilentlyContinue",
		"debugpreference": "SilentlyContinue", "informationpreference": "SilentlyContinue", "confirmpreference": "High", "ofs": nil} {
		in.scope.vars[name] = v
	}
	name := "powershell"
	if core {
		name = "pwsh"
	}
	h, why := hostArguments(args, core)
	if why != "" {
		return 0, &proc.Unsupported{Command: name + " " + strings.Join(args, " "), Why: why}
	}
	if h.dir != "" {
		f, ok := p.Find(h.dir)
		if !ok || !f.IsDir() {
			return 0, &proc.Unsupported{Command: name, Why: "the working directory " + h.dir + " does not exist"}
		}
		p.Cwd = nt.Win(f.Path)
	}
	var err error
	if h.file != "" {
		err = in.runFile(h)
	} else {
		err = in.runCommand(h.command)
	}
	return in.exitCode(err, h.file != "")
}

func (in *interp) exitCode(err error, file bool) (uint32, error) {
	var exit *exitError
	var f *flow
	switch t, ok := asThrown(err); {
	case ok:
		in.show(t.record)
		return 1, nil
	case errors.As(err, &exit):
		return exit.code, nil
	case errors.As(err, &f):
		return 0, nil
	case err != nil:
		return 0, err
	case !file && !in.ok:
		return 1, nil
	}
	return 0, nil
}

func (in *interp) runCommand(text string) error {
	in.src = &source{text: text}
	body, err := parse(text)
	if err != nil {
		return &proc.Unsupported{Command: shorten(text), Why: err.Error()}
	}
	return in.topLevel(body)
}

func (in *interp) topLevel(body *block) error {
	out := func(v any) error {
		text, err := in.display(body.pos, v, false)
		for _, line := range text {
			if err := in.write(line); err != nil {
				return err
			}
		}
		return err
	}
	if len(body.params) > 0 || body.named {
		return in.functionStage(&command{pos: body.pos}, &function{block: body, s: in.src}, nil, out, false).end()
	}
	return in.body(body, body.body, out)
}

func shorten(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 60 {
		return string(r[:57]) + "..."
	}
	return s
}

// runFile is -File.
func (in *interp) runFile(h host) error {
	path := in.p.Search(h.file)
	if path == "" {
		in.p.Complain("The argument '%s' to the -File parameter does not exist. Provide the path to an existing '.ps1' file as an argument to the -File parameter.", h.file)
		return &exitError{0xfffd0000}
	}
	in.src = &source{file: h.file}
	out := func(v any) error {
		text, err := in.display(0, v, false)
		for _, line := range text {
			if err := in.write(line); err != nil {
				return err
			}
		}
		return err
	}
	var args []arg
	for i := 0; i < len(h.args); i++ {
		a := h.args[i]
		if name, ok := strings.CutPrefix(a, "-"); ok && name != "" && (name[0]|0x20 >= 'a' && name[0]|0x20 <= 'z') {
			n, value, has := strings.Cut(name, ":")
			if has {
				var v any = value
				if strings.EqualFold(value, "$true") || strings.EqualFold(value, "$false") {
					v = strings.EqualFold(value, "$true")
				}
				args = append(args, arg{name: n, value: v})
			} else {
				args = append(args, arg{name: n, alone: true})
			}
			continue
		}
		args = append(args, arg{value: a})
	}
	return in.script(&command{text: h.file, operator: "&"}, path, args, out)
}

// host is a command line of PowerShell.
type host struct {
	command, file, dir string
	args               []string
}

// hostArguments reads the parameters of powershell.exe and pwsh.exe; why says what
// is not known.
func hostArguments(args []string, core bool) (h host, why string) {
	known := []string{"command", "file", "encodedcommand", "executionpolicy", "inputformat", "outputformat", "windowstyle", "configurationname", "version", "workingdirectory",
		"noexit", "nologo", "noninteractive", "noprofile", "sta", "mta", "login", "nop", "ep", "ec", "wd", "ex"}
	for i := 0; i < len(args); i++ {
		a := args[i]
		if len(a) < 2 || a[0] != '-' && a[0] != '/' {
			// Windows PowerShell takes what is left for a command, 7 for a file.
			if core {
				h.file, h.args = a, args[i+1:]
			} else {
				h.command = strings.Join(args[i:], " ")
			}
			return h, ""
		}
		name := strings.ToLower(a[1:])
		full := ""
		for _, k := range known {
			if k == name {
				full = k
				break
			}
			if strings.HasPrefix(k, name) && full == "" {
				full = k
			}
		}
		next := func() string {
			if i++; i < len(args) {
				return args[i]
			}
			why = a + " has no value"
			return ""
		}
		switch full {
		case "command":
			h.command = strings.Join(args[i+1:], " ")
			if strings.TrimSpace(h.command) == "-" {
				return h, "a script from the standard input is not known without Windows"
			}
			return h, ""
		case "file":
			if h.file = next(); h.file == "-" {
				return h, "a script from the standard input is not known without Windows"
			}
			h.args = args[min(i+1, len(args)):]
			return h, why
		case "encodedcommand", "ec":
			b, err := base64.StdEncoding.DecodeString(next())
			if err != nil || why != "" {
				return h, "-EncodedCommand is not base64 of UTF-16"
			}
			h.command = nt.FromUTF16Bytes(b[:len(b)&^1])
			return h, ""
		case "executionpolicy", "ep", "ex", "inputformat", "outputformat", "windowstyle", "version":
			next()
		case "workingdirectory", "wd":
			h.dir = next()
		case "noexit", "nologo", "noninteractive", "noprofile", "nop", "sta", "mta", "login":
		default:
			return h, a + " is not known without Windows"
		}
		if why != "" {
			return h, why
		}
	}
	return h, "there is no command"
}

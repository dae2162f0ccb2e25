package cmdexe

import (
	"slices"
	"strconv"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// command is a built-in: what it does and how it treats ERRORLEVEL.
type command struct {
	run             func(s *shell, args string) (uint32, error)
	keepsErrorlevel bool // success leaves ERRORLEVEL alone
	keepsOnFailure  bool // and so does failure
}

// builtin finds a built-in command by its name in lower case.
func builtin(name string) (command, bool) {
	switch name {
	case "echo":
		return command{run: (*shell).echo, keepsErrorlevel: true}, true
	case "rem", "title":
		return command{run: nothing, keepsErrorlevel: true}, true
	case "set":
		return command{run: (*shell).set, keepsErrorlevel: true}, true
	case "cd", "chdir":
		return command{run: (*shell).cd}, true
	case "pushd":
		return command{run: (*shell).pushd}, true
	case "popd":
		return command{run: (*shell).popd, keepsErrorlevel: true}, true
	case "exit":
		return command{run: (*shell).exit, keepsErrorlevel: true}, true
	case "ver":
		return command{run: (*shell).ver}, true
	case "md", "mkdir":
		return command{run: (*shell).mkdir}, true
	case "rd", "rmdir":
		return command{run: (*shell).rmdir, keepsErrorlevel: true, keepsOnFailure: true}, true
	case "del", "erase":
		return command{run: (*shell).del}, true
	case "copy":
		return command{run: (*shell).copy}, true
	case "move":
		return command{run: (*shell).move}, true
	case "ren", "rename":
		return command{run: (*shell).rename}, true
	case "type":
		return command{run: (*shell).typeOut}, true
	case "mklink":
		return command{run: (*shell).mklink}, true
	case "goto":
		return command{run: (*shell).jump, keepsErrorlevel: true}, true
	case "shift":
		return command{run: (*shell).shift, keepsErrorlevel: true}, true
	case "setlocal":
		return command{run: (*shell).setlocal, keepsErrorlevel: true}, true
	case "endlocal":
		return command{run: (*shell).endlocal, keepsErrorlevel: true}, true
	case "pause":
		return command{run: (*shell).pause, keepsErrorlevel: true}, true
	case "break", "verify", "prompt", "color", "cls":
		return command{run: nothing, keepsErrorlevel: true}, true
	case "path":
		return command{run: (*shell).path, keepsErrorlevel: true}, true
	case "assoc", "ftype", "date", "time", "vol":
		return command{run: refused(name)}, true
	}
	return command{}, false
}

// Builtins lists the built-in commands, sorted.
func Builtins() []string {
	return []string{
		"break", "call", "cd", "chdir", "cls", "color", "copy", "del", "dir", "echo", "endlocal", "erase", "exit", "for", "goto", "if",
		"md", "mkdir", "mklink", "move", "path", "pause", "popd", "prompt", "pushd", "rd", "rem", "ren", "rename", "rmdir", "set",
		"setlocal", "shift", "start", "title", "type", "ver", "verify",
	}
}

// builtinName splits off a built-in's name that something is attached to:
// "echo.", "cd\app", "rd/s".
func builtinName(name, args string) (string, string) {
	i := strings.IndexAny(name, `.:\/[]+("`)
	if i < 0 {
		return strings.ToLower(name), args
	}
	head := strings.ToLower(name[:i])
	if name[i] == '.' && !slices.Contains([]string{"echo", "cd", "chdir"}, head) {
		return name, args
	}
	if _, ok := builtin(head); ok || head == "call" || head == "start" {
		return head, name[i:] + args
	}
	return name, args
}

func nothing(*shell, string) (uint32, error) { return 0, nil }

// refused is a built-in that cannot be carried out.
func refused(name string) func(*shell, string) (uint32, error) {
	return func(_ *shell, args string) (uint32, error) {
		return unsupported(name, args, "its result depends on the machine or the time and would differ from build to build")
	}
}

// syntax complains as most built-ins do about their arguments.
func (s *shell) syntax() (uint32, error) {
	s.p.Complain("The syntax of the command is incorrect.")
	return 1, nil
}

// unsupported is the error for a way of calling a built-in that is not known.
func unsupported(name, args, why string) (uint32, error) {
	return 0, &proc.Unsupported{Command: name + strings.TrimRight(args, " "), Why: why}
}

// echo prints its text as it is, after the one character that follows its name.
func (s *shell) echo(args string) (uint32, error) {
	switch text := strings.TrimSpace(args); {
	case text == "":
		state := "on"
		if s.script != nil && s.script.quiet() {
			state = "off"
		}
		s.p.Println("ECHO is %s.", state)
		return 0, nil
	case strings.EqualFold(text, "on"), strings.EqualFold(text, "off"):
		if s.script != nil {
			*s.script.echoOff = strings.EqualFold(text, "off")
		}
		return 0, nil
	case text == "/?":
		return unsupported("echo", args, "there is no help without Windows")
	}
	s.p.Println("%s", args[1:])
	return 0, nil
}

// set lists, sets or removes variables of this shell.
func (s *shell) set(args string) (uint32, error) {
	text := strings.TrimLeft(args, delims)
	if len(text) >= 2 && text[0] == '/' {
		switch text[1] | 0x20 {
		case 'a':
			return s.setNumber(text[2:])
		case 'p':
			return s.ask(text[2:])
		}
		return s.syntax()
	}
	if after, ok := strings.CutPrefix(text, `"`); ok {
		text = after
		if i := strings.LastIndexByte(text, '"'); i >= 0 {
			text = text[:i]
		}
	}
	name, value, assign := strings.Cut(text, "=")
	switch {
	case !assign:
		return s.list(strings.TrimRight(text, " "))
	case name == "":
		return s.syntax()
	case value == "":
		s.p.Env.Unset(name)
	default:
		s.p.Env.Set(name, value)
	}
	return 0, nil
}

// list prints the variables whose names start with prefix, sorted.
func (s *shell) list(prefix string) (uint32, error) {
	env := s.p.Env.List()
	slices.SortStableFunc(env, func(a, b string) int {
		a, _, _ = strings.Cut(a, "=")
		b, _, _ = strings.Cut(b, "=")
		return nt.Compare(a, b)
	})
	found := false
	for _, kv := range env {
		if strings.HasPrefix(nt.Fold(kv), nt.Fold(prefix)) {
			s.p.Println("%s", kv)
			found = true
		}
	}
	if !found && prefix != "" {
		s.p.Complain("Environment variable %s not defined", prefix)
		return 1, nil
	}
	return 0, nil
}

// cd prints or changes the working directory. The path needs no quotes.
func (s *shell) cd(args string) (uint32, error) {
	text := strings.Trim(args, delims)
	if len(text) >= 2 && strings.EqualFold(text[:2], "/d") {
		text = strings.TrimLeft(text[2:], delims)
	}
	path := unquote(text)
	if path == "" || strings.EqualFold(path, "c:") {
		s.p.Println("%s", s.p.Cwd)
		return 0, nil
	}
	return s.chdir(path)
}

func (s *shell) chdir(path string) (uint32, error) {
	f, ok := s.p.Find(path)
	if !ok {
		s.p.Complain("The system cannot find the path specified.")
		return 1, nil
	}
	if !f.IsDir() {
		s.p.Complain("The directory name is invalid.")
		return 1, nil
	}
	s.p.Cwd = nt.Win(f.Path)
	return 0, nil
}

func (s *shell) pushd(args string) (uint32, error) {
	path := unquote(strings.Trim(args, delims))
	if path == "" {
		for i := len(s.dirs) - 1; i >= 0; i-- {
			s.p.Println("%s", s.dirs[i])
		}
		return 0, nil
	}
	old := s.p.Cwd
	rc, err := s.chdir(path)
	if rc == 0 && err == nil {
		s.dirs = append(s.dirs, old)
	}
	return rc, err
}

func (s *shell) popd(string) (uint32, error) {
	if len(s.dirs) == 0 {
		return 1, nil
	}
	s.p.Cwd = s.dirs[len(s.dirs)-1]
	s.dirs = s.dirs[:len(s.dirs)-1]
	return 0, nil
}

// exit ends the shell; with /b only the batch file, where there is one.
func (s *shell) exit(args string) (uint32, error) {
	words, options := arguments(args)
	if !only(options, "/b") {
		return s.syntax()
	}
	code := s.errorlevel
	if len(words) > 0 {
		n, err := strconv.ParseInt(words[0], 10, 64)
		if err != nil || n != int64(int32(n)) && n != int64(uint32(n)) {
			return unsupported("exit", args, "the exit code is not a number of 32 bits")
		}
		code = uint32(n)
	}
	s.errorlevel = code
	if s.script != nil && has(options, "/b") {
		s.script.done = true
	} else {
		s.exited, s.code = true, code
	}
	return code, nil
}

func (s *shell) ver(args string) (uint32, error) {
	if s.p.Version == "" {
		return unsupported("ver", args, "the image has no os.version; give one with --platform")
	}
	s.p.Println("")
	s.p.Println("Microsoft Windows [Version %s]", s.p.Version)
	return 0, nil
}

// mklink makes a symbolic link to a file, with /d to a directory, or a junction.
func (s *shell) mklink(args string) (uint32, error) {
	words, options := arguments(args)
	if len(words) != 2 || len(options) > 1 {
		return s.syntax()
	}
	if !only(options, "/d", "/j") {
		return unsupported("mklink", args, "only links by /d and /j and without an option are known without Windows")
	}
	link, err := s.p.Path(words[0])
	if err != nil {
		return s.syntax()
	}
	kind := "symbolic link"
	if has(options, "/j") {
		target, err := s.p.Path(words[1])
		if err != nil {
			return s.syntax()
		}
		kind, err = "Junction", s.p.Files.Junction(nt.Win(target), link)
		if err != nil {
			return s.failed(err, "The system cannot find the path specified.")
		}
	} else if err := s.p.Files.Symlink(words[1], link, has(options, "/d")); err != nil {
		return s.failed(err, "The system cannot find the path specified.")
	}
	s.p.Println("%s created for %s <<===>> %s", kind, words[0], words[1])
	return 0, nil
}

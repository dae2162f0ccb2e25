package lint

import (
	"path"
	"regexp"
	"strings"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/internal/nt"
)

func (s *stage) legacy(found bool) {
	if found {
		s.find(legacyFormat, "\"%s key=value\" should be used instead of legacy \"%s key value\" format", s.in.Name, s.in.Name)
	}
}

// once tells of an instruction of which only the last counts. The earlier one is what
// is of no use.
func (s *stage) once() {
	if before, ok := s.used[s.in.Name]; ok {
		s.add(onlyLast, before, s.in.Comments, "Multiple %s instructions should not be used in the same stage because only the last one will be used", s.in.Name)
	}
	s.used[s.in.Name] = s.in.Pos
}

// json tells of an exec form that is none.
func (s *stage) json(c containerfile.Command) {
	if c.Exec == nil && containerfile.LooksExec(c.Text) {
		s.find(jsonBackslash, "%s looks like the exec form but is not JSON, so it goes to the shell", s.in.Name)
	}
}

func (s *stage) exec(c containerfile.Command) {
	if c.Exec == nil && len(s.shell) == 0 {
		s.find(jsonArgs, "JSON arguments recommended for %s to prevent unintended behavior related to OS signals", s.in.Name)
	}
}

// chdir is WORKDIR.
func (s *stage) chdir(word string) {
	p := strings.ReplaceAll(word, `\`, "/")
	absolute := strings.HasPrefix(p, "/") || len(p) > 2 && p[1] == ':' && p[2] == '/'
	if !absolute && !s.workdir && !strings.HasPrefix(p, "$") {
		s.find(workdirRelative, "Relative workdir %q can have unexpected results if the base image changes", word)
	}
	s.workdir = true
	s.name(word)
}

// escapes is a backslash that escapes a letter, a digit or the like: nobody means that.
var escapes = regexp.MustCompile(`(^|[^\\])(\\\\)*\\[\w.%]`)

// backslashes tells of paths that lose theirs.
func (s *stage) backslashes(words ...string) {
	if s.file.Escape() != '\\' {
		return
	}
	for _, word := range words {
		if escapes.MatchString(word) && !strings.ContainsAny(word, `'"`) {
			s.find(backslashLost, "%s loses its backslashes", word)
		}
	}
}

// name checks the components of a path of the image that is written without
// variables.
func (s *stage) name(word string) {
	if strings.ContainsAny(word, "$`") {
		return
	}
	cpath, err := nt.Rel("", word)
	if err != nil || cpath == "" {
		return // the plan says so
	}
	for part := range strings.SplitSeq(cpath, "/") {
		if err := nt.ValidateName(part); err != nil {
			s.find(fileName, "%s: %v", word, err)
		}
	}
}

func (s *stage) expose(ports []string) {
	for _, p := range ports {
		if _, proto, ok := strings.Cut(p, "/"); ok && proto != strings.ToLower(proto) {
			s.find(protoCasing, "Defined protocol '%s' in EXPOSE instruction should be lowercase", p)
		}
		if strings.Contains(p, ":") && !strings.Contains(p, "$") {
			s.find(exposeFormat, "EXPOSE instruction should not define an IP address or host-port mapping, found '%s'", p)
		}
	}
}

// copy is COPY and ADD.
func (s *stage) copy(b *containerfile.Copy) {
	dest := strings.ReplaceAll(b.Dest, `\`, "/")
	s.name(b.Dest)
	for _, src := range b.Sources {
		if b.From != "" || plan.Remote(src) || strings.Contains(src, "$") {
			continue
		}
		clean := path.Clean(strings.TrimLeft(strings.ReplaceAll(src, `\`, "/"), "/"))
		if strings.HasSuffix(dest, "/") && !strings.ContainsAny(clean, "*?[") {
			if base := path.Base(clean); base != "." && base != ".." {
				s.name(base)
			}
		}
		if s.opts.Ignored == nil {
			continue
		}
		if out, err := s.opts.Ignored(clean); err == nil && out {
			s.find(copyIgnored, "Attempting to %s file %q that is excluded by the ignore file", s.in.Name, clean)
		}
	}
}

// isPowerShell tells whether a program is PowerShell, of any kind.
func isPowerShell(program string) bool {
	name := strings.TrimSuffix(strings.ToLower(path.Base(strings.ReplaceAll(program, `\`, "/"))), ".exe")
	return name == "powershell" || name == "pwsh"
}

// setShell is SHELL.
func (s *stage) setShell(command []string) {
	if isPowerShell(command[0]) && !strings.Contains(strings.ToLower(strings.Join(command, " ")), "erroractionpreference") {
		s.find(shellErrors, "this SHELL does not stop at errors; add $ErrorActionPreference = 'Stop'; at the end of -Command")
	}
}

var (
	setxPath = regexp.MustCompile(`(?i)\bsetx(\.exe)?\s.*\bpath\b|SetEnvironmentVariable\(\s*['"]path['"]`)
	// adminOnly is what an account without rights cannot do.
	adminOnly = regexp.MustCompile(`(?i)\bsetx(\.exe)?\s+(.*\s)?/m\b|\breg(\.exe)?\s+(add|delete|import)\s+"?(hklm|hkey_local_machine)|HKLM:|\bmsiexec\b|\bdism\b|Install-WindowsFeature|\bnet\s+(user|localgroup)\b|EnvironmentVariableTarget\]::Machine|,\s*['"]Machine['"]`)
	// inline is a command that starts PowerShell for one line.
	inline = regexp.MustCompile(`(?i)^\s*(powershell|pwsh)(\.exe)?\s`)
)

// run is RUN.
func (s *stage) run(b *containerfile.Run) {
	text := b.Text
	if b.Exec != nil {
		text = strings.Join(b.Exec, " ")
	}
	if setxPath.MatchString(text) {
		pos := s.in.Pos
		s.setxPath = &pos
	}
	if user := s.user; nt.EqualFold(user, "ContainerUser") && adminOnly.MatchString(text) {
		s.find(userRights, "%s may not do this", user)
	}
	if len(s.shell) == 0 && inline.MatchString(text) && strings.Contains(text, ";") && !strings.Contains(strings.ToLower(text), "erroractionpreference") {
		s.find(shellErrors, "PowerShell runs several commands here and does not stop at errors; begin with $ErrorActionPreference = 'Stop';")
	}
}

// end applies the rules that need the whole stage.
func (s *stage) end() {
	if s.envPath != nil && s.setxPath != nil {
		s.add(setxLost, *s.setxPath, nil, "line %d sets PATH with ENV, which hides what is set here", s.envPath.Line)
	}
}

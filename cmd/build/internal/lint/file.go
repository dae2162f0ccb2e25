package lint

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/image"
)

// automatic are the ARGs that FROM knows without being told.
var automatic = []string{
	"TARGETPLATFORM=windows/amd64", "TARGETOS=windows", "TARGETOSVERSION=", "TARGETARCH=amd64", "TARGETVARIANT=", "TARGETSTAGE=default",
	"BUILDPLATFORM=linux/amd64", "BUILDOS=linux", "BUILDOSVERSION=", "BUILDARCH=amd64", "BUILDVARIANT=",
}

// from checks the words of the FROMs with the defaults of the ARGs before them.
func (c *checker) from() {
	c.global = nt.NewEnv(automatic...)
	declared := nt.NewEnv(automatic...)
	for _, a := range c.file.Args {
		declared.Set(a.Name, "")
		if a.Default != nil {
			if v, _, err := c.file.Expand(*a.Default, c.global); err == nil {
				c.global.Set(a.Name, v)
			}
		}
		if secretWord(a.Name) {
			c.add(secretInEnv, a.Pos, a.Comments, "Do not use ARG or ENV instructions for sensitive data (ARG %q)", a.Name)
		}
	}
	for i := range c.file.Stages {
		s := &c.file.Stages[i]
		unknown := false
		for _, word := range []string{s.Base, s.Platform} {
			_, unset, err := c.file.Expand(word, declared)
			if err != nil {
				continue
			}
			for name := range unset {
				unknown = true
				text := "FROM argument '" + name + "' is not declared"
				if match := containerfile.Suggest(name, keys(declared)); match != "" {
					text += " (did you mean " + match + "?)"
				}
				c.add(undefinedFromArg, s.Pos, s.Comments, "%s", text)
			}
		}
		if base, _, err := c.file.Expand(s.Base, c.global); err == nil && !unknown && !c.isStage(base) {
			if _, err := image.ParseRef(base); err != nil {
				c.add(invalidDefault, s.Pos, s.Comments, "Default value for ARG %s results in empty or invalid base image name", s.Base)
			}
		}
		c.platform(s)
	}
}

func (c *checker) isStage(name string) bool {
	return name != "" && slices.ContainsFunc(c.file.Stages, func(s containerfile.Stage) bool { return strings.EqualFold(s.Name, name) })
}

// platform checks --platform of a FROM.
func (c *checker) platform(s *containerfile.Stage) {
	switch word := strings.Trim(s.Platform, "${}"); {
	case s.Platform == "":
	case word == "TARGETPLATFORM" && s.Platform != word:
		c.add(redundantPlatform, s.Pos, s.Comments, "Setting platform to predefined %s in FROM is redundant as this is the default behavior", s.Platform)
	case !strings.Contains(s.Platform, "$"):
		if p, err := image.ParsePlatform(s.Platform); err != nil || !strings.Contains(s.Name, p.OS) && !strings.Contains(s.Name, p.Arch) {
			c.add(constPlatform, s.Pos, s.Comments, "FROM --platform flag should not use constant value %q", s.Platform)
		}
	}
}

// casing checks that keywords are written alike.
func (c *checker) casing() {
	type keyword struct {
		word     string
		pos      containerfile.Pos
		comments []string
	}
	var all []keyword
	for _, s := range c.file.Stages {
		all = append(all, keyword{s.Keyword, s.Pos, s.Comments})
		for _, in := range s.Instructions {
			all = append(all, keyword{in.Keyword, in.Pos, in.Comments})
		}
	}
	lower, upper := 0, 0
	for _, k := range all {
		switch k.word {
		case strings.ToLower(k.word):
			lower++
		case strings.ToUpper(k.word):
			upper++
		}
	}
	for _, k := range all {
		want, word := "uppercase", strings.ToUpper(k.word)
		if lower > upper {
			want, word = "lowercase", strings.ToLower(k.word)
		}
		if k.word != word {
			c.add(consistentCasing, k.pos, k.comments, "Command '%s' should match the case of the command majority (%s)", k.word, want)
		}
	}
}

// names checks the names of stages.
func (c *checker) names() {
	seen := map[string]bool{}
	for _, s := range c.file.Stages {
		if s.Name == "" {
			continue
		}
		if s.Name == "scratch" || s.Name == "context" {
			c.add(reservedStage, s.Pos, s.Comments, "Stage name should not use the same name as reserved stage %q", s.Name)
		}
		if seen[s.Name] {
			c.add(duplicateStage, s.Pos, s.Comments, "Duplicate stage name %q, stage names should be unique", s.Name)
		}
		seen[s.Name] = true
	}
}

var (
	// pathEnd is a line that ends in a Windows path.
	pathEnd = regexp.MustCompile(`(?:^|[\s"'=])(?:[A-Za-z]:|\.{1,2}|[\w.$%{}-]*\\[^\s]*|[A-Za-z]:[^\s]*)\\[ \t]*$`)
	// nextInstruction is a line that begins like an instruction.
	nextInstruction = regexp.MustCompile(`^(?:ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|ONBUILD|RUN|SHELL|USER|VOLUME|WORKDIR)[ \t]`)
)

// continuations looks for lines that a path at their end has joined with the next.
func (c *checker) continuations() {
	if c.file.Escape() != '\\' {
		return
	}
	check := func(pos containerfile.Pos, comments []string) {
		lines := c.file.Source().Lines(pos)
		joined := func(i int) bool { return pathEnd.MatchString(lines[i]) && nextInstruction.MatchString(lines[i+1]) }
		for i := range max(0, len(lines)-1) {
			if joined(i) {
				c.add(trailingSlash, containerfile.Pos{File: pos.File, Line: pos.Line + i}, comments, `the \ at the end joins this line with the next`)
			}
		}
	}
	for _, s := range c.file.Stages {
		check(s.Pos, s.Comments)
		for _, in := range s.Instructions {
			check(in.Pos, in.Comments)
		}
	}
}

// secretArg is one name of an ARG or ENV.
func (s *stage) secretArg(name string) {
	if secretWord(name) {
		s.find(secretInEnv, "Do not use ARG or ENV instructions for sensitive data (%s %q)", s.in.Name, name)
	}
}

// args is ARG.
func (s *stage) args(list []containerfile.Arg) {
	for _, a := range list {
		s.secretArg(a.Name)
		value := ""
		if a.Default != nil {
			s.words(*a.Default)
			value, _, _ = s.file.Expand(*a.Default, s.env)
		} else if v, ok := s.global.Get(a.Name); ok {
			value = v
		}
		s.env.Set(a.Name, value)
	}
}

// setEnv is ENV.
func (s *stage) setEnv(pairs []containerfile.Pair) {
	before := nt.NewEnv(s.env.List()...)
	for _, p := range pairs {
		s.words(p.Value)
		s.secretArg(p.Name)
		value, unset, err := s.file.Expand(p.Value, before)
		if err != nil {
			continue
		}
		if nt.EqualFold(p.Name, "PATH") {
			pos := s.in.Pos
			s.envPath = &pos
			lost := slices.ContainsFunc(mapKeys(unset), func(n string) bool { return nt.EqualFold(n, "PATH") })
			_, has := before.Get("PATH")
			if lost && !s.open {
				s.find(pathLost, "${PATH} is empty here, so the machine's PATH is lost")
			} else if !lost && !has && !strings.Contains(strings.ToLower(value), `\windows\system32`) {
				s.find(pathLost, "this PATH has no System32, so cmd and PowerShell are not found by name")
			} else if lost {
				s.find(pathLost, "unless the base sets PATH with ENV, ${PATH} is empty here and the machine's PATH is lost")
			}
		}
		if strings.Contains(p.Value, "%") && strings.Count(p.Value, "%") >= 2 && nt.EqualFold(p.Name, "PATH") {
			s.find(pathLost, "%%NAME%% is not replaced in ENV")
		}
		s.env.Set(p.Name, value)
	}
}

func mapKeys(m map[string]struct{}) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	return list
}

package plan

import (
	"fmt"
	"strings"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/internal/nt"
)

// proxies are build arguments that need no ARG, folded.
var proxies = []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}

// releaseArg is an ARG that holds the name of the release of Windows in the tags of
// Microsoft's images, where the platform has a version and --build-arg says nothing
// else. Its default is for other builders.
const releaseArg = "TARGETRELEASE"

// release is the name of the release with a version, or "".
func release(version string) string {
	parts := strings.Split(version, ".")
	if len(parts) < 3 {
		return ""
	}
	return map[string]string{"14393": "ltsc2016", "17763": "ltsc2019", "20348": "ltsc2022", "26100": "ltsc2025"}[parts[2]]
}

// given returns a build argument of the command line; the last one wins.
func (b *builder) given(name string) (string, bool) {
	for i := len(b.opts.Args) - 1; i >= 0; i-- {
		if a := b.opts.Args[i]; nt.EqualFold(a.Name, name) {
			b.used[nt.Fold(name)] = true
			return a.Value, true
		}
	}
	return "", false
}

// globals evaluates the ARGs before the first FROM.
func (b *builder) globals() error {
	for _, a := range b.file.Args {
		value, ok, err := b.argument(a, b.globalEnv())
		if err != nil {
			return a.Pos.Errorf("ARG: %w", err)
		}
		if ok {
			b.global[nt.Fold(a.Name)] = value
		}
	}
	return nil
}

// argument gives the value of an ARG: of the command line, else its default.
func (b *builder) argument(a containerfile.Arg, env *nt.Env) (value string, ok bool, err error) {
	if v, ok := b.given(a.Name); ok {
		return v, true, nil
	}
	if nt.EqualFold(a.Name, releaseArg) {
		if r := release(b.opts.Platform.OSVersion); r != "" {
			return r, true, nil
		}
	}
	if a.Default == nil {
		return "", false, nil
	}
	value, _, err = b.file.Expand(*a.Default, env)
	return value, true, err
}

// globalEnv is what FROM can refer to: the platform and the global ARGs.
func (b *builder) globalEnv() *nt.Env {
	env := nt.NewEnv(b.automatic()...)
	for _, a := range b.file.Args {
		if v, ok := b.global[nt.Fold(a.Name)]; ok {
			env.Set(a.Name, v)
		}
	}
	return env
}

// automatic are the ARGs that need no value: they say what is built where.
func (b *builder) automatic() []string {
	p := b.opts.Platform
	stage := b.opts.Target
	if stage == "" {
		stage = "default"
	}
	buildOS, buildArch, _ := strings.Cut(b.opts.Build, "/")
	return []string{
		"TARGETPLATFORM=" + p.String(), "TARGETOS=" + p.OS, "TARGETOSVERSION=" + p.OSVersion, "TARGETARCH=" + p.Arch,
		"TARGETVARIANT=", "TARGETSTAGE=" + stage,
		"BUILDPLATFORM=" + b.opts.Build, "BUILDOS=" + buildOS, "BUILDOSVERSION=", "BUILDARCH=" + buildArch, "BUILDVARIANT=",
	}
}

// arg is ARG inside a stage: a name without a default takes the value of the
// global ARG or of the platform.
func (s *stageBuilder) arg(list []containerfile.Arg) error {
	for _, a := range list {
		name, err := s.expand(a.Name)
		if err != nil {
			return err
		}
		a.Name = name
		value, ok, err := s.argument(a, s.env())
		if err != nil {
			return err
		}
		if !ok {
			value, ok = s.global[nt.Fold(a.Name)]
		}
		if !ok {
			value, ok = nt.NewEnv(s.automatic()...).Get(a.Name)
		}
		text := "ARG " + a.Name
		if ok {
			s.declared.Set(a.Name, value)
			text += "=" + value
		}
		s.config(a.Pos, text)
	}
	return nil
}

// env is what an instruction of the stage can refer to; ENV wins over ARG.
func (s *stageBuilder) env() *nt.Env {
	return nt.NewEnv(append(s.declared.List(), s.stage.Config.Config.Env...)...)
}

// expand replaces the variables of one word.
func (s *stageBuilder) expand(word string) (string, error) {
	out, _, err := s.file.Expand(word, s.env())
	if err != nil {
		return "", containerfile.Mark(word, fmt.Errorf("%q: %w", word, err))
	}
	return out, nil
}

// expandAll is expand for a list.
func (s *stageBuilder) expandAll(words []string) ([]string, error) {
	out := make([]string, len(words))
	for i, w := range words {
		var err error
		if out[i], err = s.expand(w); err != nil {
			return nil, err
		}
	}
	return out, nil
}

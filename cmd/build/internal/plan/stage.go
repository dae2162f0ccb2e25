package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/image"
)

// stageBuilder plans one stage.
type stageBuilder struct {
	*builder
	src      *containerfile.Stage
	stage    *Stage
	declared *nt.Env // ARGs so far
	cmd      bool    // a CMD of this stage was seen
}

// config adds a step that makes no layer.
func (s *stageBuilder) config(pos containerfile.Pos, text string) {
	s.stage.Steps = append(s.stage.Steps, Step{Pos: pos, Text: text})
}

// from finds what the stage stands on and starts its configuration.
func (s *stageBuilder) from() error {
	s.declared = nt.NewEnv()
	env := s.globalEnv()
	base, unset, err := s.file.Expand(s.src.Base, env)
	if err == nil && base == "" {
		err = errors.New("the name of the base image is empty")
		if names := slices.Sorted(maps.Keys(unset)); len(names) > 0 {
			err = fmt.Errorf("the name of the base image is empty: %s is not set", strings.Join(names, ", "))
		}
	}
	if err != nil {
		return at(s.src.Pos, "FROM "+s.src.Base, err)
	}
	platform, err := s.platform(env)
	if err != nil {
		return at(s.src.Pos, "FROM "+base, err)
	}
	s.stage.Base.Platform = platform
	if err := s.base(base, platform); err != nil {
		return at(s.src.Pos, "FROM "+base, err)
	}
	return nil
}

// platform is that of the build unless FROM names one.
func (s *stageBuilder) platform(env *nt.Env) (image.Platform, error) {
	text, _, err := s.file.Expand(s.src.Platform, env)
	if err != nil || text == "" {
		return s.opts.Platform, err
	}
	p, err := image.ParsePlatform(text)
	if err != nil {
		return p, fmt.Errorf("only stages for Windows can be built: %w", err)
	}
	return p, nil
}

func (s *stageBuilder) base(name string, platform image.Platform) error {
	if i, ok := s.stageNamed(name, s.stage.Index); ok && s.file.Stages[i].Name != "" {
		base, err := s.need(i)
		if err != nil {
			return err
		}
		s.stage.Base.Stage = &base.Index
		s.stage.Config = base.Config.Clone()
		s.declared = nt.NewEnv(s.args[i].List()...)
		return nil
	}
	if name == "scratch" {
		s.stage.Base.Scratch = true
		s.stage.Config = image.NewConfig(platform)
		return nil
	}
	s.stage.Base.Image = name
	base, err := s.opts.Base(s.ctx, name, platform)
	if err != nil {
		return err
	}
	if len(base.OnBuild) > 0 {
		return errors.New("the image has ONBUILD instructions, which cannot be carried out yet")
	}
	s.stage.Config = base.Clone()
	s.stage.Config.History, s.stage.Config.RootFS.DiffIDs = nil, nil
	return nil
}

// instruction plans one instruction.
func (s *stageBuilder) instruction(in containerfile.Instruction) error {
	c := &s.stage.Config
	switch b := in.Body.(type) {
	case *containerfile.Args:
		return s.arg(b.List)
	case *containerfile.Env:
		return s.setEnv(in.Pos, b.Pairs)
	case *containerfile.Label:
		return s.label(in.Pos, b.Pairs)
	case *containerfile.Workdir:
		return s.workdir(in.Pos, b.Path)
	case *containerfile.User:
		return s.user(in.Pos, b.Name)
	case *containerfile.Expose:
		return s.expose(in.Pos, b.Ports)
	case *containerfile.Volume:
		return s.volume(in.Pos, b.Paths)
	case *containerfile.Shell:
		c.Shell = b.Command
		s.config(in.Pos, "SHELL "+jsonList(b.Command))
		return nil
	case *containerfile.Cmd:
		s.warnIf(in.Pos, c.SetCmd(image.Command(b.Command)))
		s.cmd = true
		s.config(in.Pos, "CMD "+operand(b.Command))
		return nil
	case *containerfile.Entrypoint:
		s.warnIf(in.Pos, c.SetEntrypoint(image.Command(b.Command), s.cmd))
		s.config(in.Pos, "ENTRYPOINT "+operand(b.Command))
		return nil
	case *containerfile.Copy:
		return s.copy(in, b)
	case *containerfile.Run:
		return s.run(in, b)
	case *containerfile.Healthcheck:
		return s.healthcheck(in.Pos, b)
	case *containerfile.StopSignal:
		s.warn(in.Pos, "STOPSIGNAL has no meaning on Windows and is left out")
		return nil
	case *containerfile.Maintainer:
		s.warn(in.Pos, "MAINTAINER is deprecated; use LABEL org.opencontainers.image.authors")
		c.Author = b.Name
		s.config(in.Pos, "MAINTAINER "+b.Name)
		return nil
	case *containerfile.OnBuild:
		return errors.New("cannot be recorded yet; write the instruction into the Containerfiles that build on this image")
	}
	return errors.New("is not supported")
}

func (s *stageBuilder) warnIf(pos containerfile.Pos, text string) {
	if text != "" {
		s.warn(pos, "%s", text)
	}
}

// run plans a command line. What it may refer to is in its environment; the
// builder expands nothing in it.
func (s *stageBuilder) run(in containerfile.Instruction, b *containerfile.Run) error {
	if b.Heredoc {
		return errors.New("a heredoc has several lines, of which cmd would run only the first; join the commands with &&")
	}
	for _, flag := range b.Flags {
		if flag != "network" {
			return fmt.Errorf("--%s is not supported yet", flag)
		}
	}
	cfg := &s.stage.Config
	line := cfg.Line(image.Command(b.Command))
	if strings.TrimSpace(b.Text) == "" && len(b.Exec) == 0 {
		return errors.New("there is no command")
	}
	s.stage.Steps = append(s.stage.Steps, Step{Pos: in.Pos, Text: "RUN " + line, Run: &Run{
		CommandLine: line, Env: s.env().List(), Cwd: s.cwd(), User: cfg.Config.User,
	}})
	return nil
}

// cwd is the directory that relative paths start from.
func (s *stageBuilder) cwd() string {
	cpath, err := nt.Rel("", s.stage.Config.Config.WorkingDir)
	if err != nil {
		return `C:\`
	}
	return nt.Win(cpath)
}

func (s *stageBuilder) healthcheck(pos containerfile.Pos, b *containerfile.Healthcheck) error {
	s.stage.Config.Healthcheck = &image.Healthcheck{
		Test: b.Test, Interval: time.Duration(b.Interval), Timeout: time.Duration(b.Timeout),
		StartPeriod: time.Duration(b.StartPeriod), StartInterval: time.Duration(b.StartInterval), Retries: b.Retries,
	}
	s.config(pos, "HEALTHCHECK "+jsonList(b.Test))
	return nil
}

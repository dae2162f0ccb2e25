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
	declared *nt.Env                     // ARGs so far
	cmd      bool                        // a CMD of this stage was seen
	triggers []containerfile.Instruction // ONBUILD of the base
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
		return at(s.src.Pos, "FROM "+s.src.Base, containerfile.Mark(s.src.Base, err))
	}
	platform, err := s.platform(env)
	if err != nil {
		return at(s.src.Pos, "FROM "+base, containerfile.Mark(s.src.Platform, err))
	}
	s.stage.Base.Platform = platform
	if err := s.base(base, platform); err != nil {
		return at(s.src.Pos, "FROM "+base, containerfile.Mark(s.src.Base, err))
	}
	if err := s.onBuild(); err != nil {
		return at(s.src.Pos, "FROM "+base, containerfile.Mark(s.src.Base, err))
	}
	return nil
}

// onBuild reads the instructions that the base has for what is built on it. They go
// first, and are not handed on.
func (s *stageBuilder) onBuild() error {
	for _, text := range s.stage.Config.OnBuild {
		list, err := containerfile.ParseTrigger(text, s.src.Pos)
		if err != nil {
			return err
		}
		s.triggers = append(s.triggers, list...)
	}
	s.stage.Config.OnBuild = nil
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
		return p, fmt.Errorf("only stages for Windows can be built: %w; build this stage with another tool and give what it makes with --build-context NAME=FOLDER", err)
	}
	return p, nil
}

func (s *stageBuilder) base(name string, platform image.Platform) error {
	if c, ok := s.opts.Contexts[strings.ToLower(name)]; ok {
		if c.Image == "" {
			return fmt.Errorf("the build context %s is a folder; a base is an image: --build-context %s=docker-image://REF", name, name)
		}
		return s.baseImage(c.Image, platform)
	}
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
	return s.baseImage(name, platform)
}

func (s *stageBuilder) baseImage(name string, platform image.Platform) error {
	s.stage.Base.Image = name
	base, err := s.opts.Base(s.ctx, name, platform)
	if err != nil {
		return err
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
		c.OnBuild = append(c.OnBuild, b.Instruction)
		s.config(in.Pos, "ONBUILD "+b.Instruction)
		return nil
	}
	return errors.New("is not supported")
}

func (s *stageBuilder) warnIf(pos containerfile.Pos, text string) {
	if text != "" {
		s.warn(pos, "%s", text)
	}
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

package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/image"
)

// jsonList writes a list as the exec form does.
func jsonList(list []string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if list == nil {
		list = []string{}
	}
	if err := enc.Encode(list); err != nil {
		return fmt.Sprint(list)
	}
	return strings.TrimSpace(b.String())
}

// operand writes a command as the instruction has it.
func operand(c containerfile.Command) string {
	if c.Exec != nil {
		return jsonList(c.Exec)
	}
	return c.Text
}

// setEnv is ENV. All values of one instruction see the environment before it.
func (s *stageBuilder) setEnv(pos containerfile.Pos, pairs []containerfile.Pair) error {
	env := s.env()
	text := "ENV"
	for _, p := range pairs {
		name, _, err := s.file.Expand(p.Name, env)
		if err != nil {
			return err
		}
		value, unset, err := s.file.Expand(p.Value, env)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if name == "" || strings.Contains(name, "=") {
			return fmt.Errorf("%q is not the name of a variable", name)
		}
		if nt.EqualFold(name, "PATH") {
			for v := range unset {
				if nt.EqualFold(v, "PATH") {
					s.warn(pos, "the image's Env has no PATH, so ${%s} is empty here and the machine's PATH, which is in the registry, is lost; use RUN setx /M PATH", v)
				}
			}
		}
		s.stage.Config.SetEnv(name, value)
		text += " " + name + "=" + value
	}
	s.config(pos, text)
	return nil
}

func setLabel(c *image.Config, name, value string) {
	if c.Config.Labels == nil {
		c.Config.Labels = map[string]string{}
	}
	c.Config.Labels[name] = value
}

func (s *stageBuilder) label(pos containerfile.Pos, pairs []containerfile.Pair) error {
	text := "LABEL"
	for _, p := range pairs {
		name, err := s.expand(p.Name)
		if err != nil {
			return err
		}
		value, err := s.expand(p.Value)
		if err != nil {
			return err
		}
		setLabel(&s.stage.Config, name, value)
		text += " " + name + "=" + value
	}
	s.config(pos, text)
	return nil
}

// workdir changes the working directory and makes it.
func (s *stageBuilder) workdir(pos containerfile.Pos, word string) error {
	path, err := s.expand(word)
	if err != nil {
		return err
	}
	cpath, err := s.path(path)
	if err != nil {
		return containerfile.Mark(word, err)
	}
	c := &s.stage.Config
	c.Config.WorkingDir = nt.Win(cpath)
	step := Step{Pos: pos, Text: "WORKDIR " + c.Config.WorkingDir, Workdir: &Workdir{Path: cpath, User: c.Config.User}}
	s.stage.Steps = append(s.stage.Steps, step)
	return nil
}

// path makes a Windows path of the image out of one as written, and refuses names
// that Windows could not use.
func (s *stageBuilder) path(path string) (string, error) {
	cpath, err := nt.Rel(s.cwd(), path)
	if err != nil {
		return "", err
	}
	if cpath == "" {
		return "", nil
	}
	for name := range strings.SplitSeq(cpath, "/") {
		if err := nt.ValidateName(name); err != nil {
			return "", fmt.Errorf("path %q: %w", path, err)
		}
	}
	return cpath, nil
}

func (s *stageBuilder) user(pos containerfile.Pos, word string) error {
	name, err := s.expand(word)
	if err != nil {
		return err
	}
	if name == "" {
		return errors.New("the name is empty")
	}
	if strings.Contains(name, ":") {
		return containerfile.Mark(word, fmt.Errorf("%q: Windows accounts have no group part; write the account alone", name))
	}
	s.stage.Config.Config.User = name
	s.config(pos, "USER "+name)
	return nil
}

func (s *stageBuilder) expose(pos containerfile.Pos, words []string) error {
	c := &s.stage.Config.Config
	text := "EXPOSE"
	for _, w := range words {
		ports, err := s.file.ExpandWords(w, s.env())
		if err != nil {
			return err
		}
		for _, p := range ports {
			list, err := portRange(p)
			if err != nil {
				return containerfile.Mark(w, err)
			}
			if strings.Contains(p, ":") {
				s.warn(pos, "EXPOSE %s: only the port of the container counts", p)
			}
			if c.ExposedPorts == nil {
				c.ExposedPorts = map[string]struct{}{}
			}
			for _, port := range list {
				c.ExposedPorts[port] = struct{}{}
			}
			text += " " + p
		}
	}
	s.config(pos, text)
	return nil
}

// portRange reads PORT[-PORT][/PROTOCOL] and lists the ports as the config has
// them. As in docker, an address and a port of the host may stand in front, which mean
// nothing.
func portRange(s string) ([]string, error) {
	ports, proto, ok := strings.Cut(s[strings.LastIndexByte(s, ':')+1:], "/")
	if !ok || proto == "" {
		proto = "tcp"
	}
	if proto = strings.ToLower(proto); proto != "tcp" && proto != "udp" && proto != "sctp" {
		return nil, fmt.Errorf("%q: the protocol is tcp, udp or sctp", s)
	}
	first, last, isRange := strings.Cut(ports, "-")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || b < a {
		return nil, fmt.Errorf("%q is not a port or a range of ports", s)
	}
	var list []string
	for n := a; n <= b; n++ {
		list = append(list, fmt.Sprintf("%d/%s", n, proto))
	}
	return list, nil
}

func (s *stageBuilder) volume(pos containerfile.Pos, words []string) error {
	paths, err := s.expandAll(words)
	if err != nil {
		return err
	}
	c := &s.stage.Config.Config
	for _, p := range paths {
		if p == "" {
			return errors.New("the path is empty")
		}
		if c.Volumes == nil {
			c.Volumes = map[string]struct{}{}
		}
		c.Volumes[p] = struct{}{}
	}
	s.config(pos, "VOLUME "+jsonList(paths))
	return nil
}

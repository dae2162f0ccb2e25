package plan

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/layers/image"
)

// run plans a command line. What it may refer to is in its environment; the
// builder expands nothing in it.
func (s *stageBuilder) run(in containerfile.Instruction, b *containerfile.Run) error {
	cfg := &s.stage.Config
	cmd := b.Command
	if len(b.Heredocs) > 0 {
		text, err := script(b, cfg.Shell)
		if err != nil {
			return err
		}
		cmd.Text = text
	}
	if strings.TrimSpace(cmd.Text) == "" && len(cmd.Exec) == 0 {
		return errors.New("there is no command")
	}
	line := cfg.Line(image.Command(cmd))
	step := &Run{CommandLine: line, Env: s.env().List(), Cwd: s.cwd(), User: cfg.Config.User}
	for _, flag := range b.Flags {
		switch flag {
		case "mount":
		case "network":
			if b.Network != "default" {
				step.Network = b.Network
			}
		default:
			return containerfile.Mark("--"+flag, fmt.Errorf("--%s has no meaning on Windows; leave it out", flag))
		}
	}
	for _, m := range b.Mounts {
		mount, err := s.mount(m)
		if err != nil {
			return containerfile.Mark("--mount", fmt.Errorf("--mount=type=%s: %w", m.Type, err))
		}
		step.Mounts = append(step.Mounts, *mount)
	}
	s.stage.Steps = append(s.stage.Steps, Step{Pos: in.Pos, Text: "RUN " + line, Run: step})
	return nil
}

// script makes the text of a command out of a heredoc. It goes to the shell as one
// argument, with Windows' line ends. PowerShell takes several lines, cmd stops after
// the first.
func script(b *containerfile.Run, shell []string) (string, error) {
	if !b.Alone {
		return "", errors.New("Windows' shells have no heredocs; a heredoc must be all of the command, or COPY <<NAME makes a file of it")
	}
	text := strings.TrimRight(b.Text, "\n")
	if strings.HasPrefix(text, "#!") {
		return "", errors.New("Windows does not know #!; name the program with SHELL, or COPY <<NAME the script and RUN it")
	}
	if !strings.Contains(text, "\n") {
		return text, nil
	}
	if len(shell) == 0 || program(shell[0]) == "cmd" {
		return "", errors.New("a heredoc has several lines, of which cmd would run only the first; join the commands with &&, or use SHELL with powershell")
	}
	return strings.ReplaceAll(text, "\n", "\r\n"), nil
}

// program is the bare name of a program, in lower case.
func program(name string) string {
	name = strings.ToLower(strings.ReplaceAll(name, `\`, "/"))
	return strings.TrimSuffix(path.Base(name), ".exe")
}

// mount plans a --mount. Secrets are files or variables, and a bind is files of the
// context, a stage or an image; what is written to them is lost.
func (s *stageBuilder) mount(m containerfile.Mount) (*Mount, error) {
	words, err := s.expandAll([]string{m.From, m.Source, m.Target, m.ID})
	if err != nil {
		return nil, err
	}
	from, source, target, id := words[0], words[1], words[2], words[3]
	out := &Mount{Type: m.Type, Required: m.Required}
	switch m.Type {
	case "secret":
		if out.ID = id; id == "" {
			out.ID = path.Base(strings.ReplaceAll(source+target, `\`, "/"))
		}
		if m.Env != nil {
			if out.Env = *m.Env; out.Env == "" {
				out.Env = out.ID
			}
		}
		if target == "" && m.Env == nil {
			target = `C:\run\secrets\` + out.ID
		}
	case "bind":
		if target == "" {
			return nil, errors.New("target=PATH is missing")
		}
		ref := &Copy{}
		if err := s.copyFrom(ref, from); err != nil {
			return nil, err
		}
		out.FromStage, out.FromImage, out.FromContext = ref.FromStage, ref.FromImage, ref.FromContext
		if out.Source, err = s.source(&containerfile.Copy{From: from}, source+"/."); err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("cannot be carried out; download into the image and delete in the same RUN, or give files with type=bind")
	}
	if target != "" {
		if out.Target, err = s.path(target); err == nil && out.Target == "" {
			err = errors.New(`target is C:\ itself`)
		}
	}
	return out, err
}

package plan

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/internal/nt"
)

// copy plans COPY and ADD.
func (s *stageBuilder) copy(in containerfile.Instruction, b *containerfile.Copy) error {
	if len(b.Flags) > 0 {
		return fmt.Errorf("--%s is not supported yet", b.Flags[0])
	}
	if b.Chmod != "" {
		s.warn(in.Pos, "--chmod=%s is ignored: Windows files have no mode", b.Chmod)
	}
	step := &Copy{Add: b.Add}
	if err := s.copyFrom(step, b.From); err != nil {
		return err
	}
	sources, err := s.expandAll(b.Sources)
	if err != nil {
		return err
	}
	for _, src := range sources {
		clean, err := s.source(b, src)
		if err != nil {
			return err
		}
		step.Sources = append(step.Sources, clean)
	}
	if step.Contents, err = s.contents(b.Contents); err != nil {
		return err
	}
	dest, err := s.expand(b.Dest)
	if err != nil {
		return err
	}
	if err := s.dest(step, dest); err != nil {
		return err
	}
	if step.Owner, err = s.owner(b.Chown); err != nil {
		return err
	}
	s.stage.Steps = append(s.stage.Steps, Step{Pos: in.Pos, Text: copyText(in.Name, b, sources, dest), Copy: step})
	return nil
}

// dest sets where the files go.
func (s *stageBuilder) dest(step *Copy, dest string) error {
	if dest == "" {
		return errors.New("the destination is empty")
	}
	var err error
	if step.Dest, err = s.path(dest); err != nil {
		return err
	}
	several := len(step.Sources)+len(step.Contents) > 1
	step.Dir = strings.HasSuffix(dest, "/") || strings.HasSuffix(dest, `\`) || dest == "." || dest == ".." || step.Dest == ""
	if several && !step.Dir {
		return fmt.Errorf(`with several sources the destination is a directory and must end with a slash: %s\`, dest)
	}
	return nil
}

func copyText(name string, b *containerfile.Copy, sources []string, dest string) string {
	text := name
	if b.From != "" {
		text += " --from=" + b.From
	}
	if b.Chown != "" {
		text += " --chown=" + b.Chown
	}
	for _, src := range sources {
		text += " " + src
	}
	for _, c := range b.Contents {
		text += " <<" + c.Name
	}
	return text + " " + dest
}

// copyFrom finds the stage or image that --from names.
func (s *stageBuilder) copyFrom(step *Copy, from string) error {
	if from == "" {
		return nil
	}
	if from == "scratch" {
		return errors.New(`--from=scratch: there is nothing to copy in it`)
	}
	i, ok := s.stageNamed(from, s.stage.Index)
	if !ok {
		if j, ok := s.stageNamed(from, len(s.file.Stages)); ok && j >= s.stage.Index {
			return fmt.Errorf("--from=%s: a stage can only copy from stages before it", from)
		}
		step.FromImage = from
		return nil
	}
	stage, err := s.need(i)
	if err != nil {
		return err
	}
	step.FromStage = &stage.Index
	return nil
}

// source cleans the pattern of a source. Both slashes separate.
func (s *stageBuilder) source(b *containerfile.Copy, src string) (string, error) {
	if src == "" {
		return "", errors.New("the name of a source is empty")
	}
	if b.From != "" {
		return nt.Rel("", src)
	}
	if b.Add && remote(src) {
		return "", fmt.Errorf("%s: downloads are not supported yet; download the file before the build and COPY it", src)
	}
	p := strings.ReplaceAll(src, `\`, "/")
	if len(p) > 1 && p[1] == ':' {
		return "", fmt.Errorf("%s: sources are relative to the build context and have no drive", src)
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == ".." && strings.HasPrefix(path.Clean(strings.TrimLeft(p, "/")), "..") {
			return "", fmt.Errorf("%s: is outside the build context", src)
		}
	}
	p = path.Clean("/" + p)[1:]
	if _, err := path.Match(p, ""); err != nil {
		return "", fmt.Errorf("%s: %w", src, err)
	}
	return p, nil
}

// remote reports whether ADD would fetch a source from the network.
func remote(src string) bool {
	return strings.Contains(src, "://") || strings.HasPrefix(src, "git@")
}

func (s *stageBuilder) contents(list []containerfile.Content) ([]containerfile.Content, error) {
	for i, c := range list {
		if err := nt.ValidateName(c.Name); err != nil {
			return nil, err
		}
		if c.Expand {
			text, err := containerfile.ExpandText(c.Data, s.env())
			if err != nil {
				return nil, err
			}
			list[i] = containerfile.Content{Name: c.Name, Data: text}
		}
	}
	return list, nil
}

// owner turns an account into its SID.
func (s *stageBuilder) owner(word string) (string, error) {
	name, err := s.expand(word)
	if err != nil || name == "" {
		return "", err
	}
	if sid, ok := nt.AccountSID(name); ok {
		return sid.String(), nil
	}
	if sid, err := nt.ParseSID(name); err == nil {
		return sid.String(), nil
	}
	return "", fmt.Errorf("--chown=%s: not a known account; give ContainerAdministrator, ContainerUser, a well-known account or a SID (S-1-...)", name)
}

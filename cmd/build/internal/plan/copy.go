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
	// --link asks for a layer that does not depend on those below. Layers here hold nothing of those below but
	// the metadata of directories, so there is nothing to do differently.
	step := &Copy{
		Add: b.Add, Parents: b.Parents, KeepGit: b.KeepGit,
		Unpack: b.Add && b.Unpack != nil && *b.Unpack, Whole: b.Unpack != nil && !*b.Unpack,
	}
	from, err := s.copySource(step, b.From)
	if err != nil {
		return err
	}
	sources, err := s.expandAll(b.Sources)
	if err != nil {
		return err
	}
	for i, src := range sources {
		clean, err := s.source(b, src)
		if err != nil {
			return containerfile.Mark(b.Sources[i], err)
		}
		step.Sources = append(step.Sources, clean)
	}
	if step.Contents, err = s.contents(b.Contents); err != nil {
		return err
	}
	if err := s.copyFlags(in.Pos, step, b); err != nil {
		return err
	}
	dest, err := s.expand(b.Dest)
	if err != nil {
		return err
	}
	if err := s.dest(step, dest); err != nil {
		return containerfile.Mark(b.Dest, err)
	}
	s.stage.Steps = append(s.stage.Steps, Step{Pos: in.Pos, Text: copyText(in.Name, from, b, sources, dest), Copy: step})
	return nil
}

// copySource expands and finds what --from names.
func (s *stageBuilder) copySource(step *Copy, word string) (string, error) {
	from, err := s.expand(word)
	if err != nil {
		return "", err
	}
	if from == "" && word != "" {
		return "", containerfile.Mark(word, fmt.Errorf("--from=%s is empty", word))
	}
	return from, containerfile.Mark(word, s.copyFrom(step, from))
}

// copyFlags reads the flags that say what becomes of the files.
func (s *stageBuilder) copyFlags(pos containerfile.Pos, step *Copy, b *containerfile.Copy) (err error) {
	if step.Owner, err = s.owner(b.Chown); err != nil {
		return containerfile.Mark(b.Chown, err)
	}
	mode, err := s.expand(b.Chmod)
	if err != nil {
		return err
	}
	if mode != "" {
		if err := s.chmod(pos, step, mode); err != nil {
			return containerfile.Mark(b.Chmod, err)
		}
	}
	if step.Exclude, err = s.expandAll(b.Exclude); err != nil {
		return err
	}
	for i, p := range step.Exclude {
		step.Exclude[i] = strings.ReplaceAll(p, `\`, "/")
	}
	if step.Checksum, err = s.expand(b.Checksum); err != nil || step.Checksum == "" {
		return err
	}
	if len(step.Sources) != 1 || !Remote(step.Sources[0]) {
		return containerfile.Mark("--checksum", errors.New("--checksum is for one source that is downloaded"))
	}
	if algorithm, hex, ok := strings.Cut(step.Checksum, ":"); !GitSource(step.Sources[0]) && (!ok || algorithm != "sha256" || !isHex(hex, 64)) {
		return containerfile.Mark(b.Checksum, fmt.Errorf("--checksum=%s: want sha256: and 64 hexadecimal digits", step.Checksum))
	}
	return nil
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// chmod reads a mode, octal or symbolic. Of a mode Windows files have nothing but
// whether they can be written.
func (s *stageBuilder) chmod(pos containerfile.Pos, step *Copy, mode string) error {
	switch {
	case strings.Trim(mode, "01234567") == "" && len(strings.TrimLeft(mode, "0")) <= 4:
		step.ReadOnly = !strings.ContainsAny(last(mode, 3), "2367")
	case strings.Trim(mode, "0123456789") == "":
		return fmt.Errorf("--chmod=%s: want an octal number of at most 07777", mode)
	case strings.Trim(mode, "ugoarwxXst+-=,") != "":
		return fmt.Errorf("--chmod=%s is not a mode", mode)
	default:
		step.ReadOnly = mode == "a-w" || mode == "ugo-w" || mode == "-w" || mode == "a=r" || mode == "a=rx" || mode == "ugo=r" || mode == "=r"
	}
	if !step.ReadOnly {
		s.warn(pos, "--chmod=%s is ignored: Windows files have no mode; one without write bits makes them read-only", mode)
	}
	return nil
}

func last(s string, n int) string { return s[max(0, len(s)-n):] }

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
	step.Dir = strings.HasSuffix(dest, "/") || strings.HasSuffix(dest, `\`) || dest == "." || dest == ".." || step.Dest == "" || step.Parents
	if several && !step.Dir {
		return fmt.Errorf(`with several sources the destination is a directory and must end with a slash: %s\`, dest)
	}
	return nil
}

func copyText(name, from string, b *containerfile.Copy, sources []string, dest string) string {
	text := name
	for _, flag := range []struct{ name, value string }{{"from", from}, {"chown", b.Chown}, {"chmod", b.Chmod}, {"checksum", b.Checksum}} {
		if flag.value != "" {
			text += " --" + flag.name + "=" + flag.value
		}
	}
	if b.Parents {
		text += " --parents"
	}
	for _, p := range b.Exclude {
		text += " --exclude=" + p
	}
	for _, src := range sources {
		text += " " + src
	}
	for _, c := range b.Contents {
		text += " <<" + c.Name
	}
	return text + " " + dest
}

// copyFrom finds the context, stage or image that --from names.
func (s *stageBuilder) copyFrom(step *Copy, from string) error {
	if from == "" {
		return nil
	}
	if c, ok := s.opts.Contexts[strings.ToLower(from)]; ok {
		if step.FromImage = c.Image; c.Image == "" {
			step.FromContext = strings.ToLower(from)
		}
		return nil
	}
	if strings.EqualFold(from, "scratch") {
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
	if b.From == "" && (Remote(src) || b.Add && GitSource(src)) {
		if !b.Add {
			return "", fmt.Errorf("%s: COPY does not download; ADD does", src)
		}
		return src, nil
	}
	p := strings.ReplaceAll(src, `\`, "/")
	if b.From != "" {
		if strings.HasPrefix(p, "//") || len(p) > 1 && p[1] == ':' {
			clean, err := nt.Rel("", src)
			if err != nil || !b.Parents {
				return clean, err
			}
			p = p[2:]
		}
	} else if len(p) > 1 && p[1] == ':' {
		return "", fmt.Errorf("%s: sources are relative to the build context and have no drive", src)
	} else if strings.HasPrefix(path.Clean(strings.TrimLeft(p, "/")), "..") {
		return "", fmt.Errorf("%s: is outside the build context", src)
	}
	root, rest, pivot := strings.Cut(strings.TrimPrefix(p, "./"), "/./")
	p = path.Clean("/" + p)[1:]
	if b.Parents && pivot {
		p = strings.TrimPrefix(path.Clean("/"+root)+"/./"+path.Clean("/" + rest)[1:], "/")
		p = strings.TrimPrefix(p, "/./")
	}
	if _, err := path.Match(p, ""); err != nil {
		return "", fmt.Errorf("%s: %w", src, err)
	}
	return p, nil
}

// Remote reports whether a source comes from the network.
func Remote(src string) bool {
	return strings.HasPrefix(src, "http://") || strings.HasPrefix(src, "https://") || GitSource(src)
}

// GitSource reports whether a source is a git repository, by the rules of BuildKit: an
// address of git or ssh, or one of http whose path ends in .git.
func GitSource(src string) bool {
	for _, prefix := range []string{"git://", "ssh://", "git@"} {
		if strings.HasPrefix(src, prefix) {
			return true
		}
	}
	address, _, _ := strings.Cut(src, "#")
	address, _, _ = strings.Cut(address, "?")
	return (strings.HasPrefix(src, "http://") || strings.HasPrefix(src, "https://")) && strings.HasSuffix(address, ".git")
}

func (s *stageBuilder) contents(list []containerfile.Content) ([]containerfile.Content, error) {
	var out []containerfile.Content
	for _, c := range list {
		if err := nt.ValidateName(c.Name); err != nil {
			return nil, containerfile.Mark(c.Name, err)
		}
		if c.Expand {
			text, err := containerfile.ExpandText(c.Data, s.env())
			if err != nil {
				return nil, err
			}
			c.Data = text
		}
		out = append(out, containerfile.Content{Name: c.Name, Data: c.Data})
	}
	return out, nil
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

package containerfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/suggest"
)

func parse(name string, text []byte) (*File, error) {
	// The parser keeps a carriage return inside a heredoc; the lines of a file are what counts here.
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	f := &File{Name: name, source: newSource(name, text)}
	ast, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return f, located(name, err)
	}
	f.escape = ast.EscapeToken
	for _, n := range ast.AST.Children {
		f.source.ends[n.StartLine] = n.EndLine
	}
	if err := f.directives(text); err != nil {
		return f, err
	}
	if err := f.check(ast.AST); err != nil {
		return f, err
	}
	stages, args, err := instructions.Parse(ast.AST, f.linter(ast))
	if err != nil {
		return f, located(name, err)
	}
	for i := range args {
		f.Args = append(f.Args, f.args(&args[i])...)
	}
	for i := range stages {
		stage, err := f.stage(&stages[i])
		if err != nil {
			return f, err
		}
		f.Stages = append(f.Stages, stage)
	}
	if len(f.Stages) == 0 {
		return f, fmt.Errorf("%s: no FROM instruction", name)
	}
	return f, nil
}

func newSource(name string, text []byte) *Source {
	lines := strings.Split(strings.TrimPrefix(string(text), "\uFEFF"), "\n")
	return &Source{name: name, lines: lines, ends: map[int]int{}}
}

// located puts the position of a parser's error in front of its text.
func located(name string, err error) error {
	pos := Pos{File: name}
	var le *parser.LocationError
	if errors.As(err, &le) {
		if len(le.Locations) > 0 && len(le.Locations[0]) > 0 {
			pos.Line = le.Locations[0][0].Start.Line
		}
		err = le.Unwrap()
	}
	return pos.Errorf("%s", strings.Join(strings.Fields(err.Error()), " "))
}

// check refuses unknown instructions, and any but ARG before the first FROM.
func (f *File) check(ast *parser.Node) error {
	from := false
	for _, n := range ast.Children {
		pos := Pos{f.Name, n.StartLine}
		word := strings.ToLower(n.Value)
		if _, ok := command.Commands[word]; !ok {
			return unknown(pos, n.Value)
		}
		from = from || word == command.From
		if !from && word != command.Arg {
			return pos.Errorf("%s before the first FROM; only ARG may stand there", strings.ToUpper(word))
		}
	}
	return nil
}

func unknown(pos Pos, word string) error {
	var names []string
	for name := range command.Commands {
		names = append(names, name)
	}
	slices.Sort(names)
	if match, ok := suggest.Search(word, names, false); ok {
		return pos.Errorf("unknown instruction %q (did you mean %s?)", word, strings.ToUpper(match))
	}
	return pos.Errorf("unknown instruction %q", word)
}

func (f *File) pos(ranges []parser.Range) Pos {
	if len(ranges) == 0 {
		return Pos{File: f.Name}
	}
	return Pos{f.Name, ranges[0].Start.Line}
}

func (f *File) stage(s *instructions.Stage) (Stage, error) {
	stage := Stage{Pos: f.pos(s.Location), Name: s.Name, Base: s.BaseName, Platform: s.Platform, Keyword: s.OrigCmd, Comments: s.Comments}
	for _, c := range s.Commands {
		body, err := f.body(c)
		pos := f.pos(c.Location())
		if err != nil {
			return stage, pos.Errorf("%w", err)
		}
		stage.Instructions = append(stage.Instructions, Instruction{pos, strings.ToUpper(c.Name()), c.Name(), c.Comments(), body})
	}
	return stage, nil
}

// body turns one of BuildKit's commands into one of ours.
func (f *File) body(c instructions.Command) (any, error) {
	switch c := c.(type) {
	case *instructions.EnvCommand:
		list, legacy := pairs(c.Env)
		return &Env{list, legacy}, nil
	case *instructions.LabelCommand:
		list, legacy := pairs(c.Labels)
		return &Label{list, legacy}, nil
	case *instructions.ArgCommand:
		return &Args{f.args(c)}, nil
	case *instructions.WorkdirCommand:
		return &Workdir{c.Path}, nil
	case *instructions.UserCommand:
		return &User{c.User}, nil
	case *instructions.ExposeCommand:
		return &Expose{c.Ports}, nil
	case *instructions.VolumeCommand:
		return &Volume{c.Volumes}, nil
	case *instructions.ShellCommand:
		return &Shell{c.Shell}, nil
	case *instructions.RunCommand:
		return f.run(c)
	case *instructions.CmdCommand:
		return &Cmd{f.command(c, c.ShellDependantCmdLine)}, nil
	case *instructions.EntrypointCommand:
		return &Entrypoint{f.command(c, c.ShellDependantCmdLine)}, nil
	case *instructions.CopyCommand:
		return copyBody(c), nil
	case *instructions.AddCommand:
		return addBody(c), nil
	case *instructions.HealthCheckCommand:
		h := c.Health
		return &Healthcheck{h.Test, int64(h.Interval), int64(h.Timeout), int64(h.StartPeriod), int64(h.StartInterval), h.Retries}, nil
	case *instructions.StopSignalCommand:
		return &StopSignal{c.Signal}, nil
	case *instructions.MaintainerCommand:
		return &Maintainer{c.Maintainer}, nil
	case *instructions.OnbuildCommand:
		return &OnBuild{c.Expression}, nil
	}
	return nil, fmt.Errorf("%s is not supported", strings.ToUpper(c.Name()))
}

// run is RUN. A heredoc that stands alone is the command.
func (f *File) run(c *instructions.RunCommand) (*Run, error) {
	// Options without a value are only read when words are expanded; that is done later, here they stay as written.
	if err := c.Expand(func(word string) (string, error) { return word, nil }); err != nil {
		return nil, err
	}
	r := &Run{Command: f.command(c, c.ShellDependantCmdLine), Network: instructions.GetNetwork(c)}
	r.Flags = slices.Compact(slices.Sorted(slices.Values(c.FlagsUsed)))
	for _, m := range instructions.GetMounts(c) {
		r.Mounts = append(r.Mounts, Mount{
			Type: string(m.Type), From: m.From, Source: m.Source, Target: m.Target, ID: m.CacheID, Env: m.Env,
			ReadOnly: m.ReadOnly, Required: m.Required,
		})
	}
	for _, h := range c.Files {
		text := h.Data
		if h.Chomp {
			text = parser.ChompHeredocContent(text)
		}
		r.Heredocs = append(r.Heredocs, Content{Name: h.Name, Data: text})
	}
	if len(r.Heredocs) == 1 && r.Exec == nil && parser.MustParseHeredoc(strings.TrimSpace(r.Text)) != nil {
		r.Text, r.Alone = r.Heredocs[0].Data, true
	}
	return r, nil
}

// pairs lists names and values, and says whether a blank stood between them.
func pairs(list instructions.KeyValuePairs) (out []Pair, legacy bool) {
	for _, kv := range list {
		out = append(out, Pair{kv.Key, kv.Value})
		legacy = legacy || kv.NoDelim
	}
	return out, legacy
}

func (f *File) args(c *instructions.ArgCommand) []Arg {
	out := make([]Arg, len(c.Args))
	for i, a := range c.Args {
		out[i] = Arg{f.pos(c.Location()), a.Key, a.Value, c.Comments()}
	}
	return out
}

// LooksExec tells of text of the shell form that was meant as JSON: the backslashes of its paths are not JSON's. PowerShell's
// [type] is none.
func LooksExec(text string) bool {
	inner, ok := strings.CutPrefix(strings.TrimSpace(text), "[")
	return ok && strings.HasPrefix(strings.TrimSpace(inner), `"`) && strings.Contains(inner, `\`)
}

// command keeps the shell form's text, which BuildKit gives as the only word.
func (f *File) command(c instructions.Command, line instructions.ShellDependantCmdLine) Command {
	if !line.PrependShell {
		return Command{Exec: append([]string{}, line.CmdLine...)}
	}
	text := strings.Join(line.CmdLine, " ")
	if LooksExec(text) {
		f.Warnings = append(f.Warnings, Warning{f.pos(c.Location()),
			strings.ToUpper(c.Name()) + ` looks like the exec form but is not JSON, so it goes to the shell; in JSON every \ is written \\`})
	}
	return Command{Text: text}
}

func copyBody(c *instructions.CopyCommand) *Copy {
	return &Copy{
		Sources: c.SourcePaths, Dest: c.DestPath, Contents: contents(c.SourceContents), From: c.From, Chown: c.Chown, Chmod: c.Chmod,
		Link: c.Link, Parents: c.Parents, Exclude: c.ExcludePatterns,
	}
}

func addBody(c *instructions.AddCommand) *Copy {
	return &Copy{
		Add: true, Sources: c.SourcePaths, Dest: c.DestPath, Contents: contents(c.SourceContents), Chown: c.Chown, Chmod: c.Chmod,
		Link: c.Link, Exclude: c.ExcludePatterns, Checksum: c.Checksum, Unpack: c.Unpack, KeepGit: c.KeepGitDir != nil && *c.KeepGitDir,
	}
}

func contents(list []instructions.SourceContent) []Content {
	var out []Content
	for _, c := range list {
		out = append(out, Content{c.Path, c.Data, c.Expand})
	}
	return out
}

// Package containerfile reads a Containerfile (or Dockerfile): text in, stages of
// typed instructions out, each with its file and line.
//
// It is the only place that knows BuildKit's parser. Line continuation, the escape
// directive, heredocs and the grammar of each instruction are BuildKit's, so that
// a file means here what it means to Docker. What the instructions do is not
// decided here.
package containerfile

import (
	"fmt"
	"io"
)

// maxSize bounds the text of a file, in bytes.
const maxSize = 4 << 20

// File is a parsed Containerfile.
type File struct {
	Name     string // for positions, as the user names it
	Args     []Arg  // those before the first FROM
	Stages   []Stage
	Warnings []Warning

	escape rune
}

// Pos is a place in a file.
type Pos struct {
	File string
	Line int // of the instruction's first line, from 1
}

// String returns "Containerfile:7".
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Errorf makes an error that starts with the position.
func (p Pos) Errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %w", p, fmt.Errorf(format, args...))
}

// MarshalText writes the position as String does.
func (p Pos) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Warning is something that is allowed but hardly meant.
type Warning struct {
	Pos  Pos
	Text string
}

// Stage is a FROM and what follows it. Words are not expanded yet.
type Stage struct {
	Pos          Pos
	Name         string // of AS, in lower case; "" if it has none
	Base         string
	Platform     string // of --platform; "" if not given
	Instructions []Instruction
}

// Instruction is one instruction of a stage. Body is one of the types below.
type Instruction struct {
	Pos  Pos
	Name string // in upper case
	Body any
}

// Pair is a name and its value.
type Pair struct{ Name, Value string }

// The bodies of instructions. Words that BuildKit expands are as written.
type (
	// Env is ENV.
	Env struct{ Pairs []Pair }
	// Label is LABEL.
	Label struct{ Pairs []Pair }
	// Arg is one name of an ARG; Default is nil if it gives none.
	Arg struct {
		Pos     Pos
		Name    string
		Default *string
	}
	// Args is ARG.
	Args struct{ List []Arg }
	// Workdir is WORKDIR.
	Workdir struct{ Path string }
	// User is USER.
	User struct{ Name string }
	// Expose is EXPOSE.
	Expose struct{ Ports []string }
	// Volume is VOLUME.
	Volume struct{ Paths []string }
	// Shell is SHELL.
	Shell struct{ Command []string }
	// Command is the operand of RUN, CMD or ENTRYPOINT: Exec of the exec form, or
	// the Text of the shell form as written. Exec is not nil in the exec form.
	Command struct {
		Exec []string
		Text string
	}
	// Run is RUN.
	Run struct {
		Command
		Flags   []string // the names of the flags that are given
		Heredoc bool     // the command is in a heredoc
	}
	// Cmd is CMD.
	Cmd struct{ Command }
	// Entrypoint is ENTRYPOINT.
	Entrypoint struct{ Command }
	// Copy is COPY or, with Add, ADD.
	Copy struct {
		Add      bool
		Sources  []string
		Dest     string
		Contents []Content // of heredocs
		From     string    // a stage or image
		Chown    string
		Chmod    string
		Flags    []string // others that are given, by name
	}
	// Content is a file whose text stands in the Containerfile.
	Content struct {
		Name   string
		Data   string
		Expand bool
	}
	// Healthcheck is HEALTHCHECK. Test is as in the image's config; times are in
	// nanoseconds.
	Healthcheck struct {
		Test                                          []string
		Interval, Timeout, StartPeriod, StartInterval int64
		Retries                                       int
	}
	// StopSignal is STOPSIGNAL.
	StopSignal struct{ Signal string }
	// Maintainer is MAINTAINER.
	Maintainer struct{ Name string }
	// OnBuild is ONBUILD.
	OnBuild struct{ Instruction string }
)

// Parse reads a Containerfile of at most 4 MiB. name is what positions call it.
// Errors are one line and start with the position.
func Parse(name string, r io.Reader) (*File, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(text) > maxSize {
		return nil, fmt.Errorf("%s: more than 4 MiB", name)
	}
	return parse(name, text)
}

// Package containerfile reads a Containerfile (or Dockerfile): text in, stages of
// typed instructions out, each with its file and line.
//
// It is the only place that knows BuildKit's parser. Line continuation, the escape
// directive, heredocs and the grammar of each instruction are BuildKit's, so that
// a file means here what it means to Docker. What the instructions do is not
// decided here.
package containerfile

import (
	"errors"
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
	Findings []Finding // of BuildKit's linter, as far as the text alone tells

	escape rune
	checks checks
	source *Source
}

// Stage is a FROM and what follows it. Words are not expanded yet.
type Stage struct {
	Pos          Pos
	Name         string // of AS, in lower case; "" if it has none
	Base         string
	Platform     string // of --platform; "" if not given
	Keyword      string // FROM as written
	Comments     []string
	Instructions []Instruction
}

// Instruction is one instruction of a stage. Body is one of the types below.
type Instruction struct {
	Pos      Pos
	Name     string   // in upper case
	Keyword  string   // as written
	Comments []string // those that stand directly above, without the #
	Body     any
}

// Pair is a name and its value.
type Pair struct{ Name, Value string }

// The bodies of instructions. Words that BuildKit expands are as written.
type (
	// Env is ENV.
	Env struct {
		Pairs  []Pair
		Legacy bool // "ENV NAME VALUE"
	}
	// Label is LABEL.
	Label struct {
		Pairs  []Pair
		Legacy bool
	}
	// Arg is one name of an ARG; Default is nil if it gives none.
	Arg struct {
		Pos      Pos
		Name     string
		Default  *string
		Comments []string // those directly above
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
		Flags    []string  // the names of the flags that are given
		Network  string    // of --network
		Mounts   []Mount   // of --mount
		Heredocs []Content // those of the command line
		Alone    bool      // the command line is one heredoc and nothing else; Text is what it holds
	}
	// Mount is one --mount of RUN, as far as it is carried out. Words are as
	// written.
	Mount struct {
		Type         string // "bind", "cache", "tmpfs", "secret" or "ssh"
		From, Source string
		Target       string
		ID           string
		Env          *string // of a secret: the variable that gets it, "" for the name of the secret
		ReadOnly     bool
		Required     bool
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
		Link     bool     // --link
		Parents  bool     // of COPY: keep the folders of the sources
		Exclude  []string // patterns of what is left out, below each source
		Checksum string   // of ADD: the digest of what is downloaded
		Unpack   *bool    // of ADD: whether archives are unpacked; nil for those of the context
		KeepGit  bool     // of ADD: keep the .git folder
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
// Errors are one line and start with the position. The File is not nil even then, if
// the text could be read: it has the Source.
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

// ParseTrigger reads an ONBUILD instruction of a base image. pos is that of the FROM
// that sets it off.
func ParseTrigger(text string, pos Pos) ([]Instruction, error) {
	f, err := parse("ONBUILD", []byte("FROM scratch\n"+text))
	if err != nil {
		var at *Error
		if errors.As(err, &at) {
			err = at.Err
		}
		return nil, fmt.Errorf("ONBUILD %s: %w", text, err)
	}
	var list []Instruction
	for _, stage := range f.Stages {
		for _, in := range stage.Instructions {
			in.Pos = pos
			list = append(list, in)
		}
	}
	return list, nil
}

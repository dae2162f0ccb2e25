package containerfile

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

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
	return &Error{p, fmt.Errorf(format, args...)}
}

// MarshalText writes the position as String does.
func (p Pos) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Warning is something that is allowed but hardly meant.
type Warning struct {
	Pos  Pos
	Text string
}

// Error is an error with its place.
type Error struct {
	Pos Pos
	Err error
}

// Error returns "Containerfile:7: what is wrong". An error that says its place itself
// says it once.
func (e *Error) Error() string {
	place, text := e.Pos.String()+": ", e.Err.Error()
	if strings.HasPrefix(text, place) {
		return text
	}
	return place + text
}

// Unwrap returns the error without its place.
func (e *Error) Unwrap() error { return e.Err }

// markedError is an error about one word of an instruction.
type markedError struct {
	word string
	err  error
}

func (e *markedError) Error() string { return e.err.Error() }
func (e *markedError) Unwrap() error { return e.err }

// Mark says that an error is about a word of the instruction, so that an excerpt can
// point at it. The text of the error stays as it is.
func Mark(word string, err error) error {
	if err == nil || word == "" {
		return err
	}
	return &markedError{word, err}
}

// Source is the text of a file, for excerpts.
type Source struct {
	name  string
	lines []string
	ends  map[int]int // the last line of the instruction that starts on a line
}

// Source returns the text of the file.
func (f *File) Source() *Source { return f.source }

// Escape returns the character that escapes and continues lines.
func (f *File) Escape() rune { return f.escape }

// Lines returns the lines of the instruction that starts at pos.
func (s *Source) Lines(pos Pos) []string {
	if pos.Line < 1 || pos.Line > len(s.lines) {
		return nil
	}
	return s.lines[pos.Line-1 : min(len(s.lines), max(pos.Line, s.ends[pos.Line]))]
}

// The size of an excerpt.
const (
	excerptLines = 12  // of an instruction
	excerptWidth = 160 // of a line, in characters
)

// Excerpt shows the lines of the instruction that err is about, with their numbers
// and a caret under the word that is wrong or else under the keyword. It ends with a
// newline, and is "" if err has no place in this file.
func (s *Source) Excerpt(err error) string {
	var at *Error
	if s == nil || !errors.As(err, &at) || at.Pos.File != s.name || at.Pos.Line < 1 || at.Pos.Line > len(s.lines) {
		return ""
	}
	first, last := at.Pos.Line, max(at.Pos.Line, s.ends[at.Pos.Line])
	last = min(last, len(s.lines), first+excerptLines-1)
	line, column, width := s.point(err, first, last)
	digits := len(fmt.Sprint(last))
	var b strings.Builder
	fmt.Fprintf(&b, "%*s--> %s\n", digits, "", at.Pos)
	for n := first; n <= last; n++ {
		text := cut(expandTabs(s.lines[n-1]))
		fmt.Fprintf(&b, "%*d | %s\n", digits, n, text)
		if n == line && column+width <= excerptWidth {
			fmt.Fprintf(&b, "%*s | %*s%s\n", digits, "", column, "", strings.Repeat("^", width))
		}
	}
	return b.String()
}

// point finds the line, and the column and width in characters, that an error is about.
func (s *Source) point(err error, first, last int) (line, column, width int) {
	for m := (*markedError)(nil); errors.As(err, &m); err = m.err {
		for n := first; n <= last; n++ {
			if i := strings.Index(s.lines[n-1], m.word); i >= 0 {
				return n, utf8.RuneCountInString(expandTabs(s.lines[n-1][:i])), utf8.RuneCountInString(m.word)
			}
		}
	}
	text := s.lines[first-1]
	word := strings.TrimLeft(text, " \t")
	blank := len(text) - len(word)
	if i := strings.IndexAny(word, " \t"); i > 0 {
		word = word[:i]
	}
	return first, utf8.RuneCountInString(expandTabs(text[:blank])), max(1, utf8.RuneCountInString(word))
}

// expandTabs makes a tab four blanks, so that what stands below it can be lined up.
func expandTabs(s string) string { return strings.ReplaceAll(s, "\t", "    ") }

// cut shortens a line that is too long to be shown and keeps what a terminal would
// take for a command out of it.
func cut(s string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		if n++; n > excerptWidth {
			return -1
		}
		if r < ' ' || r == 0x7F || r >= 0x80 && r < 0xA0 {
			return '?'
		}
		return r
	}, s)
}

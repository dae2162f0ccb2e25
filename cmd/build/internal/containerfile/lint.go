package containerfile

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/suggest"
)

// Finding is what a rule of BuildKit's linter says about a file.
type Finding struct {
	Pos  Pos
	Rule string // its name, "StageNameCasing"
	Text string
	Help string // what the rule is about
	URL  string
}

// checks is what the check directive of a file says.
type checks struct {
	skip   []string
	all    bool // skip all
	strict bool // findings are errors
}

// directives reads the check directive. escape is read by the parser, and syntax,
// which names the image of another parser, does nothing: there is one parser here.
func (f *File) directives(text []byte) error {
	value, _, loc, ok := parser.ParseDirective("check", text)
	if !ok {
		return nil
	}
	c, err := linter.ParseLintOptions(value)
	if err != nil {
		return f.pos(loc).Errorf("check directive: %w", err)
	}
	f.checks = checks{c.SkipRules, c.SkipAll, c.ReturnAsError}
	return nil
}

// Strict reports whether the check directive makes findings errors.
func (f *File) Strict() bool { return f.checks.strict }

// Skipped reports whether a rule is not to be applied: to the file at all, or to the
// instruction with these comments.
func (f *File) Skipped(rule string, comments []string) bool {
	if f.checks.skips(rule) {
		return true
	}
	for _, c := range comments {
		value, ok := strings.CutPrefix(strings.ReplaceAll(c, " ", ""), "check=")
		if !ok {
			continue
		}
		if o, err := linter.ParseLintOptions(value); err == nil && (checks{o.SkipRules, o.SkipAll, false}).skips(rule) {
			return true
		}
	}
	return false
}

func (c checks) skips(rule string) bool {
	return c.all || slices.ContainsFunc(c.skip, func(s string) bool { return strings.EqualFold(s, rule) })
}

// linter collects what BuildKit's parser finds.
func (f *File) linter(ast *parser.Result) *linter.Linter {
	warn := func(rule, help, url, text string, loc []parser.Range) {
		f.Findings = append(f.Findings, Finding{f.pos(loc), rule, text, help, url})
	}
	l := linter.New(&linter.Config{SkipRules: f.checks.skip, SkipAll: f.checks.all, Warn: warn})
	for _, w := range ast.Warnings {
		if w.URL == linter.RuleNoEmptyContinuation.URL && w.Location != nil {
			l.Run(&linter.RuleNoEmptyContinuation, []parser.Range{*w.Location}, linter.RuleNoEmptyContinuation.Format())
		}
	}
	return l
}

// Suggest returns the one of the names that was probably meant, or "".
func Suggest(word string, names []string) string {
	match, _ := suggest.Search(word, names, false)
	return match
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/cmd/build/internal/lint"
	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime/offline"
)

// checked is what build --check finds, as JSON has it.
type checked struct {
	Steps    []checkedStep  `json:"steps"`
	Findings []lint.Finding `json:"findings"`
}

// checkedStep is one step of the build.
type checkedStep struct {
	Stage       int    `json:"stage"` // its number in the file, from 0
	Name        string `json:"name,omitempty"`
	Line        int    `json:"line"`
	Instruction string `json:"instruction"`
	Text        string `json:"text"` // as the image's history would have it
	// Of a RUN, what it needs.
	How     offline.How `json:"how,omitempty"`
	Command string      `json:"command,omitempty"` // the one that needs it, unless How is offline
	Reason  string      `json:"reason,omitempty"`
	Hint    string      `json:"hint,omitempty"`
}

// lint is build --check: it builds nothing and asks no registry.
func (a *app) lint(ctx context.Context, o buildOptions, src *source, p plan.Options) error {
	f, err := src.parse()
	if f == nil {
		return err
	}
	out := checked{Steps: []checkedStep{}, Findings: []lint.Finding{}}
	if err != nil {
		out.Findings = append(out.Findings, invalid(err))
	} else if err := a.withStore(func(st *store.Store) error { return a.look(ctx, st, f, src, o, p, &out) }); err != nil {
		return err
	}
	slices.SortStableFunc(out.Findings, func(a, b lint.Finding) int { return cmp.Compare(a.Line, b.Line) })
	if o.format == cli.JSON {
		if err := cli.PrintJSON(a.env.Stdout, out); err != nil {
			return err
		}
	} else {
		a.printFindings(f, out.Findings)
		for _, s := range out.Steps {
			if s.How == offline.Wine {
				fmt.Fprintf(a.env.Stdout, "%s:%d: RUN under Wine: %s: %s\n", f.Name, s.Line, cli.OneLine(s.Command), s.Reason)
			}
		}
	}
	counts := map[lint.Severity]int{}
	for _, found := range out.Findings {
		counts[found.Severity]++
	}
	if counts[lint.Error] > 0 || counts[lint.Warning] > 0 && (o.strict || f.Strict()) {
		return fmt.Errorf("%s: %d errors, %d warnings", f.Name, counts[lint.Error], counts[lint.Warning])
	}
	return nil
}

// look applies the rules and plans the build as far as the store knows the bases.
func (a *app) look(ctx context.Context, st *store.Store, f *containerfile.File, src *source, o buildOptions, p plan.Options, out *checked) error {
	buildContext, err := src.context()
	if err != nil {
		return err
	}
	defer buildContext.Close()
	p.Base = func(ctx context.Context, ref string, platform image.Platform) (*image.Config, error) {
		if img, err := transfer.Load(ctx, st, ref, platform); err == nil {
			return &img.Config, nil
		}
		c := image.NewConfig(platform)
		return &c, nil
	}
	out.Findings = append(out.Findings, lint.Check(f, lint.Options{
		Base: func(ref string) (*image.Config, bool) {
			img, err := transfer.Load(ctx, st, ref, p.Platform)
			if err != nil {
				return nil, false
			}
			return &img.Config, true
		},
		Ignored: buildContext.Ignored,
	})...)
	planned, err := plan.New(ctx, f, p)
	if err != nil {
		out.Findings = append(out.Findings, invalid(err))
		return nil
	}
	for _, s := range planned.Stages {
		for _, step := range s.Steps {
			name, _, _ := strings.Cut(step.Text, " ")
			one := checkedStep{Stage: s.Index, Name: s.Name, Line: step.Pos.Line, Instruction: name, Text: step.Text}
			if step.Run != nil {
				e := offline.Explain(step.Run.CommandLine)
				one.How, one.Command, one.Reason, one.Hint = e.How, e.Command, e.Reason, e.Hint
				if e.How == offline.Windows || e.How == offline.Wine && o.run == "offline" {
					out.Findings = append(out.Findings, notHere(&step, e))
				}
			}
			out.Steps = append(out.Steps, one)
		}
	}
	return nil
}

// notHere is the finding of a RUN that this build cannot carry out.
func notHere(step *plan.Step, e offline.Explanation) lint.Finding {
	found := lint.Finding{Rule: "RunNeedsWindows", Severity: lint.Error, Pos: step.Pos, File: step.Pos.File, Line: step.Pos.Line,
		Message: cli.OneLine(e.Command) + ": " + e.Reason, Help: e.Hint}
	if e.How == offline.Wine {
		found.Rule, found.Help = "RunNeedsWine", "build with --run=auto"
	}
	return found
}

// invalid is the finding of an error that would end the build.
func invalid(err error) lint.Finding {
	found := lint.Finding{Rule: "Invalid", Severity: lint.Error, Message: cli.OneLine(err.Error()), Help: "the build ends with this error"}
	var at *containerfile.Error
	if errors.As(err, &at) {
		found.Pos, found.File, found.Line = at.Pos, at.Pos.File, at.Pos.Line
		found.Message = cli.OneLine(at.Err.Error())
	}
	return found
}

// printFindings prints findings for people, each with its lines.
func (a *app) printFindings(f *containerfile.File, list []lint.Finding) {
	for _, found := range list {
		where := found.Pos.String()
		if found.File == "" {
			where = f.Name
		}
		fmt.Fprintf(a.env.Stdout, "%s: %s: %s (%s)\n", where, found.Severity, found.Message, found.Rule)
		excerpt := f.Source().Excerpt(found.Pos.Errorf("%s", found.Message))
		if _, lines, ok := strings.Cut(excerpt, "\n"); ok {
			fmt.Fprint(a.env.Stdout, lines)
		}
		fmt.Fprintf(a.env.Stdout, "  %s\n", found.Help)
	}
}

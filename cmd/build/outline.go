package main

import (
	"strings"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
)

// outline is what a Containerfile offers to who builds it.
type outline struct {
	Stages  []outlineStage  `json:"stages"`
	Args    []outlineArg    `json:"args"`
	Secrets []outlineSecret `json:"secrets"`
}

// outlineStage is a stage that --target can name.
type outlineStage struct {
	Name        string `json:"name"` // "" if it has none
	Base        string `json:"base"`
	Description string `json:"description,omitempty"`
	Pos         string `json:"pos"`
}

// outlineArg is an ARG that --build-arg can set.
type outlineArg struct {
	Name        string  `json:"name"`
	Default     *string `json:"default,omitempty"` // as written
	Description string  `json:"description,omitempty"`
	Stage       *int    `json:"stage,omitempty"` // nil if it stands before the first FROM
	Pos         string  `json:"pos"`
}

// outlineSecret is a secret that a RUN asks for.
type outlineSecret struct {
	ID       string `json:"id"`
	Required bool   `json:"required"`
	Pos      string `json:"pos"`
}

// outlineOf describes a file. A comment above a stage or ARG that begins with its name
// is its description, as for docker.
func outlineOf(f *containerfile.File) outline {
	o := outline{Stages: []outlineStage{}, Args: []outlineArg{}, Secrets: []outlineSecret{}}
	for _, a := range f.Args {
		o.Args = append(o.Args, outlineArg{a.Name, a.Default, describe(a.Comments, a.Name), nil, a.Pos.String()})
	}
	for i, s := range f.Stages {
		o.Stages = append(o.Stages, outlineStage{s.Name, s.Base, describe(s.Comments, s.Name), s.Pos.String()})
		for _, in := range s.Instructions {
			switch b := in.Body.(type) {
			case *containerfile.Args:
				for _, a := range b.List {
					o.Args = append(o.Args, outlineArg{a.Name, a.Default, describe(in.Comments, a.Name), &i, in.Pos.String()})
				}
			case *containerfile.Run:
				for _, m := range b.Mounts {
					if m.Type == "secret" {
						o.Secrets = append(o.Secrets, outlineSecret{m.ID, m.Required, in.Pos.String()})
					}
				}
			}
		}
	}
	return o
}

func describe(comments []string, name string) string {
	for _, c := range comments {
		if text, ok := strings.CutPrefix(c, name+" "); ok && name != "" {
			return text
		}
	}
	return ""
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/cmd/build/internal/solve"
	"github.com/mullion/mullion/cmd/internal/cli"
)

// namedContexts opens what --build-context names.
type namedContexts struct{ list []*solve.Context }

// Close closes the folders.
func (n *namedContexts) Close() error {
	var errs error
	for _, c := range n.list {
		errs = errors.Join(errs, c.Close())
	}
	return errs
}

// namedContexts reads --build-context: NAME=FOLDER, docker-image://REF, store:REF or
// oci-layout://FOLDER[:TAG|@DIGEST]. An image of a layout is brought into the store.
func (b *building) namedContexts(ctx context.Context, p *plan.Options, s *solve.Options) (_ *namedContexts, err error) {
	n := &namedContexts{}
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	p.Contexts, s.Contexts = map[string]plan.Context{}, map[string]*solve.Context{}
	for _, text := range b.o.contexts {
		name, where, ok := strings.Cut(text, "=")
		if !ok || name == "" || where == "" {
			return n, cli.Usagef("--build-context %s: want NAME=FOLDER, NAME=docker-image://REF, NAME=oci-layout://FOLDER or NAME=store:REF", text)
		}
		key := strings.ToLower(name)
		if ref, ok := strings.CutPrefix(where, "docker-image://"); ok {
			p.Contexts[key] = plan.Context{Image: ref}
			continue
		}
		if ref, ok := strings.CutPrefix(where, "store:"); ok {
			p.Contexts[key] = plan.Context{Image: ref}
			continue
		}
		if layout, ok := strings.CutPrefix(where, "oci-layout://"); ok {
			ref, err := b.fromLayout(ctx, layout)
			if err != nil {
				return n, err
			}
			p.Contexts[key] = plan.Context{Image: ref}
			continue
		}
		if strings.Contains(where, "://") || plan.GitSource(where) {
			return n, cli.Usagef("--build-context %s: want a folder, docker-image://, oci-layout:// or store:", text)
		}
		c, err := solve.OpenContext(where, solve.IgnoreFile{Name: ".containerignore"}, solve.IgnoreFile{Name: ".dockerignore"})
		if err != nil {
			return n, err
		}
		n.list = append(n.list, c)
		p.Contexts[key], s.Contexts[key] = plan.Context{}, c
	}
	return n, nil
}

// fromLayout brings an image of an OCI layout into the store and returns its digest.
func (b *building) fromLayout(ctx context.Context, where string) (string, error) {
	dir, ref, ok := cutLayout(where)
	if !ok {
		return "", fmt.Errorf("%s is not an OCI image layout", where)
	}
	d, err := bringLayout(ctx, b.st, dir, ref)
	if err != nil {
		return "", fmt.Errorf("image layout %s: %w", dir, err)
	}
	return d.String(), nil
}

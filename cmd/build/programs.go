package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"strings"

	"github.com/mullion/mullion/cmd/internal/backends"
	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
)

// runIsolation checks what is said of RUN's programs.
func runIsolation(o buildOptions) (runtime.Isolation, error) {
	if o.run != "auto" && o.run != "offline" {
		return "", cli.Usagef("--run %s: want auto or offline", o.run)
	}
	if o.isolation == "default" { // docker's word
		o.isolation = string(runtime.AutoIsolation)
	}
	isolation, err := runtime.ParseIsolation(o.isolation)
	if err != nil {
		return "", cli.Usagef("--isolation: %w", err)
	}
	return isolation, nil
}

// program runs a program of a RUN under a Runtime, in a container that is only made for it, and has what it wrote in sc,
// which holds what spec.View holds.
func (b *building) program(ctx context.Context, spec *runtime.Spec, sc *view.Scratch) (exit uint32, err error) {
	runtimes := backends.Runtimes(b.st)
	r, _, err := runtime.Select(ctx, b.isolation, runtimes...)
	if err != nil {
		return 0, err
	}
	if p, ok := r.(runtime.Preparer); ok {
		if err := p.Prepare(ctx, noting{b.app}); err != nil {
			return 0, err
		}
	}
	parent := b.st.Derived("spool")
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return 0, err
	}
	if spec.Dir, err = os.MkdirTemp(parent, "run-"); err != nil {
		return 0, err
	}
	defer func() {
		if m, ok := r.(runtime.Remover); ok {
			err = errors.Join(err, m.Remove(context.WithoutCancel(ctx), spec.Dir))
		}
		err = errors.Join(err, os.RemoveAll(spec.Dir))
	}()
	var id [32]byte
	_, _ = rand.Read(id[:]) // it never fails
	spec.ID, spec.Hostname = hex.EncodeToString(id[:]), "build"
	p, err := r.Start(ctx, spec)
	if err != nil && spec.Network.Mode == runtime.NATNetwork && ctx.Err() == nil {
		// Installers seldom need one, and what does says so itself.
		why := err
		spec.Network.Mode = runtime.NoNetwork
		if p, err = r.Start(ctx, spec); err == nil {
			b.note("the program has no network: %v", why)
		}
	}
	if err != nil {
		return 0, err
	}
	exit, err = p.Wait(ctx)
	if err := errors.Join(err, p.Close()); err != nil {
		return exit, err
	}
	// What it wrote counts whatever its exit code: the script decides, and 3010 of an installer is a success.
	for _, r := range runtimes {
		if im, ok := r.(runtime.Importer); ok {
			left, err := im.Import(ctx, spec, sc)
			for _, l := range left {
				b.note("left out: %s", l)
			}
			return exit, err
		}
	}
	return 0, errors.New("what programs write cannot be taken over on this system yet")
}

// noting writes lines as notes.
type noting struct{ app *app }

func (n noting) Write(b []byte) (int, error) {
	n.app.note("%s", strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

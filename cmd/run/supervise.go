package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/container"
)

// supervise is the whole life of a supervisor's process.
func (h host) supervise(id string, env *cli.Env) int {
	// Nobody but the system sends a supervisor signals.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	code, err := h.attend(ctx, id, env)
	if err != nil {
		fmt.Fprintln(env.Stderr, "run:", err)
	}
	return code
}

func (h host) attend(ctx context.Context, id string, env *cli.Env) (code int, err error) {
	a := &app{host: h, env: env}
	st, set, err := a.open()
	if err != nil {
		return runtime.ExitOurs, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	s := &container.Supervisor{
		Set: set, Runtimes: h.runtimes(st), View: viewOf(st),
		Stdin: env.Stdin, Stdout: env.Stdout, Stderr: env.Stderr, Now: time.Now, Explain: explain,
	}
	return s.Run(ctx, id), nil
}

func viewOf(st *store.Store) func(context.Context, digest.Digest) (*view.View, error) {
	return func(ctx context.Context, d digest.Digest) (*view.View, error) {
		img, err := image.Load(ctx, st, d.String(), image.Platform{})
		if err != nil {
			return nil, err
		}
		return img.View(ctx, st)
	}
}

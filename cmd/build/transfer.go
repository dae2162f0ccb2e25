package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	goruntime "runtime"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/registry"
	"github.com/mullion/mullion/registry/serve"
)

func (a *app) push() *cobra.Command {
	var quiet bool
	cmd := a.storeVerb("push REF", "Send an image of the store to its registry", cli.Exactly("REF"),
		func(cmd *cobra.Command, st *store.Store, args []string) error {
			return a.pushOne(cmd.Context(), st, args[0], quiet)
		})
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the digest only")
	return cmd
}

func (a *app) pushOne(ctx context.Context, st *store.Store, name string, quiet bool) error {
	ref, err := transfer.Named(name)
	if err != nil {
		return err
	}
	desc, err := transfer.Push(ctx, st, ref.String(), ref, a.progress(quiet))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.env.Stdout, desc.Digest)
	return err
}

func (a *app) pull() *cobra.Command {
	var quiet bool
	var platform string
	cmd := a.storeVerb("pull REF", "Bring an image from its registry into the store", cli.Exactly("REF"),
		func(cmd *cobra.Command, st *store.Store, args []string) error {
			ref, err := transfer.Named(args[0])
			if err != nil {
				return err
			}
			p, err := onePlatform(platform)
			if err != nil {
				return err
			}
			desc, err := transfer.Pull(cmd.Context(), st, ref, p, a.progress(quiet))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.env.Stdout, desc.Digest)
			return err
		})
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the digest only")
	cmd.Flags().StringVar(&platform, "platform", "", "take the image for `PLATFORM` out of an index (windows/amd64, ltsc2022, ...)")
	return cmd
}

// progress is where a transfer tells what it does.
func (a *app) progress(quiet bool) io.Writer {
	if quiet {
		return io.Discard
	}
	return a.env.Stderr
}

// onePlatform reads --platform; without it, it is this machine's architecture.
func onePlatform(flag string) (image.Platform, error) {
	if flag == "" {
		return image.Platform{OS: "windows", Arch: goruntime.GOARCH}, nil
	}
	p, err := image.ParsePlatform(flag)
	if err != nil {
		return p, cli.Usagef("--platform: %w", err)
	}
	return p, nil
}

func (a *app) serve() *cobra.Command {
	var addr string
	var writable bool
	cmd := a.storeVerb("serve", "Serve the store as an OCI registry until interrupted", cli.Exactly(),
		func(cmd *cobra.Command, st *store.Store, _ []string) error {
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				return cli.Usagef("--addr %s: want HOST:PORT", addr)
			}
			if !registry.IsLoopback(host) {
				return cli.Usagef("--addr %s: only loopback addresses are served, for there is no login and no TLS", addr)
			}
			var lc net.ListenConfig
			l, err := lc.Listen(cmd.Context(), "tcp", addr)
			if err != nil {
				return fmt.Errorf("serve: %w", err)
			}
			fmt.Fprintf(a.env.Stderr, "serving %s at http://%s\n", st.Dir(), l.Addr())
			err = serve.Serve(cmd.Context(), l, serve.New(transfer.Contents{Store: st}, serve.Options{Writable: writable}))
			if errors.Is(err, context.Canceled) {
				return nil // that is how it ends
			}
			return err
		})
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:5000", "listen on `HOST:PORT`; port 0 takes a free one")
	cmd.Flags().BoolVar(&writable, "writable", false, "accept pushes and deletions too")
	return cmd
}

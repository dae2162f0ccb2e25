package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/registry"
	"github.com/mullion/mullion/registry/serve"
)

func (a *app) serveCommand() *cobra.Command {
	var addr string
	var writable bool
	cmd := &cobra.Command{
		Use: "serve [--writable] [--addr HOST:PORT]", Short: "Serve the store as an OCI registry", Args: cli.Exactly(),
		Long: `Serves the store as an OCI registry until it is interrupted: what it holds can
be pulled, and with --writable pushed to. It asks nobody who they are, so only
loopback addresses are allowed.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !registry.IsLoopback(addr) {
				return cli.Usagef("--addr %s: the server asks for no login, so it only listens on loopback addresses", addr)
			}
			return a.withStore(func(st *store.Store) error {
				l, err := net.Listen("tcp", addr)
				if err != nil {
					return fmt.Errorf("listen on %s: %w", addr, err)
				}
				fmt.Fprintf(a.env.Stdout, "serving %s on http://%s\n", st.Dir(), l.Addr())
				err = serve.Serve(cmd.Context(), l, serve.New(transfer.Store{S: st}, serve.Options{Writable: writable}))
				if errors.Is(err, context.Canceled) {
					return nil // that is how it ends
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:5000", "listen on `HOST:PORT`; port 0 takes a free one")
	cmd.Flags().BoolVar(&writable, "writable", false, "allow pushing and deleting")
	return cmd
}

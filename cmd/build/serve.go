package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/registry"
	"github.com/mullion/mullion/registry/serve"
)

func (a *app) serveCommand() *cobra.Command {
	var addr, cert, key, htpasswd string
	var o serve.Options
	cmd := &cobra.Command{
		Use: "serve [--writable] [--addr HOST:PORT] [--tls-cert FILE --tls-key FILE] [--htpasswd FILE]", Short: "Serve the store as an OCI registry", Args: cli.Exactly(),
		Long: `Serves the store as an OCI registry until it is interrupted: what it holds can
be pulled, and with --writable pushed to. On other addresses than those of
loopback it takes a certificate and users: --tls-cert, --tls-key, --htpasswd.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !registry.IsLoopback(addr) && (cert == "" || htpasswd == "") {
				return cli.Usagef("--addr %s: other machines can reach it, so it takes --tls-cert, --tls-key and --htpasswd", addr)
			}
			if (cert == "") != (key == "") {
				return cli.Usagef("--tls-cert and --tls-key go together")
			}
			scheme := "http"
			if cert != "" {
				pair, err := tls.LoadX509KeyPair(cert, key)
				if err != nil {
					return fmt.Errorf("--tls-cert %s: %w", cert, err)
				}
				o.Certificate, scheme = &pair, "https"
			}
			if htpasswd != "" {
				var err error
				if o.Users, err = readUsers(htpasswd); err != nil {
					return fmt.Errorf("--htpasswd %s: %w", htpasswd, err)
				}
			}
			return a.withStore(func(st *store.Store) error {
				l, err := net.Listen("tcp", addr)
				if err != nil {
					return fmt.Errorf("listen on %s: %w", addr, err)
				}
				fmt.Fprintf(a.env.Stdout, "serving %s on %s://%s\n", st.Dir(), scheme, l.Addr())
				err = serve.Serve(cmd.Context(), l, serve.New(transfer.Store{S: st}, o))
				if errors.Is(err, context.Canceled) {
					return nil // that is how it ends
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:5000", "listen on `HOST:PORT`; port 0 takes a free one")
	cmd.Flags().BoolVar(&o.Writable, "writable", false, "allow pushing and deleting")
	cmd.Flags().StringVar(&cert, "tls-cert", "", "serve https with the certificates of this PEM `FILE`")
	cmd.Flags().StringVar(&key, "tls-key", "", "the certificate's private key, a PEM `FILE`")
	cmd.Flags().StringVar(&htpasswd, "htpasswd", "", "let in only the users of this `FILE`, which htpasswd -B writes")
	return cmd
}

func readUsers(file string) (*serve.Users, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return serve.ReadUsers(f)
}

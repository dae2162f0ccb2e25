package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
)

// maxPassword bounds what is read as a password, in bytes: tokens of cloud registries have a few thousand.
const maxPassword = 64 << 10

func (a *app) loginCommand() *cobra.Command {
	var user string
	var stdin, insecure bool
	cmd := &cobra.Command{
		Use: "login -u USER [--password-stdin] HOST", Short: "Log in to a registry", Args: cli.Exactly("HOST"),
		Long: `Asks the registry whether it takes the user name and password, and keeps them where
docker does (DOCKER_CONFIG, credential helpers), so that docker, podman, crane and we
share them. The password is asked for, or read with --password-stdin; it is never an
argument, which other users of this machine could see.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if user == "" {
				return cli.Usagef("-u: who is to log in?")
			}
			password, err := a.password(stdin)
			if err != nil {
				return err
			}
			file, err := transfer.Login(cmd.Context(), args[0], user, password, transfer.Options{Insecure: insecure})
			if err == nil {
				a.note("logged in to %s, kept in %s", args[0], file)
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&user, "username", "u", "", "log in as `USER`")
	cmd.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input")
	cmd.Flags().BoolVar(&insecure, "insecure", false, "allow plain http and unknown certificates with any registry")
	return cmd
}

// password reads one from standard input: all of it, or a line that a terminal does not show.
func (a *app) password(stdin bool) (string, error) {
	in, _ := a.env.Stdin.(*os.File)
	switch {
	case stdin:
		b, err := io.ReadAll(io.LimitReader(bufio.NewReader(a.env.Stdin), maxPassword+1))
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		if len(b) > maxPassword {
			return "", fmt.Errorf("read the password: it has more than %d bytes", maxPassword)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	case in == nil || !term.IsTerminal(int(in.Fd())):
		return "", errors.New("standard input is no terminal to ask for the password; pipe it in with --password-stdin")
	}
	fmt.Fprint(a.env.Stderr, "Password: ")
	b, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(a.env.Stderr)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return string(b), nil
}

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout HOST", Short: "Forget the login to a registry", Args: cli.Exactly("HOST"),
		RunE: func(_ *cobra.Command, args []string) error {
			file, err := transfer.Logout(args[0])
			if err == nil {
				a.note("logged out of %s in %s", args[0], file)
			}
			return err
		},
	}
}

// Package cli holds what the two commands share: the streams and environment a
// command is given, how errors become exit codes and one line of text, the
// --store and --format flags, and the table printer.
//
// Results go to standard output and everything else to standard error, so that
// the output of any verb can be piped.
package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// Env is all that a command may know of the process that it runs in. Tests give
// their own; the programs use OSEnv.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string // "NAME=value", as os.Environ gives it
}

// OSEnv is the Env of the current process.
func OSEnv() *Env {
	return &Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ()}
}

// Lookup returns the value of an environment variable; a later entry of Environ
// wins over an earlier one.
func (e *Env) Lookup(name string) (string, bool) {
	for i := len(e.Environ) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(e.Environ[i], "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

// Getenv is Lookup with "" for a variable that is not set.
func (e *Env) Getenv(name string) string {
	v, _ := e.Lookup(name)
	return v
}

// IsTerminal tells whether a file is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Main runs a command in the current process and does not return: an interrupt
// or a termination request cancels the context, and what run returns becomes the
// process's exit code.
func Main(run func(ctx context.Context, args []string, env *Env) int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], OSEnv())
	stop()
	os.Exit(code)
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Codes are the exit codes of one program: what a failed operation gives, and
// what a wrong command line gives.
type Codes struct{ Failure, Usage int }

// ExitError carries an exit code chosen by the verb itself, for example that of
// the program it ran. A nil Err means that all there is to say has been said.
type ExitError struct {
	Code int
	Err  error
}

// Error returns the cause's text, or the code when there is no cause.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *ExitError) Unwrap() error { return e.Err }

// usageError marks an error in how the command was called.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// Usagef returns an error that says the command line is wrong; it ends the
// program with Codes.Usage and a pointer to the help.
func Usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// IsUsage tells whether err says that the command line is wrong.
func IsUsage(err error) bool {
	var u *usageError
	return errors.As(err, &u)
}

// Of maps an error to an exit code.
func (c Codes) Of(err error) int {
	var exit *ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.Code
	case IsUsage(err):
		return c.Usage
	}
	return c.Failure
}

// Execute runs a cobra tree under our rules: no usage dump on an error, one line
// "NAME: error" on standard error, and the exit code of codes.
func Execute(ctx context.Context, root *cobra.Command, args []string, env *Env, codes Codes) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w (see '%s --help')", err, cmd.CommandPath())}
	})
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Hidden: true, Use: "no-help-verb"})
	err := root.ExecuteContext(ctx)
	if err != nil {
		report(env, root.Name(), err)
	}
	return codes.Of(err)
}

// report prints the one line about a failed command.
func report(env *Env, name string, err error) {
	var exit *ExitError
	if errors.As(err, &exit) && exit.Err == nil {
		return
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	fmt.Fprintf(env.Stderr, "%s: %s\n", name, OneLine(err.Error()))
}

// OneLine joins the lines of a text with "; ", so that an error of any library
// stays one line.
func OneLine(s string) string {
	var parts []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, "; ")
}

// Exactly returns an argument check for cobra: the named arguments, all of them
// and no more.
func Exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return wrongArgs(cmd, len(args), strings.Join(names, " "))
	}
}

// AtLeast is Exactly where the last argument may be repeated.
func AtLeast(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= len(names) {
			return nil
		}
		return wrongArgs(cmd, len(args), strings.Join(names, " ")+"...")
	}
}

func wrongArgs(cmd *cobra.Command, got int, want string) error {
	if want == "" {
		want = "no arguments"
	}
	return Usagef("'%s' takes %s, %d given (see '%s --help')", cmd.CommandPath(), want, got, cmd.CommandPath())
}

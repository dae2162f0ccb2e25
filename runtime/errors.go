package runtime

import (
	"errors"
	"fmt"
)

// ErrCannotInvoke is matched by errors of programs that exist but that cannot
// be executed, such as a text file.
var ErrCannotInvoke = errors.New("cannot be invoked")

// NotFoundError reports a program that is not in the container.
type NotFoundError struct {
	// Program is the program as the command line names it.
	Program string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("program %q not found in the container", e.Program)
}

// The exit codes of the run command that are not the program's own.
const (
	// ExitOurs is ours: nothing of the container ran, or it was lost.
	ExitOurs = 125
	// ExitCannotInvoke means that the program exists but cannot be executed.
	ExitCannotInvoke = 126
	// ExitNotFound means that the program does not exist.
	ExitNotFound = 127
	// ExitLarge stands for a program's exit code that does not fit in a byte.
	ExitLarge = 255
)

// ExitCode is the exit code that err gives the run command; 0 for nil.
func ExitCode(err error) int {
	var missing *NotFoundError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &missing):
		return ExitNotFound
	case errors.Is(err, ErrCannotInvoke):
		return ExitCannotInvoke
	}
	return ExitOurs
}

// HostExit turns a program's exit code, 32 bits wide on Windows, into one that
// every host can pass on. Codes above 255 give [ExitLarge] and large, so that the
// caller prints the true code (in hexadecimal, as Windows documents them).
func HostExit(exit uint32) (code int, large bool) {
	if exit > 255 {
		return ExitLarge, true
	}
	return int(exit), false
}

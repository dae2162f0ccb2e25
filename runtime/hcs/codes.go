package hcs

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/mullion/mullion/runtime"
)

// Codes of the compute service and of Windows that steer what we do.
const (
	codeFileNotFound   = 0x2
	codePathNotFound   = 0x3
	codeNotReady       = 0x15
	codeBadExeFormat   = 0xc1
	codeWrongMachine   = 0xd8
	codeNotConnected   = 0x48f
	codePending        = 0xc0370103
	codeNotExist       = 0xc037010e
	codeAlreadyStopped = 0xc0370110
	codeProcessStopped = 0x8037011f
	codeElementMissing = 0x490
)

// meanings says what codes mean that people meet, and what they can do. The codes
// are those of hcsshim's internal/hcs/errors.go and of Windows' winerror.h.
var meanings = map[uint32]string{
	0xc0370101:         "the image is for another Windows version than the host's: use --isolation=hyperv or an image for the host's build",
	0xc0370105:         "the container is not in a state for this",
	0xc0370106:         "the container ended while it started: often the image needs a newer host update",
	0xc037010b:         "the container's own service does not know this request",
	0xc037010d:         "the compute service does not understand the container's description on this Windows release",
	codeNotExist:       "the container does not exist",
	codeAlreadyStopped: "the container has already stopped",
	codeProcessStopped: "the process has already stopped",
	0xc0370112:         "a layer is of a format that this Windows release does not take",
	0xc0351000:         "no hypervisor is running: enable the Hyper-V feature, and nested virtualization if this is a VM, or use --isolation=process",
	0x3f1:              "a registry hive of the image is damaged or empty",
	codePathNotFound:   "a folder is missing: the working directory, or one in a layer (a full disk shows so too)",
	0xb7:               "something of that name is there already",
	0x52e:              "the user does not exist in the image: choose another with --user",
	0x569:              "the user may not log on in the container: choose another with --user",
	codeFileNotFound:   "the program does not exist in the container",
	codeElementMissing: "it is not there any more",
	0x5:                "access is denied: run as administrator, and see whether a virus scanner holds the layer",
}

// code finds the Windows error code in err.
func code(err error) (uint32, bool) {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return 0, false
	}
	return uint32(errno), true
}

// is tells whether err carries one of codes.
func is(err error, codes ...uint32) bool {
	have, ok := code(err)
	if !ok {
		return false
	}
	for _, c := range codes {
		if c == have {
			return true
		}
	}
	return false
}

// explain adds the step that went wrong and, where it is known, what the code
// means.
func explain(step string, err error) error {
	if err == nil {
		return nil
	}
	if c, ok := code(err); ok {
		if meaning := meanings[c]; meaning != "" {
			return fmt.Errorf("%s: %s (0x%x): %w", step, meaning, c, err)
		}
		return fmt.Errorf("%s (0x%x): %w", step, c, err)
	}
	return fmt.Errorf("%s: %w", step, err)
}

// programError tells a program that is missing or no program from all else that
// keeps one from starting.
func programError(program string, err error) error {
	switch {
	case is(err, codeFileNotFound):
		return &runtime.NotFoundError{Program: program}
	case is(err, codeBadExeFormat, codeWrongMachine):
		return fmt.Errorf("program %q: %w: it is no program for this Windows", program, runtime.ErrCannotInvoke)
	}
	return explain("start "+program, err)
}

// unlessGone drops errors that say that there was nothing left to undo.
func unlessGone(step string, err error) error {
	if is(err, codePending, codeNotExist, codeAlreadyStopped, codeProcessStopped, codeElementMissing, codeFileNotFound, codePathNotFound) {
		return nil
	}
	return explain(step, err)
}

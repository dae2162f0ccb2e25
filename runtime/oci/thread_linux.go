package oci

import (
	"fmt"
	goruntime "runtime"

	"golang.org/x/sys/unix"
)

// onPrivateThread runs f on a thread with a mount namespace and a working
// directory of its own. Processes that f starts inherit them; the thread ends
// with f, and the mounts with the last of those processes.
func onPrivateThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		// Never unlocked: the thread must not serve other goroutines.
		goruntime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The main thread cannot be ended. While this goroutine holds it, the next
			// one gets another.
			result <- onPrivateThread(f)
			goruntime.UnlockOSThread()
			return
		}
		result <- unshared(f)
	}()
	return <-result
}

func unshared(f func() error) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts private: %w", err)
	}
	return f()
}

//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyResize tells of changes of our terminal's size.
func notifyResize(c chan<- os.Signal) { signal.Notify(c, syscall.SIGWINCH) }

//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// peak returns the most memory that a process and those it waited for had, in bytes.
func peak(p *os.ProcessState) int64 {
	n := int64(p.SysUsage().(*syscall.Rusage).Maxrss)
	if runtime.GOOS == "linux" {
		n <<= 10
	}
	return n
}

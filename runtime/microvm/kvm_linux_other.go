//go:build linux && !amd64

package microvm

import "errors"

// tryKVM is for hosts whose processor could run the VM's code.
func tryKVM() error { return errors.New("the host's processor is no x86-64") }

//go:build !linux

package guest

// Main returns at once: utility VMs run Linux.
func Main() {}

package cli

import "runtime/debug"

// Version is the module's version as the Go toolchain recorded it, "(devel)" for a
// build of a checkout.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

//go:build !linux && !windows

package backends

import (
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime"
)

// Runtimes returns none: runtime.Select has the sentence for that.
func Runtimes(*store.Store) []runtime.Runtime { return nil }

// HostVersion is "": no image is for another Windows than this host's.
func HostVersion() string { return "" }

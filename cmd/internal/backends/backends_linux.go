package backends

import (
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/microvm"
	"github.com/mullion/mullion/runtime/oci"
)

// Runtimes returns what can start programs over images of st.
func Runtimes(st *store.Store) []runtime.Runtime {
	return []runtime.Runtime{oci.New(st), microvm.New(st)}
}

// HostVersion is "": no image is for another Windows than this host's.
func HostVersion() string { return "" }

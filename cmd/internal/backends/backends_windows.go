package backends

import (
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/hcs"
)

// Runtimes returns what can start programs over images of st.
func Runtimes(st *store.Store) []runtime.Runtime {
	return []runtime.Runtime{hcs.New(st, runtime.ProcessIsolation), hcs.New(st, runtime.HyperVIsolation)}
}

// HostVersion is the version of Windows that images are held against.
func HostVersion() string { return hcs.HostVersion() }

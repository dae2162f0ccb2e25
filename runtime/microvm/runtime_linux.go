// Package microvm is hyperv isolation on Linux: the Windows program runs under
// Wine in a utility VM of its own, made by QEMU.
package microvm

import (
	"context"
	"errors"
	"io"

	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime"
)

// Runtime starts programs in utility VMs.
type Runtime struct {
	st *store.Store
}

// New returns the Runtime that keeps its Disks, its kernel and its Wine base in st.
func New(st *store.Store) *Runtime { return &Runtime{st: st} }

// Name returns "microvm".
func (r *Runtime) Name() string { return "microvm" }

// Isolation returns hyperv.
func (r *Runtime) Isolation() runtime.Isolation { return runtime.HyperVIsolation }

// Probe implements [runtime.Runtime].
func (r *Runtime) Probe(ctx context.Context) error { return errors.New("not written yet") }

// Requirements implements [runtime.Runtime].
func (r *Runtime) Requirements(ctx context.Context) []runtime.Requirement { return nil }

// Prepare makes the Wine base and finds or fetches a kernel; see [runtime.Preparer].
func (r *Runtime) Prepare(ctx context.Context, progress io.Writer) error {
	return errors.New("not written yet")
}

// Start implements [runtime.Runtime].
func (r *Runtime) Start(ctx context.Context, spec *runtime.Spec) (runtime.Process, error) {
	return nil, errors.New("not written yet")
}

package oci

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mullion/mullion/layers/disk"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/wine"
)

// Runtime starts programs in namespaces.
type Runtime struct {
	st *store.Store
}

var (
	_ runtime.Runtime  = (*Runtime)(nil)
	_ runtime.Preparer = (*Runtime)(nil)
	_ runtime.Remover  = (*Runtime)(nil)
	_ runtime.Importer = (*Runtime)(nil)
)

// New returns the Runtime that keeps its Disks and its Wine base in st.
func New(st *store.Store) *Runtime { return &Runtime{st: st} }

// Name returns "oci".
func (r *Runtime) Name() string { return "oci" }

// Isolation returns process.
func (r *Runtime) Isolation() runtime.Isolation { return runtime.ProcessIsolation }

// Prepare makes the Wine base; see [runtime.Preparer].
func (r *Runtime) Prepare(ctx context.Context, progress io.Writer) error {
	_, err := wine.Open(ctx, r.st, func(line string) { fmt.Fprintln(progress, line) })
	return err
}

// bundleDir is the folder of Spec.Dir that is the OCI bundle: config.json and the
// directories that are mounted on.
const bundleDir = "oci"

// Start implements [runtime.Runtime].
func (r *Runtime) Start(ctx context.Context, spec *runtime.Spec) (runtime.Process, error) {
	tool, err := findTool()
	if err != nil {
		return nil, err
	}
	base, err := wine.Open(ctx, r.st, nil)
	if err != nil {
		return nil, err
	}
	prepared, err := base.Prepare(ctx, spec)
	if err != nil {
		return nil, err
	}
	d, err := disk.Build(ctx, r.st, spec.View, base.Under)
	if err != nil {
		return nil, err
	}
	tool.sweep(spec.ID)
	p := &process{tool: tool, id: spec.ID, bundle: filepath.Join(spec.Dir, bundleDir), stderr: spec.Stderr, prepared: prepared, done: make(chan struct{})}
	if p.network, err = newNetwork(spec); err != nil {
		return nil, err
	}
	config := prepared.Config
	config.Hosts, config.Resolv = p.network.hosts, p.network.resolv
	err = writeBundle(spec, p.network.path())
	if err == nil {
		err = onPrivateThread(func() error {
			if err := mountAll(spec, config.Cwd, base.Runtime, d, tool.wantsOneCgroupVersion()); err != nil {
				return err
			}
			return p.start(spec, config)
		})
	}
	if err != nil {
		p.network.Close()
		return nil, err
	}
	if err := p.awaitStart(ctx); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

// Import implements [runtime.Importer], for containers of both isolations.
func (r *Runtime) Import(ctx context.Context, spec *runtime.Spec, sc *view.Scratch) (left []string, err error) {
	base, err := wine.Open(ctx, r.st, nil)
	if err != nil {
		return nil, err
	}
	d, err := disk.Build(ctx, r.st, spec.View, base.Under)
	if err != nil {
		return nil, err
	}
	return base.Import(spec, d.Names, sc)
}

// Remove takes away what a killed process left of the container on the host; see
// [runtime.Remover].
func (r *Runtime) Remove(_ context.Context, dir string) error {
	tool, err := findTool()
	if err != nil {
		return nil // without it nothing was started
	}
	if id, err := os.ReadFile(filepath.Join(dir, bundleDir, idFile)); err == nil {
		tool.sweep(string(id))
	}
	return nil
}

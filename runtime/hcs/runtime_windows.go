package hcs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/Microsoft/hcsshim"
	"golang.org/x/sys/windows"

	"github.com/mullion/mullion/layers/disk"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime"
)

// Runtime starts programs through the Host Compute Service.
type Runtime struct {
	store *store.Store
	iso   runtime.Isolation
}

var (
	_ runtime.Runtime = (*Runtime)(nil)
	_ runtime.Remover = (*Runtime)(nil)
)

// New returns the Runtime for iso, ProcessIsolation or HyperVIsolation. It imports images
// of st into the service's own form below the store.
func New(st *store.Store, iso runtime.Isolation) *Runtime { return &Runtime{store: st, iso: iso} }

// Name implements runtime.Runtime.
func (*Runtime) Name() string { return "hcs" }

// Isolation implements runtime.Runtime.
func (r *Runtime) Isolation() runtime.Isolation { return r.iso }

// Probe implements runtime.Runtime.
func (r *Runtime) Probe(context.Context) error { return look().probe(r.iso) }

// Requirements implements runtime.Runtime.
func (r *Runtime) Requirements(context.Context) []runtime.Requirement {
	return look().requirements(r.iso)
}

// Start implements runtime.Runtime.
func (r *Runtime) Start(ctx context.Context, spec *runtime.Spec) (runtime.Process, error) {
	if err := runtime.Plain(r.Isolation(), spec); err != nil {
		return nil, err
	}
	s := &starter{storage: layerCalls(), compute: computeCalls(), layers: r.layers, iso: r.iso, pause: pause}
	return s.start(ctx, spec)
}

func (r *Runtime) layers(ctx context.Context, spec *runtime.Spec) ([]string, error) {
	folders, err := disk.Import(ctx, r.store, spec.View)
	if err != nil {
		return nil, fmt.Errorf("import image: %w", err)
	}
	return folders, nil
}

// Remove destroys the container's layer. Deleting the folder would leave what is
// mounted in it, and follow its reparse points.
func (r *Runtime) Remove(_ context.Context, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	calls := layerCalls()
	for _, e := range entries {
		scratch := filepath.Join(dir, e.Name())
		// Neither is there after an orderly end.
		_ = calls.Unprepare(scratch)
		_ = calls.Deactivate(scratch)
		if err := calls.Destroy(scratch); err != nil {
			return explain("remove layer "+scratch, err)
		}
	}
	return nil
}

// HostVersion is the host's major.minor.build, for runtime.Compat. Windows does
// not tell the update revision in the same call, and only hosts before Server
// 2019 would need it.
func HostVersion() string {
	v := windows.RtlGetVersion()
	return fmt.Sprintf("%d.%d.%d", v.MajorVersion, v.MinorVersion, v.BuildNumber)
}

func look() host {
	return host{
		Build:      windows.RtlGetVersion().BuildNumber,
		Elevated:   windows.GetCurrentProcessToken().IsElevated(),
		Containers: hasService("vmcompute"),
		HyperV:     hasService("vmms"),
	}
}

func hasService(name string) bool {
	m, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return false
	}
	defer windows.CloseServiceHandle(m)
	p, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return false
	}
	s, err := windows.OpenService(m, p, windows.SERVICE_QUERY_STATUS)
	if err != nil {
		return false
	}
	return windows.CloseServiceHandle(s) == nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// at names a layer the way hcsshim wants it: a folder of layers and a name in it.
func at(dir string) (hcsshim.DriverInfo, string) {
	return hcsshim.DriverInfo{HomeDir: filepath.Dir(dir)}, filepath.Base(dir)
}

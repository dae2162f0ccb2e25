package disk

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/Microsoft/go-winio"
	"github.com/Microsoft/hcsshim"
	"github.com/Microsoft/hcsshim/pkg/ociwclayer"

	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
)

// Import brings v's layers into the form that Windows starts containers from,
// below the store, and returns their folders, base first. Layers that are there
// already are not imported again. It needs an elevated process.
func Import(ctx context.Context, st *store.Store, v *view.View) ([]string, error) {
	if err := winio.EnableProcessPrivileges([]string{winio.SeBackupPrivilege, winio.SeRestorePrivilege}); err != nil {
		return nil, fmt.Errorf("import layers: %w: run as administrator", err)
	}
	im := &importer{st: st, root: st.Derived("disk", "windows"), layer: importTar, destroy: destroyLayer}
	return im.run(ctx, v.Layers())
}

// importTar hands the parents on nearest first, which is what the function wants;
// its own comment says the opposite.
func importTar(ctx context.Context, tar io.Reader, dir string, parents []string) error {
	_, err := ociwclayer.ImportLayerFromTar(ctx, tar, dir, parents)
	return err
}

func destroyLayer(dir string) error {
	return hcsshim.DestroyLayer(hcsshim.DriverInfo{HomeDir: filepath.Dir(dir)}, filepath.Base(dir))
}

package wine

import (
	"context"
	"errors"

	"github.com/mullion/mullion/layers/disk"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/guest"
)

// The folders of a container's own folder (Spec.Dir).
const (
	// PrefixDir is the container's Wine prefix; guest.PrefixDir inside.
	PrefixDir = "wine"
	// UpperDir is the upper directory of the overlay that is drive C:.
	UpperDir = "upper"
	// WorkDir is that overlay's work directory.
	WorkDir = "work"
)

// RegistryFiles are the names of the registry texts in a prefix.
var RegistryFiles = []string{"system.reg", "user.reg", "userdef.reg"}

// Base is the Wine base.
type Base struct {
	// ID changes whenever the base's content may.
	ID string
	// Version is the host's Wine version, such as "8.0".
	Version string
	// Runtime is the erofs image that is the guest's root, read-only.
	Runtime string
	// Under is the prefix's drive C:, for disk.Build.
	Under *disk.Under

	dir string
}

// Open returns the base made from the host's Wine, making it first when the
// store has none, which takes up to a minute and is told on progress (nil: not
// told) line by line. Processes that do so at the same time wait for one another.
func Open(ctx context.Context, st *store.Store, progress func(string)) (*Base, error) {
	return nil, errors.New("open the wine base: not written yet")
}

// Prepare readies spec.Dir for a start and returns what the guest has to run.
// The registry is composed from the Wine base's and the image's at the first
// start only. A program that is not there gives a [*runtime.NotFoundError], one
// that cannot run an error matching [runtime.ErrCannotInvoke].
func (b *Base) Prepare(ctx context.Context, spec *runtime.Spec) (*guest.Config, error) {
	return nil, errors.New("prepare the container: not written yet")
}

// Requirement tells whether the host has the Wine that Open needs.
func Requirement(ctx context.Context) runtime.Requirement {
	return runtime.Requirement{Name: "wine"}
}

package transfer

import (
	"context"
	"errors"

	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/registry"
)

// Fetcher brings the blobs that the store has only noted from the repositories
// that hold them. tell hears of each one before it comes.
func Fetcher(o Options, tell func(store.Remote)) store.Fetcher {
	return &fetcher{o.client(), tell}
}

type fetcher struct {
	client *registry.Client
	tell   func(store.Remote)
}

// Fetch tries one repository after the other.
func (f *fetcher) Fetch(ctx context.Context, s *store.Store, r store.Remote) error {
	f.tell(r)
	var errs error
	for _, source := range r.Sources {
		err := f.client.Fetch(ctx, Store{s}, source, r.Desc)
		if err == nil || ctx.Err() != nil {
			return err
		}
		errs = errors.Join(errs, err)
	}
	return errs
}

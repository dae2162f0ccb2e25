package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	goruntime "runtime"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
)

// When the image is pulled.
const (
	pullMissing = "missing"
	pullAlways  = "always"
	pullNever   = "never"
)

// image finds the image of the store that ref names, and pulls it first when the
// flags say so.
func (a *app) image(ctx context.Context, st *store.Store, ref string, o runOptions) (*image.Image, error) {
	platform, err := wanted(o.platform)
	if err != nil {
		return nil, err
	}
	switch o.pull {
	case pullAlways:
		if err := a.pull(ctx, st, ref, platform); err != nil {
			return nil, err
		}
		return transfer.Load(ctx, st, ref, platform)
	case pullMissing, pullNever:
	default:
		return nil, cli.Usagef("--pull %s: want missing, always or never", o.pull)
	}
	img, err := transfer.Load(ctx, st, ref, platform)
	if !errors.Is(err, fs.ErrNotExist) {
		return img, err
	}
	if o.pull == pullNever {
		return nil, fmt.Errorf("%w, and --pull=never forbids to pull it", err)
	}
	if r, bad := image.ParseRef(ref); bad == nil && r.Host() == "" {
		return nil, fmt.Errorf("%w: build it, or name the registry that has it, HOST/%s", err, ref)
	}
	if err := a.pull(ctx, st, ref, platform); err != nil {
		return nil, err
	}
	return transfer.Load(ctx, st, ref, platform)
}

// wanted is the platform of the flag, else this host's architecture.
func wanted(flag string) (image.Platform, error) {
	if flag == "" {
		return image.Platform{OS: "windows", Arch: goruntime.GOARCH}, nil
	}
	p, err := image.ParsePlatform(flag)
	if err != nil {
		return image.Platform{}, cli.Usagef("--platform: %w", err)
	}
	return p, nil
}

func (a *app) pull(ctx context.Context, st *store.Store, ref string, p image.Platform) error {
	a.note("pulling " + ref)
	_, err := transfer.Pull(ctx, st, ref, p, transfer.Options{})
	return err
}

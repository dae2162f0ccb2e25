package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/mullion/mullion/cmd/build/internal/reg"
	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
)

// targets opens what the arguments of the reg verbs name.
type targets struct {
	app      *app
	platform image.Platform
	st       *store.Store // nil until an image is needed
	opened   []*reg.Registry
}

// target is an image, or a hive file if image is nil.
type target struct {
	reg   *reg.Registry
	image *image.Image
	view  *view.View
}

// withTargets closes what f opens.
func (a *app) withTargets(platform string, f func(*targets) error) error {
	t := &targets{app: a}
	if platform != "" {
		var err error
		if t.platform, err = image.ParsePlatform(platform); err != nil {
			return cli.Usagef("--platform: %w", err)
		}
	}
	err := f(t)
	for _, r := range t.opened {
		err = errors.Join(err, r.Close())
	}
	if t.st != nil {
		err = errors.Join(err, t.st.Close())
	}
	return err
}

// open opens a target. A path of a hive or a layout comes before an image of the same
// name; NAME:TAG is always the image.
func (t *targets) open(ctx context.Context, name string) (*target, error) {
	if reg.IsHive(name) {
		r, err := reg.OpenFile(name)
		if err != nil {
			return nil, err
		}
		t.opened = append(t.opened, r)
		return &target{reg: r}, nil
	}
	if t.st == nil {
		var err error
		if t.st, err = t.app.store.Open(t.app.env); err != nil {
			return nil, err
		}
	}
	img, err := t.load(ctx, name)
	if err != nil {
		return nil, err
	}
	v, err := img.View(ctx, t.st)
	if err != nil {
		return nil, err
	}
	return &target{reg: reg.OfImage(name, v), image: img, view: v}, nil
}

// openImage opens a target that must be an image.
func (t *targets) openImage(ctx context.Context, name string) (*target, error) {
	if reg.IsHive(name) {
		return nil, fmt.Errorf("%s is a hive file and no image", name)
	}
	return t.open(ctx, name)
}

func (t *targets) load(ctx context.Context, name string) (*image.Image, error) {
	if dir, ref, ok := cutLayout(name); ok {
		digest, err := bringLayout(ctx, t.st, dir, ref)
		if err != nil {
			return nil, fmt.Errorf("image layout %s: %w", dir, err)
		}
		return image.Load(ctx, t.st, digest.String(), t.platform)
	}
	img, err := transfer.Load(ctx, t.st, name, t.platform)
	if _, statErr := os.Stat(name); statErr == nil && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no hive file, no image layout and no image of the store", name)
	}
	return img, err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/build/internal/reg"
	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
)

// targets opens what the arguments of the reg verbs name.
type targets struct {
	app      *app
	reg32    bool // keys are those that 32-bit programs mean
	platform image.Platform
	st       *store.Store // nil until an image is needed
	opened   []*reg.Registry
}

// target is an image, or a layer or a hive file if image is nil.
type target struct {
	reg   *reg.Registry
	image *image.Image
	view  *view.View
}

// targetFlags say how targets are to be read.
type targetFlags struct {
	platform string
	reg32    bool
}

func (f *targetFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.platform, "platform", "", "of an index, take the image for `PLATFORM`")
	cmd.Flags().BoolVar(&f.reg32, "reg32", false, "keys are those that 32-bit programs see, as with /reg:32 of reg.exe")
}

// withTargets closes what do opens.
func (a *app) withTargets(flags targetFlags, do func(*targets) error) error {
	t := &targets{app: a, reg32: flags.reg32}
	if flags.platform != "" {
		var err error
		if t.platform, err = image.ParsePlatform(flags.platform); err != nil {
			return cli.Usagef("--platform: %w", err)
		}
	}
	err := do(t)
	for _, r := range t.opened {
		err = errors.Join(err, r.Close())
	}
	if t.st != nil {
		err = errors.Join(err, t.st.Close())
	}
	return err
}

// open opens a target. A path of a hive, a layer or a layout comes before an image of the
// same name; NAME:TAG is always the image.
func (t *targets) open(ctx context.Context, name string) (*target, error) {
	if reg.IsHive(name) {
		r, err := reg.OpenFile(name)
		if err != nil {
			return nil, err
		}
		t.opened = append(t.opened, r)
		return &target{reg: r}, nil
	}
	if err := t.openStore(); err != nil {
		return nil, err
	}
	layer, ok, err := t.findLayer(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if ok {
		v, err := t.layerView(ctx, layer)
		if err != nil {
			return nil, err
		}
		return &target{reg: reg.OfLayer(name, v), view: v}, nil
	}
	img, err := t.load(ctx, name)
	if err != nil {
		return nil, err
	}
	v, err := img.View(ctx, t.st)
	if err != nil {
		return nil, err
	}
	return &target{reg: reg.OfImage(name, v, userOf(img)), image: img, view: v}, nil
}

// key is what the user means by a key of a target.
func (t *targets) key(of *target, key string) (string, error) {
	if !t.reg32 {
		return key, nil
	}
	if !of.reg.IsImage() {
		return "", cli.Usagef("--reg32 is for images and layers: in a hive file, write WOW6432Node")
	}
	return reg.Key32(key), nil
}

// userOf is who programs of the image run as.
func userOf(img *image.Image) nt.SID {
	if sid, ok := nt.AccountSID(img.Config.Config.User); ok {
		return sid
	}
	return nt.ContainerAdministrator
}

func (t *targets) openStore() (err error) {
	if t.st == nil {
		t.st, err = t.app.openStore()
	}
	return err
}

// openImage opens a target that must be an image.
func (t *targets) openImage(ctx context.Context, name string) (*target, error) {
	if reg.IsHive(name) {
		return nil, fmt.Errorf("%s is a hive file and no image", name)
	}
	target, err := t.open(ctx, name)
	if err == nil && target.image == nil {
		return nil, fmt.Errorf("%s is a layer and no image", name)
	}
	return target, err
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
		return nil, fmt.Errorf("%s is no hive file, no layer, no image layout and no image of the store", name)
	}
	return img, err
}

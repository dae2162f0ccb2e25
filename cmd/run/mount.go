package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/layers/disk"
	"github.com/mullion/mullion/layers/store"
)

const mountHelp = `Show an image's C:\ at a directory, read-only, until --umount ends it.

The mount outlives this command. Without arguments the mounted images are
listed. It needs Linux and root: from kernel 6.12 on, the image's files are
mounted as they are, from 5.16 on through loop devices; where the kernel can do
neither, they are unpacked into the store first.`

// mountOptions are the flags of mount.
type mountOptions struct {
	umount bool
	image  runOptions
}

func (a *app) mount() *cobra.Command {
	var o mountOptions
	cmd := &cobra.Command{
		Use: "mount [flags] [IMAGE DIR] | --umount DIR...", Short: `Show an image's C:\ at a directory`, Long: mountHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.umount && len(args) > 0:
				return a.umount(args)
			case o.umount:
				return cli.Usagef("want DIR: the directory where an image is mounted")
			case len(args) == 0:
				return a.listMounts()
			case len(args) == 2:
				return a.mountImage(cmd.Context(), args[0], args[1], o.image)
			}
			return cli.Usagef("want IMAGE and DIR, the directory to show it at")
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.umount, "umount", false, "end the mounts at the directories given")
	f.StringVar(&o.image.pull, "pull", pullMissing, "pull the image `missing|always|never`")
	f.StringVar(&o.image.platform, "platform", "", "choose this `platform` of an image that has several, such as ltsc2022")
	return cmd
}

// mountImage shows an image at a directory, which is made if it is not there.
// What the merged tree had to leave out of the image is told as warnings.
func (a *app) mountImage(ctx context.Context, ref, dir string, o runOptions) (err error) {
	if os.Geteuid() > 0 {
		return errors.New("mounting an image needs root: call it with sudo, which uses the same store")
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	st, err := a.openStore()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	d, err := a.diskOf(ctx, st, ref, o)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return d.Mount(dir)
}

func (a *app) diskOf(ctx context.Context, st *store.Store, ref string, o runOptions) (*disk.Disk, error) {
	img, err := a.image(ctx, st, ref, o)
	if err != nil {
		return nil, err
	}
	v, err := img.View(ctx, st)
	if err != nil {
		return nil, err
	}
	for _, f := range v.Findings() {
		a.note(fmt.Sprintf("layer %d: %s: %s: %s", f.Layer+1, f.Severity, f.Entry, f.Problem))
	}
	return disk.Build(ctx, st, v, nil)
}

// umount ends mounts, also after one could not be ended.
func (a *app) umount(dirs []string) error {
	var errs []error
	for _, dir := range dirs {
		errs = append(errs, disk.Unmount(dir))
	}
	return errors.Join(errs...)
}

func (a *app) listMounts() error {
	list, err := disk.Mounts()
	if err != nil {
		return err
	}
	rows := make([][]string, len(list))
	for i, m := range list {
		rows[i] = []string{m.Dir, m.ID[:12]}
	}
	return cli.PrintTable(a.env.Stdout, []string{"DIR", "DISK"}, rows)
}

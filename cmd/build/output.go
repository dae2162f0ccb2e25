package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/cmd/build/internal/solve"
	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/layers/view"
)

// output is one -o: what is written beside the store.
type output struct {
	kind string // "oci", "docker", "dir" or "tar"
	dest string // a path; "-" for standard output
}

// parseOutputs reads -o type=KIND,dest=PATH, and docker's short forms: -o FOLDER is
// type=dir, and -o - is type=tar on standard output.
func parseOutputs(list []string) ([]output, error) {
	var out []output
	for _, text := range list {
		if !strings.Contains(text, "=") {
			if text == "-" {
				out = append(out, output{"tar", "-"})
			} else {
				out = append(out, output{"dir", text})
			}
			continue
		}
		kv, err := keyValues(text, "type", "dest", "name", "push")
		if err != nil {
			return nil, cli.Usagef("-o %s: %w", text, err)
		}
		o := output{kv["type"], kv["dest"]}
		switch o.kind {
		case "image":
			continue // that is what the store gets
		case "local":
			o.kind = "dir"
		case "oci", "docker", "tar":
			if o.dest == "" {
				o.dest = "-"
			}
		case "dir":
		default:
			return nil, cli.Usagef("-o %s: want type=oci, docker, dir or tar", text)
		}
		if o.dest == "" || o.kind == "dir" && o.dest == "-" {
			return nil, cli.Usagef("-o %s: dest=FOLDER is missing", text)
		}
		out = append(out, o)
	}
	return out, nil
}

// write writes what -o asks for.
func (b *building) write(ctx context.Context, desc ocispec.Descriptor, results []*solve.Result) error {
	for _, o := range b.outputs {
		if err := b.writeOne(ctx, desc, results, o); err != nil {
			return fmt.Errorf("write %s: %w", o.dest, err)
		}
	}
	return nil
}

func (b *building) writeOne(ctx context.Context, desc ocispec.Descriptor, results []*solve.Result, o output) error {
	if o.kind == "dir" {
		return b.writeDirs(ctx, results, o.dest)
	}
	if o.kind == "tar" && len(results) > 1 {
		return errors.New("type=tar is for one platform; type=dir makes a folder for each")
	}
	fill := func(w io.Writer) error {
		if o.kind == "tar" {
			return b.writeTar(ctx, results[0], w)
		}
		names := b.names
		if len(names) == 0 {
			names = []string{desc.Digest.String()}
		}
		format := store.OCI
		if o.kind == "docker" {
			format = store.Docker
		}
		_, err := b.st.Save(ctx, w, format, names...)
		return err
	}
	if o.dest == "-" {
		return fill(b.env.Stdout)
	}
	return store.WriteFile(o.dest, func(f *os.File) error { return fill(f) })
}

// writeDirs writes a folder; for several platforms one in it for each.
func (b *building) writeDirs(ctx context.Context, results []*solve.Result, dest string) error {
	for i, r := range results {
		dir := dest
		if len(results) > 1 {
			p := b.variants[i].platform
			dir = filepath.Join(dest, strings.Trim(p.OS+"_"+p.OSVersion, "_")+"_"+p.Arch)
		}
		if err := b.writeDir(ctx, r, dir); err != nil {
			return err
		}
	}
	return nil
}

// writeTar writes the files of the image, without the registry, as a plain tar.
func (b *building) writeTar(ctx context.Context, r *solve.Result, w io.Writer) error {
	v, err := view.Open(ctx, b.st, r.Layers)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	err = v.Walk(func(f *view.File) error {
		if f.Path == "" {
			return nil
		}
		hdr := &tar.Header{Name: f.Path, ModTime: f.Entry.Modified.Time().Truncate(time.Second), Format: tar.FormatPAX, Mode: 0o644, Size: f.Size()}
		switch f.Kind() {
		case layers.Dir:
			hdr.Typeflag, hdr.Name, hdr.Mode = tar.TypeDir, f.Path+"/", 0o755
		case layers.Symlink:
			hdr.Typeflag, hdr.Linkname, hdr.Mode = tar.TypeSymlink, hostLink(f), 0o777
		default:
			hdr.Typeflag = tar.TypeReg
		}
		if err := tw.WriteHeader(hdr); err != nil || hdr.Typeflag != tar.TypeReg {
			return err
		}
		return copyFile(v, f, tw)
	})
	return errors.Join(err, tw.Close())
}

// hostLink is where a link leads, for systems without drives: a target on C: becomes
// one relative to the folder of the link.
func hostLink(f *view.File) string {
	target := strings.ReplaceAll(f.Entry.Target, `\`, "/")
	if len(target) > 1 && target[1] == ':' {
		target = target[2:]
	}
	if !strings.HasPrefix(target, "/") {
		return target
	}
	up := strings.Repeat("../", strings.Count(f.Path, "/"))
	return path.Clean(up + strings.TrimLeft(target, "/"))
}

func copyFile(v *view.View, f *view.File, w io.Writer) error {
	r, err := v.Open(f)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}

// writeDir writes the files of the image, without the registry, into a folder. What is
// there already stays, but for files of the same names. Nothing is written elsewhere,
// whatever the links of the image say.
func (b *building) writeDir(ctx context.Context, r *solve.Result, dest string) error {
	v, err := view.Open(ctx, b.st, r.Layers)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dest)
	if err != nil {
		return err
	}
	defer root.Close()
	return v.Walk(func(f *view.File) error {
		if err := ctx.Err(); err != nil || f.Path == "" {
			return err
		}
		name := filepath.FromSlash(f.Path)
		switch f.Kind() {
		case layers.Dir:
			return root.MkdirAll(name, 0o755)
		case layers.Symlink:
			if err := root.RemoveAll(name); err != nil {
				return err
			}
			return root.Symlink(filepath.FromSlash(hostLink(f)), name)
		}
		if info, err := root.Lstat(name); err == nil && !info.IsDir() {
			if err := root.Remove(name); err != nil {
				return err
			}
		}
		w, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		t := f.Entry.Modified.Time()
		return errors.Join(copyFile(v, f, w), w.Close(), root.Chtimes(name, t, t))
	})
}

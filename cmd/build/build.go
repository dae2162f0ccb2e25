package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/cmd/build/internal/solve"
	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/cmd/internal/transfer"
	"github.com/mullion/mullion/layers/cache"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
)

// buildOptions are the flags of a build.
type buildOptions struct {
	file         string
	tags         []string
	push         bool
	platform     string
	args, labels []string
	target       string
	noCache      bool
	pull         bool
	insecure     bool
	iidfile      string
	metadataFile string
	progress     string
	quiet        bool
	print        string
	context      string
}

func (a *app) buildCommand() *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Args: cli.Exactly("CONTEXT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.context = args[0]
			return a.build(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.file, "file", "f", "", "the Containerfile, - for standard input (default: CONTEXT/Containerfile, then CONTEXT/Dockerfile)")
	f.StringArrayVarP(&o.tags, "tag", "t", nil, "name the image `REF` (repeatable)")
	f.BoolVar(&o.push, "push", false, "push the image to the registries of its names")
	f.StringVar(&o.platform, "platform", "", "build for `PLATFORM`: windows/amd64, windows(10.0.20348)/amd64, ltsc2022 ...")
	f.StringArrayVar(&o.args, "build-arg", nil, "set an ARG: `NAME=VALUE`, or NAME to take it from the environment (repeatable)")
	f.StringVar(&o.target, "target", "", "build the stage `NAME` instead of the last")
	f.StringArrayVar(&o.labels, "label", nil, "set a label: `NAME=VALUE` (repeatable)")
	f.BoolVar(&o.noCache, "no-cache", false, "make every step anew")
	f.BoolVar(&o.pull, "pull", false, "pull base images even if the store has them")
	f.BoolVar(&o.insecure, "insecure", false, "allow plain http and unknown certificates with any registry")
	f.StringVar(&o.iidfile, "iidfile", "", "write the image's digest to `FILE`")
	f.StringVar(&o.metadataFile, "metadata-file", "", "write what was built to `FILE` as JSON")
	f.StringVar(&o.progress, "progress", "auto", "how to show progress: `auto|plain`")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but the image's digest")
	f.StringVar(&o.print, "print", "", "print the `plan` as JSON instead of building")
	return cmd
}

// build is the command without a verb.
func (a *app) build(ctx context.Context, o buildOptions) error {
	names, err := o.check()
	if err != nil {
		return err
	}
	planOptions, err := a.planOptions(o)
	if err != nil {
		return err
	}
	created, err := a.sourceDate()
	if err != nil {
		return err
	}
	file, ignore, err := a.containerfile(o)
	if err != nil {
		return err
	}
	return a.withStore(func(st *store.Store) error {
		b := &building{app: a, o: o, st: st, pulled: map[string]bool{}}
		planOptions.Base = b.base
		p, err := plan.New(ctx, file, planOptions)
		if err != nil {
			return err
		}
		if o.print != "" {
			return cli.PrintJSON(a.env.Stdout, p)
		}
		return b.solve(ctx, p, names, ignore, created)
	})
}

// check looks at the flags' values and returns the full names of the image.
func (o *buildOptions) check() (names []string, err error) {
	if o.progress != "auto" && o.progress != "plain" {
		return nil, cli.Usagef("--progress %s: want auto or plain", o.progress)
	}
	if o.print != "" && o.print != "plan" {
		return nil, cli.Usagef("--print=%s: want plan", o.print)
	}
	for _, t := range o.tags {
		r, err := image.ParseRef(t)
		if err != nil {
			return nil, cli.Usagef("-t %s: %w", t, err)
		}
		if r.Digest != "" {
			return nil, cli.Usagef("-t %s: a name to give has no digest", t)
		}
		if o.push && r.Host() == "" {
			return nil, cli.Usagef("--push: %s names no registry; write HOST/%s", t, t)
		}
		names = append(names, r.String())
	}
	if o.push && len(names) == 0 {
		return nil, cli.Usagef("--push needs a name: -t HOST/NAME")
	}
	return names, nil
}

// planOptions reads the flags that the plan depends on.
func (a *app) planOptions(o buildOptions) (plan.Options, error) {
	p := plan.Options{Target: o.target, Build: goruntime.GOOS + "/" + goruntime.GOARCH, Platform: image.Platform{OS: "windows", Arch: "amd64"}}
	if o.platform != "" {
		var err error
		if p.Platform, err = image.ParsePlatform(o.platform); err != nil {
			return p, cli.Usagef("--platform: %w", err)
		}
	}
	for _, arg := range o.args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			if value, ok = a.env.Lookup(name); !ok {
				continue // as in docker: an ARG that the environment does not have stays unset
			}
		}
		if name == "" {
			return p, cli.Usagef("--build-arg %s: want NAME=VALUE", arg)
		}
		p.Args = append(p.Args, containerfile.Pair{Name: name, Value: value})
	}
	for _, l := range o.labels {
		name, value, _ := strings.Cut(l, "=")
		if name == "" {
			return p, cli.Usagef("--label %s: want NAME=VALUE", l)
		}
		p.Labels = append(p.Labels, containerfile.Pair{Name: name, Value: value})
	}
	return p, nil
}

// sourceDate is the time of all that is written: SOURCE_DATE_EPOCH, else a day
// that every format can express.
func (a *app) sourceDate() (time.Time, error) {
	s, ok := a.env.Lookup("SOURCE_DATE_EPOCH")
	if !ok || s == "" {
		return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 253402300799 {
		return time.Time{}, cli.Usagef("SOURCE_DATE_EPOCH=%s is not a number of seconds since 1970", s)
	}
	return time.Unix(n, 0).UTC(), nil
}

// containerfile finds and parses the Containerfile, and lists the candidates for
// its ignore file.
func (a *app) containerfile(o buildOptions) (*containerfile.File, []solve.IgnoreFile, error) {
	if info, err := os.Stat(o.context); err != nil {
		return nil, nil, fmt.Errorf("open the build context: %w", err)
	} else if !info.IsDir() {
		return nil, nil, fmt.Errorf("open the build context: %s is not a folder", o.context)
	}
	inContext := []solve.IgnoreFile{{Name: ".containerignore"}, {Name: ".dockerignore"}}
	if o.file == "-" {
		f, err := containerfile.Parse("Containerfile", a.env.Stdin)
		return f, inContext, err
	}
	name, path := o.file, o.file
	if o.file == "" {
		var err error
		if name, path, err = defaultFile(o.context); err != nil {
			return nil, nil, err
		}
	}
	r, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open the Containerfile: %w", err)
	}
	defer r.Close()
	f, err := containerfile.Parse(name, r)
	own := solve.IgnoreFile{Name: name + ".dockerignore", Open: func() (io.ReadCloser, error) { return os.Open(path + ".dockerignore") }}
	return f, append([]solve.IgnoreFile{own}, inContext...), err
}

// defaultFile looks for the Containerfile of a context.
func defaultFile(dir string) (name, path string, err error) {
	candidates := []string{"Containerfile", "Dockerfile"}
	for _, name := range candidates {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return name, path, err
		}
	}
	return "", "", fmt.Errorf("%s has neither %s; name one with -f", dir, strings.Join(candidates, " nor "))
}

// building is a build with its store.
type building struct {
	*app
	o      buildOptions
	st     *store.Store
	pulled map[string]bool // with --pull
}

// base gives a base image's configuration to the plan.
func (b *building) base(ctx context.Context, ref string, p image.Platform) (*image.Config, error) {
	img, err := b.load(ctx, ref, p)
	if err != nil {
		return nil, err
	}
	return &img.Config, nil
}

// load finds an image in the store, and pulls it if it is not there or --pull
// asks for it.
func (b *building) load(ctx context.Context, ref string, p image.Platform) (*image.Image, error) {
	r, err := image.ParseRef(ref)
	if err != nil {
		return nil, err
	}
	again := b.o.pull && r.Host() != "" && !b.pulled[r.String()]
	if !again {
		img, err := transfer.Load(ctx, b.st, ref, p)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return img, err
		}
		if r.Host() == "" {
			return nil, fmt.Errorf("%w, and its name has no registry to pull it from", err)
		}
	}
	if !b.o.quiet {
		b.note("pull %s", r)
	}
	if _, err := transfer.Pull(ctx, b.st, ref, p, transfer.Options{Insecure: b.o.insecure}); err != nil {
		return nil, err
	}
	b.pulled[r.String()] = true
	return transfer.Load(ctx, b.st, ref, p)
}

// solve carries out the plan and names the image. A name is only given when all
// is done.
func (b *building) solve(ctx context.Context, p *plan.Plan, names []string, ignore []solve.IgnoreFile, created time.Time) error {
	for _, w := range p.Warnings {
		if !b.o.quiet {
			b.note("warning: %s: %s", w.Pos, w.Text)
		}
	}
	buildContext, err := solve.OpenContext(b.o.context, ignore...)
	if err != nil {
		return err
	}
	defer buildContext.Close()
	options := solve.Options{
		Store: b.st, Cache: cache.Open(b.st), NoCache: b.o.noCache, Context: buildContext, Time: created,
		Load: b.load, Output: &lineEnds{w: b.env.Stderr}, Progress: b.progress,
	}
	if b.o.quiet {
		options.Output, options.Progress = io.Discard, nil
	}
	r, err := solve.Run(ctx, p, options)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := b.st.Tag(ctx, name, r.Desc); err != nil {
			return err
		}
	}
	if err := b.report(r, names); err != nil {
		return err
	}
	return b.pushAll(ctx, names)
}

// lineEnds turns Windows' line ends into those of this side.
type lineEnds struct{ w io.Writer }

func (l *lineEnds) Write(p []byte) (int, error) {
	_, err := l.w.Write(bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n")))
	return len(p), err
}

// progress prints one line for each step.
func (b *building) progress(e solve.Event) {
	how := "      "
	if e.How != solve.Empty {
		how = fmt.Sprintf("%-6s", e.How)
	}
	b.note("[%d/%d] %s %s  %s", e.Stage, e.Stages, how, e.Pos, cli.OneLine(e.Text))
}

// report says what was built.
func (b *building) report(r *solve.Result, names []string) error {
	digest := r.Desc.Digest.String()
	if b.o.iidfile != "" {
		if err := os.WriteFile(b.o.iidfile, []byte(digest), 0o644); err != nil {
			return err
		}
	}
	if b.o.metadataFile != "" {
		if err := writeMetadata(b.o.metadataFile, r.Desc, names); err != nil {
			return err
		}
	}
	if !b.o.quiet {
		b.note("built %s", strings.Join(append(slices.Clip(names), digest), " "))
	}
	_, err := fmt.Fprintln(b.env.Stdout, digest)
	return err
}

// writeMetadata writes the file that docker's --metadata-file writes, as far as it
// applies.
func writeMetadata(path string, desc ocispec.Descriptor, names []string) error {
	m := map[string]any{
		"containerimage.digest":     desc.Digest,
		"containerimage.descriptor": desc,
	}
	if len(names) > 0 {
		m["image.name"] = strings.Join(names, ",")
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// pushAll pushes the image under every name, with --push.
func (b *building) pushAll(ctx context.Context, names []string) error {
	if !b.o.push {
		return nil
	}
	for _, name := range names {
		if _, err := transfer.Push(ctx, b.st, name, transfer.Options{Insecure: b.o.insecure}); err != nil {
			return err
		}
		if !b.o.quiet {
			b.note("pushed %s", name)
		}
	}
	return nil
}

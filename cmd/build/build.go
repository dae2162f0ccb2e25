package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
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
	"github.com/mullion/mullion/runtime"
)

// buildOptions are the flags of a build.
type buildOptions struct {
	file                      string
	tags                      []string
	push                      bool
	outputs                   []string
	platforms                 string
	platformArgs              []string
	args, labels, annotations []string
	target                    string
	secrets, contexts         []string
	run, isolation            string
	noCache                   []string
	pull                      bool
	insecure                  bool
	timestamp                 string
	iidfile                   string
	metadataFile              string
	progress                  string
	quiet                     bool
	print                     string
	check                     bool
	strict                    bool
	format                    cli.Format
	context                   string
}

func (a *app) buildCommand() *cobra.Command {
	var o buildOptions
	var ignored ignoredFlags
	cmd := &cobra.Command{
		Args: cli.Exactly("CONTEXT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.context = args[0]
			ignored.warn(a, cmd)
			return a.build(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.file, "file", "f", "", "the Containerfile, - for standard input (default: CONTEXT/Containerfile, then CONTEXT/Dockerfile)")
	f.StringArrayVarP(&o.tags, "tag", "t", nil, "name the image `REF` (repeatable)")
	f.BoolVar(&o.push, "push", false, "push the image to the registries of its names")
	f.StringArrayVarP(&o.outputs, "output", "o", nil, "also write `type=oci|docker|dir|tar,dest=PATH` (repeatable)")
	f.StringVar(&o.platforms, "platform", "", "build for `PLATFORM,...`: windows/amd64, windows(10.0.20348)/amd64, ltsc2022 ...; several make an index")
	f.StringArrayVar(&o.platformArgs, "platform-arg", nil, "set an ARG for one platform: `PLATFORM:NAME=VALUE` (repeatable)")
	f.StringArrayVar(&o.args, "build-arg", nil, "set an ARG: `NAME=VALUE`, or NAME to take it from the environment (repeatable)")
	f.StringVar(&o.target, "target", "", "build the stage `NAME` instead of the last")
	f.StringArrayVar(&o.labels, "label", nil, "set a label: `NAME=VALUE` (repeatable)")
	f.StringArrayVar(&o.annotations, "annotation", nil, "set an annotation of the manifest: `NAME=VALUE` (repeatable)")
	f.StringVar(&o.run, "run", "auto", "what may carry out RUN: `auto|offline`, the built-in shells and, for programs, Wine; or only the former")
	f.StringVar(&o.isolation, "isolation", "auto", "run the programs of RUN under `auto|process|hyperv` isolation")
	f.StringArrayVar(&o.secrets, "secret", nil, "a secret for RUN --mount=type=secret: `id=NAME,src=FILE` or id=NAME,env=NAME (repeatable)")
	f.StringArrayVar(&o.contexts, "build-context", nil, "what FROM and --from call NAME: `NAME=FOLDER`, or =docker-image://REF, oci-layout://FOLDER, store:REF (repeatable)")
	f.StringSliceVar(&o.noCache, "no-cache", nil, "make every step anew, or those of the stages `STAGE,...`")
	f.Lookup("no-cache").NoOptDefVal = "true"
	f.BoolVar(&o.pull, "pull", false, "pull base images even if the store has them")
	f.BoolVar(&o.insecure, "insecure", false, "allow plain http and unknown certificates with any registry")
	f.StringVar(&o.timestamp, "timestamp", "", "the time of all that is written, in `SECONDS` since 1970 (default: SOURCE_DATE_EPOCH, else 1980)")
	f.StringVar(&o.iidfile, "iidfile", "", "write the image's digest to `FILE`")
	f.StringVar(&o.metadataFile, "metadata-file", "", "write what was built to `FILE` as JSON")
	f.StringVar(&o.progress, "progress", "auto", "how to show progress: `auto|tty|plain|rawjson|quiet`")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but the image's digest")
	f.StringVar(&o.print, "print", "", "print the `plan|outline` as JSON instead of building")
	f.BoolVar(&o.check, "check", false, "look for mistakes instead of building")
	f.BoolVar(&o.strict, "strict", false, "with --check: warnings are errors")
	o.format.AddFlag(cmd)
	f.Lookup("format").Usage = "with --check: output as `table|json`"
	ignored.addTo(f)
	return cmd
}

// build is the command without a verb.
func (a *app) build(ctx context.Context, o buildOptions) error {
	names, err := o.validate()
	if err != nil {
		return err
	}
	planOptions, err := a.planOptions(o)
	if err != nil {
		return err
	}
	options, err := a.solveOptions(o)
	if err != nil {
		return err
	}
	outputs, err := parseOutputs(o.outputs)
	if err != nil {
		return err
	}
	isolation, err := runIsolation(o)
	if err != nil {
		return err
	}
	list, err := variants(o.platforms, o.platformArgs)
	if err != nil {
		return err
	}
	planOptions.Platform = list[0].platform
	src, err := a.openSource(ctx, o.context, o.file)
	if err != nil {
		return err
	}
	defer src.Close()
	if o.check {
		return a.lint(ctx, o, src, planOptions)
	}
	file, err := src.parse()
	if err != nil {
		return a.explain(file, err)
	}
	if o.print == "outline" {
		return cli.PrintJSON(a.env.Stdout, outlineOf(file))
	}
	return a.withStore(func(st *store.Store) error {
		a.fetchWith(st, transfer.Options{Insecure: o.insecure})
		b := &building{app: a, o: o, st: st, pulled: map[string]bool{}, images: map[string]*image.Image{}, names: names, outputs: outputs, variants: list, isolation: isolation}
		named, err := b.namedContexts(ctx, &planOptions, &options)
		if err != nil {
			return err
		}
		defer named.Close()
		planOptions.Base = b.base
		plans, err := b.plans(ctx, file, planOptions)
		if err != nil {
			return a.explain(file, err)
		}
		if o.print == "plan" {
			return a.printPlans(plans)
		}
		if options.Context, err = src.context(); err != nil {
			return err
		}
		defer options.Context.Close()
		return a.explain(file, b.solve(ctx, plans, options))
	})
}

// printPlans prints the plan, or for several platforms a list of plans.
func (a *app) printPlans(plans []*plan.Plan) error {
	if len(plans) == 1 {
		return cli.PrintJSON(a.env.Stdout, plans[0])
	}
	return cli.PrintJSON(a.env.Stdout, plans)
}

// explain shows where in the Containerfile an error is: the error itself in one line,
// then the excerpt. The error that is left has nothing more to say.
func (a *app) explain(f *containerfile.File, err error) error {
	if err == nil || f == nil {
		return err
	}
	excerpt := f.Source().Excerpt(err)
	if excerpt == "" {
		return err
	}
	a.note("build: %s\n%s", cli.OneLine(err.Error()), strings.TrimSuffix(excerpt, "\n"))
	return &cli.ExitError{Code: codes.Failure}
}

// validate looks at the flags' values and returns the full names of the image.
func (o *buildOptions) validate() (names []string, err error) {
	if !slices.Contains([]string{"auto", "tty", "plain", "rawjson", "quiet"}, o.progress) {
		return nil, cli.Usagef("--progress %s: want auto, tty, plain, rawjson or quiet", o.progress)
	}
	o.quiet = o.quiet || o.progress == "quiet"
	if o.print != "" && o.print != "plan" && o.print != "outline" {
		return nil, cli.Usagef("--print=%s: want plan or outline", o.print)
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
	p := plan.Options{Target: o.target, Build: goruntime.GOOS + "/" + goruntime.GOARCH}
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

// solveOptions reads the flags that say how the plan is carried out.
func (a *app) solveOptions(o buildOptions) (solve.Options, error) {
	created, err := a.sourceDate()
	if o.timestamp != "" {
		created, err = seconds("--timestamp ", o.timestamp)
	}
	if err != nil {
		return solve.Options{}, err
	}
	opts := solve.Options{Time: created, Annotations: map[string]string{}, NoCache: noCache(o.noCache)}
	for _, text := range o.annotations {
		name, value, ok := strings.Cut(strings.TrimPrefix(text, "manifest:"), "=")
		if !ok || name == "" {
			return opts, cli.Usagef("--annotation %s: want NAME=VALUE", text)
		}
		opts.Annotations[name] = value
	}
	opts.Secrets, err = a.secrets(o.secrets)
	return opts, err
}

// noCache says of which stages the cache is not asked.
func noCache(values []string) func(*plan.Stage) bool {
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "false" })
	if len(values) == 0 {
		return nil
	}
	return func(s *plan.Stage) bool {
		return slices.ContainsFunc(values, func(v string) bool {
			return v == "true" || strings.EqualFold(v, s.Name) || v == strconv.Itoa(s.Index)
		})
	}
}

// maxSecret bounds a secret, in bytes, as docker does.
const maxSecret = 500 << 10

// secrets reads the secrets that RUN may ask for.
func (a *app) secrets(list []string) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, text := range list {
		kv, err := keyValues(text, "id", "src", "source", "env", "type")
		if err != nil || kv["id"] == "" {
			return nil, cli.Usagef("--secret %s: want id=NAME,src=FILE or id=NAME,env=NAME", text)
		}
		file, variable := kv["src"]+kv["source"], kv["env"]
		if file == "" && variable == "" {
			variable = kv["id"]
		}
		if variable != "" {
			v, ok := a.env.Lookup(variable)
			if !ok {
				return nil, fmt.Errorf("secret %s: the environment has no %s", kv["id"], variable)
			}
			out[kv["id"]] = []byte(v)
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", kv["id"], err)
		}
		if len(b) > maxSecret {
			return nil, fmt.Errorf("secret %s: more than %d kB", kv["id"], maxSecret>>10)
		}
		out[kv["id"]] = b
	}
	return out, nil
}

// keyValues reads NAME=VALUE,... where only some names are known.
func keyValues(text string, known ...string) (map[string]string, error) {
	out := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || !slices.Contains(known, name) {
			return nil, fmt.Errorf("%q is not one of %s", part, strings.Join(known, "=, ")+"=")
		}
		out[name] = value
	}
	return out, nil
}

// sourceDate is the time of all that is written: SOURCE_DATE_EPOCH, else a day
// that every format can express.
func (a *app) sourceDate() (time.Time, error) {
	s := a.env.Getenv("SOURCE_DATE_EPOCH")
	if s == "" {
		return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), nil
	}
	return seconds("SOURCE_DATE_EPOCH=", s)
}

// seconds reads a time that is given in seconds since 1970; name is how the user gave it.
func seconds(name, s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 253402300799 {
		return time.Time{}, cli.Usagef("%s%s is not a number of seconds since 1970", name, s)
	}
	return time.Unix(n, 0).UTC(), nil
}

// building is a build with its store.
type building struct {
	*app
	o      buildOptions
	st     *store.Store
	pulled map[string]bool // with --pull

	images map[string]*image.Image // those loaded so far, by name and platform

	names    []string // of the image
	outputs  []output
	variants []variant

	isolation runtime.Isolation // of the programs of RUN
}

// base gives a base image's configuration to the plan.
func (b *building) base(ctx context.Context, ref string, p image.Platform) (*image.Config, error) {
	img, err := b.load(ctx, ref, p)
	if err != nil {
		return nil, err
	}
	return &img.Config, nil
}

// load finds an image in the store, and pulls it if it is not there for this platform
// or --pull asks for it. It gives the same image all through a build.
func (b *building) load(ctx context.Context, ref string, p image.Platform) (*image.Image, error) {
	key := ref + " " + p.String()
	if img, ok := b.images[key]; ok {
		return img, nil
	}
	img, err := b.find(ctx, ref, p)
	if err == nil {
		b.images[key] = img
	}
	return img, err
}

func (b *building) find(ctx context.Context, ref string, p image.Platform) (*image.Image, error) {
	_, err := digest.Parse(ref) // of a layout, or typed
	if err == nil {
		return image.Load(ctx, b.st, ref, p)
	}
	r, err := image.ParseRef(ref)
	if err != nil {
		return nil, err
	}
	var here error
	if !b.o.pull || r.Host() == "" || b.pulled[r.String()] {
		img, err := transfer.Load(ctx, b.st, ref, p)
		if err == nil {
			return img, nil
		}
		if here = err; r.Host() == "" {
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w, and its name has no registry to pull it from", err)
			}
			return nil, err
		}
	}
	if !b.o.quiet {
		b.note("pull %s", r)
	}
	if _, err := transfer.PullLazily(ctx, b.st, ref, p, transfer.Options{Insecure: b.o.insecure}); err != nil {
		if here != nil && !errors.Is(here, fs.ErrNotExist) {
			err = here // what is here is for another platform, and there is nothing better
		}
		return nil, err
	}
	b.pulled[r.String()] = true
	return transfer.Load(ctx, b.st, ref, p)
}

// solve carries out the plans and names the image. A name is only given when all
// is done.
func (b *building) solve(ctx context.Context, plans []*plan.Plan, options solve.Options) error {
	options.Store, options.Cache, options.Load = b.st, cache.Open(b.st), b.load
	if b.o.run == "auto" {
		options.Program = b.program
	}
	var results []*solve.Result
	for i, p := range plans {
		if len(plans) > 1 && !b.o.quiet && b.o.progress != "rawjson" {
			b.note("for %s:", b.variants[i].platform)
		}
		r, err := b.solveOne(ctx, p, options)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	desc := results[0].Desc
	if len(results) > 1 {
		var entries []ocispec.Descriptor
		for _, r := range results {
			entries = append(entries, entry(r.Desc, &r.Config))
		}
		var err error
		if desc, err = putIndex(ctx, b.st, entries, nil); err != nil {
			return err
		}
	}
	for _, name := range b.names {
		if err := b.st.Tag(ctx, name, desc); err != nil {
			return err
		}
	}
	if err := b.write(ctx, desc, results); err != nil {
		return err
	}
	if err := b.report(desc); err != nil {
		return err
	}
	return b.pushAll(ctx, b.names)
}

// solveOne carries out one plan.
func (b *building) solveOne(ctx context.Context, p *plan.Plan, options solve.Options) (*solve.Result, error) {
	for _, w := range p.Warnings {
		if !b.o.quiet {
			b.note("warning: %s: %s", w.Pos, w.Text)
		}
	}
	show := b.newProgress()
	defer show.Close()
	options.Output, options.Progress = show.output, show.event
	result, err := solve.Run(ctx, p, options)
	if err != nil {
		show.failed()
	}
	return result, err
}

// report says what was built.
func (b *building) report(desc ocispec.Descriptor) error {
	id := desc.Digest.String()
	if b.o.iidfile != "" {
		if err := os.WriteFile(b.o.iidfile, []byte(id), 0o644); err != nil {
			return err
		}
	}
	if b.o.metadataFile != "" {
		if err := writeMetadata(b.o.metadataFile, desc, b.names); err != nil {
			return err
		}
	}
	if !b.o.quiet {
		b.note("built %s", strings.Join(append(slices.Clip(b.names), id), " "))
	}
	_, err := fmt.Fprintln(b.env.Stdout, id)
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

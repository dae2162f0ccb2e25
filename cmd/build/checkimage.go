package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/pack"
	"github.com/mullion/mullion/layers/view"
)

// judged is what is wrong with an image or a layer, as JSON has it.
type judged struct {
	Of       string        `json:"of"`              // the argument
	Layer    digest.Digest `json:"layer,omitempty"` // none if the configuration is meant
	Number   int           `json:"number,omitempty"`
	Severity string        `json:"severity"`
	Rule     string        `json:"rule"`
	Entry    string        `json:"entry,omitempty"`
	Problem  string        `json:"problem"`
	Remedy   string        `json:"remedy"`
}

func (j judged) String() string {
	where := "configuration"
	if j.Layer != "" {
		where = fmt.Sprintf("layer %d (%s)", j.Number, short(j.Layer.String()))
	}
	if j.Entry != "" {
		where += ": " + j.Entry
	}
	return fmt.Sprintf("%-8s %s: %s: %s (%s): %s", j.Severity, j.Of, where, j.Problem, j.Rule, j.Remedy)
}

// judge prints what keeps images and layers from being good ones; an error among it is a failure.
func (a *app) judge(ctx context.Context, names []string, base bool, format cli.Format) error {
	list, wrong := []judged{}, 0
	err := a.withTargets(targetFlags{}, func(t *targets) error {
		for _, name := range names {
			found, err := t.judge(ctx, name, base)
			if err != nil {
				return err
			}
			list = append(list, found...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, j := range list {
		if format != cli.JSON {
			fmt.Fprintln(a.env.Stdout, j)
		}
		if j.Severity == layers.Error.String() {
			wrong++
		}
	}
	if format == cli.JSON {
		if err := cli.PrintJSON(a.env.Stdout, list); err != nil {
			return err
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%s: errors: %d, warnings: %d", strings.Join(names, ", "), wrong, len(list)-wrong)
	}
	return nil
}

// judge examines an image or a layer.
func (t *targets) judge(ctx context.Context, name string, base bool) ([]judged, error) {
	if err := t.openStore(); err != nil {
		return nil, err
	}
	d, ok, err := t.findLayer(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if ok {
		return t.judgeLayer(ctx, name, 1, d, layers.Validation{Base: base})
	}
	img, err := t.load(ctx, name)
	if err != nil {
		return nil, err
	}
	list := judgeConfig(name, &img.Config)
	chain := img.Chain()
	for i, l := range chain {
		lower, err := t.lower(ctx, chain[:i])
		if err != nil {
			return nil, err
		}
		found, err := t.judgeLayer(ctx, name, i+1, l.Desc, layers.Validation{Base: i == 0, Lower: lower})
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return list, nil
}

// lower finds what layers have under a name.
func (t *targets) lower(ctx context.Context, chain []view.Layer) (func(string) *layers.Entry, error) {
	if len(chain) == 0 {
		return nil, nil
	}
	v, err := view.Open(ctx, t.st, chain)
	if err != nil {
		return nil, err
	}
	return func(name string) *layers.Entry {
		f, err := v.Lookup(strings.TrimPrefix(strings.TrimPrefix(name, "Files"), "/"))
		if err != nil {
			return nil
		}
		e := *f.Entry
		e.Name = strings.TrimSuffix("Files/"+f.Path, "/")
		return &e
	}, nil
}

func (t *targets) judgeLayer(ctx context.Context, name string, number int, d ocispec.Descriptor, v layers.Validation) ([]judged, error) {
	blob, err := t.st.Blob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	tar, err := pack.Decompress(blob, d.MediaType)
	if err != nil {
		return nil, fmt.Errorf("%s: layer %s: %w", name, d.Digest, err)
	}
	defer tar.Close()
	v.Hive = judgeHive
	found, err := v.Run(tar)
	if err != nil { // what could not be read is the last finding
		found = append(found, layers.Finding{Severity: layers.Error, Rule: "unreadable", Problem: err.Error(), Remedy: "build or pull it again"})
	}
	var list []judged
	for _, f := range found {
		list = append(list, judged{name, d.Digest, number, f.Severity.String(), f.Rule, f.Entry, f.Problem, f.Remedy})
	}
	return list, nil
}

const (
	maxHive   = 2 << 30  // what Windows loads
	smallHive = 64 << 20 // what is examined in memory
)

// judgeHive examines a registry hive of a layer.
func judgeHive(_ string, size int64, content io.Reader) (found []layers.Finding, err error) {
	if size > maxHive {
		return []layers.Finding{{Severity: layers.Error, Rule: "hive-size", Problem: fmt.Sprintf("has %d bytes, Windows loads %d", size, int64(maxHive)),
			Remedy: "write the hive anew, without its free cells"}}, nil
	}
	var r io.ReaderAt
	if size <= smallHive {
		var b bytes.Buffer
		if _, err := io.CopyN(&b, content, size); err != nil {
			return nil, err
		}
		r = bytes.NewReader(b.Bytes())
	} else {
		f, err := os.CreateTemp("", "mullion-hive-*")
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
		if _, err := io.CopyN(f, content, size); err != nil {
			return nil, err
		}
		r = f
	}
	for _, h := range hives.Tolerant.Check(r, size) {
		severity := layers.Error
		if h.Warning {
			severity = layers.Warning
		}
		found = append(found, layers.Finding{Severity: severity, Rule: "hive-" + string(h.Rule), Problem: h.String(),
			Remedy: "write the hive anew; docs/formats/hive.md has the rules"})
	}
	return found, nil
}

// judgeConfig tells what in a configuration is not as its author will expect.
func judgeConfig(name string, c *image.Config) (list []judged) {
	warn := func(rule, problem, remedy string) {
		list = append(list, judged{Of: name, Severity: layers.Warning.String(), Rule: rule, Problem: problem, Remedy: remedy})
	}
	if c.OSVersion == "" {
		warn("os-version", "it does not say for which Windows it is, and hosts cannot tell whether they can run it", "build FROM an image that says so, or with --platform")
	}
	for _, kv := range c.Config.Env {
		if variable, _, _ := strings.Cut(kv, "="); nt.EqualFold(variable, "PATH") {
			warn("path-in-config", variable+" takes the place of the registry's Path, with whatever installers add to that", "set it with RUN setx /M, or leave it to the base")
		}
	}
	command := c.Config.Entrypoint
	if len(command) == 0 {
		command = c.Config.Cmd
	}
	if c.ArgsEscaped && len(command) > 1 {
		warn("args-escaped", fmt.Sprintf("ArgsEscaped says that the command is one line, and it has %d elements", len(command)), "write the command as one element, or in exec form")
	}
	return list
}

package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/container"
)

// config is the part of a container's configuration that the flags decide.
func (o *runOptions) config(env *cli.Env) (container.Config, error) {
	iso, err := runtime.ParseIsolation(o.isolation)
	if err != nil {
		return container.Config{}, cli.Usagef("%w", err)
	}
	memory, err := parseSize(o.memory)
	if err != nil {
		return container.Config{}, cli.Usagef("--memory %s: %w", o.memory, err)
	}
	vars, err := o.variables(env)
	if err != nil {
		return container.Config{}, err
	}
	return container.Config{
		Name: o.name, Isolation: iso, Env: vars, Cwd: o.cwd, User: o.user, Hostname: o.hostname, Limits: runtime.Limits{Memory: memory},
		Stdin: o.stdin, Remove: o.remove, Created: time.Now().UTC(),
	}, nil
}

// variables gives names without a value that of our own environment, and leaves
// them out where that has none, as docker does.
func (o *runOptions) variables(env *cli.Env) ([]string, error) {
	var vars []string
	for _, kv := range o.env {
		name, _, hasValue := strings.Cut(kv, "=")
		if name == "" {
			return nil, cli.Usagef("--env %q: want NAME=VALUE", kv)
		}
		if !hasValue {
			value, ok := env.Lookup(name)
			if !ok {
				continue
			}
			kv = name + "=" + value
		}
		vars = append(vars, kv)
	}
	return vars, nil
}

// fill adds what the image decides.
func fill(cfg *container.Config, img *image.Image, entrypoint, args []string) (err error) {
	cfg.Digest = img.Desc.Digest
	if cfg.CommandLine, err = img.Config.CommandLine(entrypoint, args); err != nil {
		return err
	}
	cfg.Env = img.Config.Environ(cfg.Env...).List()
	if cfg.User == "" {
		cfg.User = img.Config.Config.User
	}
	if cfg.Cwd == "" {
		cfg.Cwd = img.Config.Config.WorkingDir
	}
	// BuildKit writes \app or /app; the container has one spelling.
	cpath, err := nt.Rel(`C:\`, orRoot(cfg.Cwd))
	if err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	cfg.Cwd = nt.Win(cpath)
	return nil
}

func orRoot(dir string) string {
	if dir == "" {
		return `C:\`
	}
	return dir
}

// parseSize reads a number of bytes with docker's suffixes.
func parseSize(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	digits, shift := strings.ToLower(s), 0
	for suffix, bits := range map[string]int{"k": 10, "m": 20, "g": 30} {
		if d, ok := strings.CutSuffix(strings.TrimSuffix(digits, "b"), suffix); ok {
			digits, shift = d, bits
			break
		}
	}
	digits = strings.TrimSuffix(digits, "b")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > (1<<62)>>shift {
		return 0, fmt.Errorf("want a number of bytes such as 512m or 2g")
	}
	return n << shift, nil
}

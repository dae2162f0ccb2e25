package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// step is one thing to measure.
type step struct {
	what   string
	args   []string
	env    []string
	push   bool
	before func(i int) error // not measured
}

// sample is one run of a program.
type sample struct {
	seconds float64
	peak    int64
	fetched int64 // bytes of blobs that the registry sent
}

// measure runs a step often enough and prints a line.
func (b *bench) measure(ctx context.Context, name string, s step, args func(i int) []string) error {
	var all []sample
	for i := range b.runs {
		if s.before != nil {
			if err := s.before(i); err != nil {
				return err
			}
		}
		s.args = args(i)
		one, err := b.once(ctx, s)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", name, s.what, err)
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b sample) int { return int(1e6 * (a.seconds - b.seconds)) })
	mid, most, fetched := all[len(all)/2], int64(0), int64(0)
	for _, one := range all {
		most, fetched = max(most, one.peak), max(fetched, one.fetched)
	}
	fmt.Printf("%-8s %-34s %8.3f %8.3f %9.1f %9.1f\n", name, s.what, mid.seconds, all[0].seconds, float64(most)/1e6, float64(fetched)/1e6)
	return nil
}

// once runs a program and waits for it.
func (b *bench) once(ctx context.Context, s step) (sample, error) {
	var err error
	if _, b.mark, err = b.reg.sent(b.mark); err != nil {
		return sample{}, err
	}
	cmd := exec.CommandContext(ctx, s.args[0], s.args[1:]...)
	cmd.Env = append(os.Environ(), s.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return sample{}, fmt.Errorf("%w\n%s", err, out.String())
	}
	one := sample{seconds: time.Since(start).Seconds(), peak: peak(cmd.ProcessState)}
	one.fetched, b.mark, err = b.reg.sent(b.mark)
	return one, err
}

func lower(s string) string { return strings.ToLower(s) }

// first returns a file in the middle of a folder's first half, by name.
func first(dir string) (string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return names[len(names)/3], nil
}

// scribble overwrites eight bytes in the middle of a file.
func scribble(name string, mark byte) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte{mark + 1}, 8), info.Size()/2); err != nil {
		return err
	}
	return f.Close()
}

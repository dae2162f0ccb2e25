package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime/container"
)

// pruneOptions are the flags of prune.
type pruneOptions struct {
	dryRun, all, verbose bool
	olderThan            string
	keepStorage          string
	format               cli.Format
}

const pruneLong = `Removes what no image, container or running process needs, and what killed processes left.

Derived data (the build cache, tables of contents, disks, the Wine base, kernels) is kept, as it saves
time, unless --all, --older-than or --keep-storage says otherwise. Removing it loses nothing else.`

func (a *app) pruneCommand() *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use:   "prune [--dry-run] [-a] [--older-than TIME] [--keep-storage SIZE] [-v] [--format table|json]",
		Short: "Free what no image needs", Long: pruneLong, Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := o.options(time.Now())
			if err != nil {
				return err
			}
			return a.withStore(func(st *store.Store) error {
				if opts.Keep, err = ofContainers(st); err != nil {
					return err
				}
				pruned, err := st.Prune(cmd.Context(), opts)
				if err != nil {
					return err
				}
				return a.printPruned(pruned, o)
			})
		},
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only say what it would be")
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "also all derived data, and what check --repair moved aside")
	cmd.Flags().StringVar(&o.olderThan, "older-than", "", "also derived data not used for `TIME`, such as 36h or 30d")
	cmd.Flags().StringVar(&o.keepStorage, "keep-storage", "", "also derived data, the longest unused first, until `SIZE`, such as 10GB, is left")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "list every file, also what is kept, with the reason")
	o.format.AddFlag(cmd)
	return cmd
}

// options reads the flags.
func (o *pruneOptions) options(now time.Time) (store.PruneOptions, error) {
	opts := store.PruneOptions{DryRun: o.dryRun, AllDerived: o.all}
	if o.olderThan != "" {
		age, err := parseAge(o.olderThan)
		if err != nil {
			return opts, cli.Usagef("--older-than: %w", err)
		}
		opts.Before = now.Add(-age)
	}
	if o.keepStorage != "" {
		size, err := parseSize(o.keepStorage)
		if err != nil {
			return opts, cli.Usagef("--keep-storage: %w", err)
		}
		opts.MaxDerived = size
	}
	return opts, nil
}

// parseAge reads a duration, which may be in days.
func parseAge(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no time, want for example 90m, 36h or 30d", s)
	}
	return d, nil
}

// parseSize reads a number of bytes with a unit in powers of 1000, as sizes are printed, or of 1024 (KiB, MiB, ...).
func parseSize(s string) (int64, error) {
	text, base := strings.ToLower(strings.TrimSpace(s)), 1000.0
	text = strings.TrimSuffix(text, "b")
	if t, ok := strings.CutSuffix(text, "i"); ok {
		text, base = t, 1024
	}
	unit := 1.0
	if text != "" {
		if i := strings.IndexByte("kmgt", text[len(text)-1]); i >= 0 {
			text = text[:len(text)-1]
			for range i + 1 {
				unit *= base
			}
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if size := n * unit; err == nil && size >= 1 && size < 1<<62 {
		return int64(size), nil
	}
	return 0, fmt.Errorf("%q is no size, want for example 500MB, 10GB or 10GiB; --all removes everything", s)
}

// printPruned prints what went, or would go, and how much it is.
func (a *app) printPruned(p *store.Pruned, o pruneOptions) error {
	if o.format == cli.JSON {
		return cli.PrintJSON(a.env.Stdout, p)
	}
	var err error
	switch {
	case o.verbose:
		var rows [][]string
		add := func(what string, items []store.Item) {
			for _, i := range items {
				rows = append(rows, []string{what, i.Kind, cli.Size(i.Size), i.Path, i.Reason})
			}
		}
		add("remove", p.Removed)
		add("keep", p.Kept)
		err = cli.PrintTable(a.env.Stdout, []string{"DO", "KIND", "SIZE", "PATH", "REASON"}, rows)
	case len(p.Removed) > 0:
		err = cli.PrintTable(a.env.Stdout, []string{"KIND", "COUNT", "SIZE", "REASON"}, sums(p.Removed))
	}
	if err != nil {
		return err
	}
	verb := "freed"
	if o.dryRun {
		verb = "would free"
	}
	_, err = fmt.Fprintf(a.env.Stdout, "%s %s\n", verb, cli.Size(p.Freed))
	return err
}

// sums adds up the items of one kind and reason.
func sums(items []store.Item) [][]string {
	type key struct{ kind, reason string }
	type sum struct{ count, size int64 }
	var order []key
	total := map[key]sum{}
	for _, i := range items {
		k := key{i.Kind, i.Reason}
		s := total[k]
		if s.count == 0 {
			order = append(order, k)
		}
		total[k] = sum{s.count + 1, s.size + i.Size}
	}
	var rows [][]string
	for _, k := range order {
		rows = append(rows, []string{k.kind, strconv.FormatInt(total[k].count, 10), cli.Size(total[k].size), k.reason})
	}
	return rows
}

// ofContainers lists the images of the containers that run keeps beside the store:
// they stay, tagged or not, for a stopped container starts again from its digest.
func ofContainers(st *store.Store) ([]digest.Digest, error) {
	set, err := container.Open(st.Derived("containers"))
	if err != nil {
		return nil, err
	}
	all, err := set.All()
	if err != nil {
		return nil, err
	}
	var images []digest.Digest
	for _, c := range all {
		cfg, err := c.Config()
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was removed meanwhile
		} else if err != nil {
			return nil, err
		}
		images = append(images, cfg.Digest)
	}
	return images, nil
}

package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/build/internal/reg"
	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/hives/regfile"
)

const regLong = `Shows, compares and changes the registry of images.

TARGET is an image of the store, the path of an OCI layout (PATH, or PATH:NAME if it
holds several images), a layer (its digest, or the path of its tar), or the path of a hive
file. A KEY of an image or a layer begins with HKLM, HKU, HKCU, HKCR or HKCC or their long
names; HKCU is that of the user whom the image runs as. A KEY of a hive file is relative to
its root. Of a layer by itself, and of a delta hive, deletions are shown.`

func (a *app) regCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "reg VERB", Short: "Show, compare and change the registry of images", Long: regLong,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usagef("reg %s: the verbs are query, export, import, diff and blame (see 'build reg --help')", args[0])
			}
			return cli.Usagef("reg needs a verb: query, export, import, diff or blame (see 'build reg --help')")
		},
	}
	for _, verb := range []*cobra.Command{a.regQuery(), a.regExport(), a.regImport(), a.regDiff(), a.regBlame()} {
		verb.DisableFlagsInUseLine = true
		cmd.AddCommand(verb)
	}
	return cmd
}

// upTo is an argument check: the first few of the names must be there.
func upTo(least int, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return cli.Exactly(names[:least]...)(cmd, args)
		case len(args) > len(names):
			return cli.Exactly(names...)(cmd, args)
		}
		return nil
	}
}

// optional returns an argument that may be left out.
func optional(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}

func (a *app) regQuery() *cobra.Command {
	var format cli.Format
	var flags targetFlags
	var value string
	var q reg.Query
	cmd := &cobra.Command{
		Use:   "query [-v NAME] [-s] [--platform PLATFORM] [--reg32] [--format table|json] TARGET KEY",
		Short: "Print a key: its values and the names of its subkeys", Args: cli.Exactly("TARGET", "KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.JSON = format == cli.JSON; cmd.Flags().Changed("value") {
				q.Value = &value
			}
			if f, ok := a.env.Stdout.(*os.File); ok {
				q.Terminal = cli.IsTerminal(f)
			}
			return a.withTargets(flags, func(t *targets) error {
				target, err := t.open(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				key, err := t.key(target, args[1])
				if err != nil {
					return err
				}
				return q.Run(cmd.Context(), a.env.Stdout, target.reg, key)
			})
		},
	}
	format.AddFlag(cmd)
	flags.add(cmd)
	cmd.Flags().StringVarP(&value, "value", "v", "", "only the value `NAME`; \"\" is the default value")
	cmd.Flags().BoolVarP(&q.Deep, "subkeys", "s", false, "with all keys below")
	return cmd
}

func (a *app) regExport() *cobra.Command {
	var format, prefix string
	var flags targetFlags
	cmd := &cobra.Command{
		Use:   "export [--platform PLATFORM] [--reg32] [--format reg|reg4|json] [--prefix KEY] TARGET [KEY]",
		Short: "Write a key and all below it as a .reg file or JSON", Args: upTo(1, "TARGET", "KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, isReg := regVersion(format)
			if !isReg && format != "json" {
				return cli.Usagef("--format %s: want reg, reg4 or json", format)
			}
			if f, ok := a.env.Stdout.(*os.File); ok && version == regfile.Version5 && cli.IsTerminal(f) {
				return cli.Usagef("a .reg file is UTF-16 and not for the terminal; redirect the output, or give --format reg4 or json")
			}
			return a.withTargets(flags, func(t *targets) error {
				target, err := t.open(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				key, err := t.key(target, optional(args, 1))
				if err != nil {
					return err
				}
				if prefix != "" && (!isReg || target.reg.IsImage()) {
					return cli.Usagef("--prefix is for a hive file that becomes a .reg file")
				}
				if isReg {
					return reg.ExportReg(a.env.Stdout, version, target.reg, key, prefix)
				}
				return reg.ExportJSON(cmd.Context(), a.env.Stdout, target.reg, key)
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&format, "format", "reg", "output as `reg|reg4|json`: .reg of version 5 (UTF-16) or 4 (ASCII), or JSON lines")
	cmd.Flags().StringVar(&prefix, "prefix", "", "where the root of a hive file is, such as `KEY` HKEY_LOCAL_MACHINE\\SOFTWARE")
	return cmd
}

// regVersion is the version of .reg files that a format stands for.
func regVersion(format string) (regfile.Version, bool) {
	switch format {
	case "reg":
		return regfile.Version5, true
	case "reg4":
		return regfile.Version4, true
	}
	return "", false
}

func (a *app) regDiff() *cobra.Command {
	var format string
	var flags targetFlags
	cmd := &cobra.Command{
		Use:   "diff [--platform PLATFORM] [--reg32] [--format table|json|reg|reg4] A B [KEY]",
		Short: "Print how two registries differ, key by key", Args: upTo(2, "A", "B", "KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, isReg := regVersion(format)
			switch {
			case !isReg && format != "table" && format != "json":
				return cli.Usagef("--format %s: want table, json, reg or reg4", format)
			case isReg && len(args) > 2:
				return cli.Usagef("--format %s compares whole registries: leave out %s", format, args[2])
			}
			return a.withTargets(flags, func(t *targets) error {
				before, err := t.open(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				after, err := t.open(cmd.Context(), args[1])
				if err != nil {
					return err
				}
				if isReg {
					return reg.DiffReg(a.env.Stdout, version, before.reg, after.reg)
				}
				key, err := t.key(after, optional(args, 2))
				if err != nil {
					return err
				}
				return reg.Diff(cmd.Context(), a.env.Stdout, before.reg, after.reg, key, format == "json")
			})
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "output as `table|json|reg|reg4`; a .reg file makes B of A")
	flags.add(cmd)
	return cmd
}

func (a *app) regBlame() *cobra.Command {
	var format cli.Format
	var flags targetFlags
	cmd := &cobra.Command{
		Use:   "blame [--platform PLATFORM] [--reg32] [--format table|json] IMAGE KEY",
		Short: "Print which layer set each value of a key last", Args: cli.Exactly("IMAGE", "KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTargets(flags, func(t *targets) error {
				target, err := t.openImage(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				var layers []reg.MadeBy
				for _, l := range target.image.Chain() {
					layers = append(layers, reg.MadeBy{Digest: l.Desc.Digest})
				}
				nameLayers(layers, target.image)
				key, err := t.key(target, args[1])
				if err != nil {
					return err
				}
				return reg.Blame(a.env.Stdout, target.reg, key, layers, format == cli.JSON)
			})
		},
	}
	format.AddFlag(cmd)
	flags.add(cmd)
	return cmd
}

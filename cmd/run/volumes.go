package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime/container"
)

func (a *app) volume() *cobra.Command {
	cmd := &cobra.Command{Use: "volume", Short: "Look after the volumes that containers mount", Args: cli.Exactly("VERB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cli.Usagef("volume %s: want ls, create, inspect, rm or prune", args[0])
		}}
	cmd.AddCommand(a.volumeList(), a.volumeCreate(), a.volumeInspect(), a.volumeRemove(), a.volumePrune())
	return cmd
}

func (a *app) volumeList() *cobra.Command {
	format := cli.Table
	quiet := false
	cmd := &cobra.Command{
		Use: "ls", Short: "List volumes", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSet(func(_ *store.Store, set *container.Set) error {
				list, err := set.Volumes()
				if err != nil {
					return err
				}
				users, err := set.VolumeUsers()
				if err != nil {
					return err
				}
				switch {
				case quiet:
					for _, v := range list {
						fmt.Fprintln(a.env.Stdout, v.Name)
					}
					return nil
				case format == cli.JSON:
					return cli.PrintJSON(a.env.Stdout, list)
				}
				rows := make([][]string, len(list))
				for i, v := range list {
					rows[i] = []string{v.Name, v.Created.Format(time.RFC3339), strings.Join(users[v.Name], ",")}
				}
				return cli.PrintTable(a.env.Stdout, []string{"NAME", "CREATED", "USED BY"}, rows)
			})
		},
	}
	format.AddFlag(cmd)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print names only")
	return cmd
}

func (a *app) volumeCreate() *cobra.Command {
	return &cobra.Command{
		Use: "create NAME", Short: "Make a volume", Args: cli.Exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSet(func(_ *store.Store, set *container.Set) error {
				if args[0] == "" {
					return cli.Usagef("a volume needs a name")
				}
				v, err := set.CreateVolume(cmd.Context(), args[0], time.Now())
				if err == nil {
					_, err = fmt.Fprintln(a.env.Stdout, v.Name)
				}
				return err
			})
		},
	}
}

func (a *app) volumeInspect() *cobra.Command {
	return &cobra.Command{
		Use: "inspect NAME...", Short: "Print what is known of volumes, as JSON", Args: cli.AtLeast("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSet(func(_ *store.Store, set *container.Set) error {
				list := make([]container.Volume, len(args))
				for i, name := range args {
					var err error
					if list[i], err = set.Volume(name); err != nil {
						return err
					}
				}
				return cli.PrintJSON(a.env.Stdout, list)
			})
		},
	}
}

func (a *app) volumeRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME...", Short: "Remove volumes that no container mounts", Args: cli.AtLeast("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.removeVolumes(cmd, func(*container.Set) ([]string, error) { return args, nil })
		},
	}
}

func (a *app) volumePrune() *cobra.Command {
	var force, all bool
	cmd := &cobra.Command{
		Use: "prune -f", Short: "Remove the anonymous volumes that no container mounts", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !force {
				return cli.Usagef("volume prune removes volumes with all that is in them; say -f if that is meant")
			}
			return a.removeVolumes(cmd, func(set *container.Set) ([]string, error) { return unused(set, all) })
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "really")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "remove those with a name too")
	return cmd
}

// unused are the volumes that no container mounts.
func unused(set *container.Set, all bool) ([]string, error) {
	list, err := set.Volumes()
	if err != nil {
		return nil, err
	}
	users, err := set.VolumeUsers()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, v := range list {
		if len(users[v.Name]) == 0 && (all || v.Anonymous) {
			names = append(names, v.Name)
		}
	}
	return names, nil
}

func (a *app) removeVolumes(cmd *cobra.Command, which func(*container.Set) ([]string, error)) error {
	return a.withSet(func(_ *store.Store, set *container.Set) error {
		names, err := which(set)
		if err != nil {
			return err
		}
		var errs []error
		for _, name := range names {
			err := set.RemoveVolume(cmd.Context(), name)
			if err == nil {
				_, err = fmt.Fprintln(a.env.Stdout, name)
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

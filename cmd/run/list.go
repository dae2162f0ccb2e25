package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/container"
)

// listed is a container in ps, the same for both isolations.
type listed struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Image     string            `json:"image"`
	Digest    string            `json:"digest"`
	Isolation runtime.Isolation `json:"isolation"`
	Pid       int               `json:"pid,omitempty"`
	Status    container.Status  `json:"status"`
	Exit      *uint32           `json:"exit,omitempty"`
	Error     string            `json:"error,omitempty"`
	Created   time.Time         `json:"created"`
}

func (a *app) ps() *cobra.Command {
	var all bool
	format := cli.Table
	cmd := &cobra.Command{
		Use: "ps [-a]", Short: "List running containers", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSet(func(_ *store.Store, set *container.Set) error {
				found, err := list(set, all)
				if err != nil {
					return err
				}
				return a.printList(found, format)
			})
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "list those that do not run too")
	format.AddFlag(cmd)
	return cmd
}

func list(set *container.Set, all bool) ([]listed, error) {
	containers, err := set.All()
	if err != nil {
		return nil, err
	}
	found := []listed{}
	for _, c := range containers {
		cfg, st, err := read(c)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed in the meantime
		}
		if err != nil {
			return nil, err
		}
		if st.Status == container.Running || all {
			found = append(found, listed{
				ID: cfg.ID, Name: cfg.Name, Image: cfg.Image, Digest: cfg.Digest.String(), Isolation: shown(cfg, st),
				Pid: st.Pid, Status: st.Status, Exit: st.Exit, Error: st.Error, Created: cfg.Created,
			})
		}
	}
	return found, nil
}

func read(c *container.Container) (container.Config, container.State, error) {
	cfg, err := c.Config()
	if err != nil {
		return cfg, container.State{}, err
	}
	st, err := c.State()
	return cfg, st, err
}

// shown is what a running container runs under, and what another will be started
// with.
func shown(cfg container.Config, st container.State) runtime.Isolation {
	if st.Status == container.Running {
		return st.Isolation
	}
	return cfg.Isolation
}

func (a *app) printList(found []listed, format cli.Format) error {
	if format == cli.JSON {
		return cli.PrintJSON(a.env.Stdout, found)
	}
	rows := make([][]string, len(found))
	for i, l := range found {
		pid := "-"
		if l.Pid > 0 {
			pid = strconv.Itoa(l.Pid)
		}
		digest := l.Digest
		if len(digest) > 19 {
			digest = digest[:19] // sha256: and twelve digits
		}
		rows[i] = []string{container.Short(l.ID), l.Name, l.Image, digest, string(l.Isolation), pid, status(l)}
	}
	return cli.PrintTable(a.env.Stdout, []string{"ID", "NAME", "IMAGE", "DIGEST", "ISOLATION", "PID", "STATUS"}, rows)
}

func status(l listed) string {
	switch {
	case l.Status != container.Exited:
		return string(l.Status)
	case l.Exit == nil:
		return "exited (unknown)"
	case *l.Exit > 255:
		return fmt.Sprintf("exited (0x%08X)", *l.Exit)
	}
	return fmt.Sprintf("exited (%d)", *l.Exit)
}

// inspected is all that is known of a container.
type inspected struct {
	container.Config
	State container.State `json:"state"`
	Dir   string          `json:"dir"`
}

func (a *app) inspect() *cobra.Command {
	return &cobra.Command{
		Use: "inspect NAME...", Short: "Print all that is known of containers, as JSON", Args: cli.AtLeast("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSet(func(_ *store.Store, set *container.Set) error {
				out := make([]inspected, len(args))
				for i, name := range args {
					c, err := set.Find(name)
					if err != nil {
						return err
					}
					cfg, st, err := read(c)
					if err != nil {
						return err
					}
					out[i] = inspected{cfg, st, c.Dir()}
				}
				return cli.PrintJSON(a.env.Stdout, out)
			})
		},
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"text/template"
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
	Ports     []runtime.Port    `json:"ports,omitempty"`
	Health    string            `json:"health,omitempty"`
	Restarts  int               `json:"restarts,omitempty"`
	Created   time.Time         `json:"created"`
}

// psFilters are the values of --filter.
type psFilters map[string][]string

// parseFilters reads KEY=VALUE pairs; those of one key are alternatives.
func parseFilters(list []string) (psFilters, error) {
	f := psFilters{}
	for _, kv := range list {
		key, value, ok := strings.Cut(kv, "=")
		switch key {
		case "id", "name", "ancestor", "status", "isolation", "health", "exited", "volume":
		default:
			ok = false
		}
		if !ok {
			return nil, cli.Usagef("--filter %q: want id|name|ancestor|status|isolation|health|exited|volume=VALUE", kv)
		}
		f[key] = append(f[key], value)
	}
	return f, nil
}

// match tells whether a container is wanted.
func (f psFilters) match(l listed, cfg container.Config) bool {
	for key, values := range f {
		if !slices.ContainsFunc(values, func(v string) bool {
			switch key {
			case "id":
				return strings.HasPrefix(l.ID, v)
			case "name":
				return strings.Contains(l.Name, v)
			case "ancestor":
				return l.Image == v || strings.HasPrefix(l.Image, v+":") || l.Digest == v
			case "status":
				return string(l.Status) == v
			case "isolation":
				return string(l.Isolation) == v
			case "health":
				return l.Health == v
			case "exited":
				return l.Status == container.Exited && l.Exit != nil && strconv.FormatUint(uint64(*l.Exit), 10) == v
			}
			return slices.ContainsFunc(cfg.Mounts, func(m runtime.Mount) bool { return m.Volume == v || m.Target == v })
		}) {
			return false
		}
	}
	return true
}

func (a *app) ps() *cobra.Command {
	var all, quiet, full bool
	var filters []string
	format := ""
	cmd := &cobra.Command{
		Use: "ps [-a]", Short: "List running containers", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := parseFilters(filters)
			if err != nil {
				return err
			}
			if len(f["status"])+len(f["exited"]) > 0 {
				all = true
			}
			return a.withSet(func(_ *store.Store, set *container.Set) error {
				found, err := list(set, all, f)
				if err != nil {
					return err
				}
				if quiet {
					for _, l := range found {
						id := l.ID
						if !full {
							id = container.Short(id)
						}
						fmt.Fprintln(a.env.Stdout, id)
					}
					return nil
				}
				return a.printList(found, format)
			})
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "list those that do not run too")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print IDs only")
	cmd.Flags().BoolVar(&full, "no-trunc", false, "with -q: print whole IDs")
	cmd.Flags().StringArrayVarP(&filters, "filter", "f", nil, "only those with `KEY=VALUE`: id, name, ancestor, status, isolation, health, exited, volume")
	cmd.Flags().StringVar(&format, "format", "table", "output as `table|json|TEMPLATE`")
	return cmd
}

func list(set *container.Set, all bool, f psFilters) ([]listed, error) {
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
		l := listed{
			ID: cfg.ID, Name: cfg.Name, Image: cfg.Image, Digest: cfg.Digest.String(), Isolation: shown(cfg, st),
			Pid: st.Pid, Status: st.Status, Exit: st.Exit, Error: st.Error, Ports: st.Ports, Restarts: st.Restarts, Created: cfg.Created,
		}
		if st.Health != nil && st.Status == container.Running {
			l.Health = st.Health.Status
		}
		if (st.Status.Alive() || all) && f.match(l, cfg) {
			found = append(found, l)
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

func (a *app) printList(found []listed, format string) error {
	switch {
	case format == "json":
		return cli.PrintJSON(a.env.Stdout, found)
	case format != "table":
		rows := make([]any, len(found))
		for i, l := range found {
			rows[i] = l
		}
		return a.printTemplate(format, rows)
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
	case l.Status != container.Exited && l.Health != "":
		return fmt.Sprintf("%s (%s)", l.Status, l.Health)
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
	format := ""
	cmd := &cobra.Command{
		Use: "inspect [--format TEMPLATE] NAME...", Short: "Print all that is known of containers, as JSON", Args: cli.AtLeast("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSet(func(_ *store.Store, set *container.Set) error {
				out := make([]any, len(args))
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
				if format == "" || format == "json" {
					return cli.PrintJSON(a.env.Stdout, out)
				}
				return a.printTemplate(format, out)
			})
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "print with this Go `template` of the JSON, such as {{.state.pid}}, a line for each")
	return cmd
}

// printTemplate prints each of list by a template whose fields are those of its JSON.
func (a *app) printTemplate(format string, list []any) error {
	t, err := template.New("format").Option("missingkey=error").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		"join": func(list []any, sep string) string {
			words := make([]string, len(list))
			for i, v := range list {
				words[i] = fmt.Sprint(v)
			}
			return strings.Join(words, sep)
		},
	}).Parse(format)
	if err != nil {
		return cli.Usagef("--format: %w", err)
	}
	for _, v := range list {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		var fields map[string]any
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err := d.Decode(&fields); err != nil {
			return err
		}
		var line bytes.Buffer
		if err := t.Execute(&line, fields); err != nil {
			return fmt.Errorf("--format: %w (its fields are those of --format json)", err)
		}
		if _, err := fmt.Fprintln(a.env.Stdout, line.String()); err != nil {
			return err
		}
	}
	return nil
}

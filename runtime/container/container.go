// Package container keeps what is known of containers on disk, and the process
// that stands over each running one.
//
// A container is a folder named by its ID: config.json is what was asked for,
// state.json what became of it, log.jsonl what it printed, work the Runtime's own
// part (files and registry). There is no daemon. A running container has a
// supervisor, a process that starts the program in itself through a
// [runtime.Runtime] and holds the container's lock for as long as it lives. Only
// the holder of the lock changes the folder, so a state that says running while
// nobody holds the lock tells that the supervisor was killed, whoever did it.
package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/runtime"
)

// Config is what was asked for when the container was made. Only update changes
// it afterwards.
type Config struct {
	// ID is 64 lower-case hexadecimal digits; Name is unique among the containers
	// of a store.
	ID   string `json:"id"`
	Name string `json:"name"`
	// Image is the reference as the user gave it, Digest the manifest it meant then.
	Image  string        `json:"image"`
	Digest digest.Digest `json:"digest"`
	// Isolation is what was asked for; what it runs under is in State.
	Isolation runtime.Isolation `json:"isolation"`
	// CommandLine, Env, Cwd, User, Hostname and Limits are those of runtime.Spec.
	CommandLine string   `json:"commandLine"`
	Env         []string `json:"env"`
	Cwd         string   `json:"cwd,omitempty"`
	User        string   `json:"user,omitempty"`
	Hostname    string   `json:"hostname,omitempty"`
	runtime.Limits
	// TTY, Mounts, ReadOnly and Network are those of runtime.Spec too.
	TTY      bool            `json:"tty,omitempty"`
	Mounts   []runtime.Mount `json:"mounts,omitempty"`
	ReadOnly bool            `json:"readOnly,omitempty"`
	Network  runtime.Network `json:"network,omitzero"`
	// Stdin says that the program gets the standard input of who is attached.
	Stdin bool `json:"stdin,omitempty"`
	// Restart says when the program is started again, Health how to find out
	// whether it works (nil: not at all).
	Restart Restart            `json:"restart,omitzero"`
	Health  *image.Healthcheck `json:"healthcheck,omitempty"`
	// Anonymous names the volumes that were made for this container alone.
	Anonymous []string `json:"anonymousVolumes,omitempty"`
	// Remove says that the container goes away when its program has ended.
	Remove  bool      `json:"remove,omitempty"`
	Created time.Time `json:"created"`
}

// Status says where in its life a container is.
type Status string

// A container is created, runs, perhaps waits to be started again by its own
// supervisor, has exited, and may run again.
const (
	Created    Status = "created"
	Running    Status = "running"
	Restarting Status = "restarting"
	Exited     Status = "exited"
)

// Alive tells whether a container with this status has a supervisor.
func (s Status) Alive() bool { return s == Running || s == Restarting }

// State is what became of a container at its last start.
type State struct {
	Status Status `json:"status"`
	// Isolation and Runtime are what the program ran under, Why the reason for
	// that choice.
	Isolation runtime.Isolation `json:"isolation,omitempty"`
	Runtime   string            `json:"runtime,omitempty"`
	Why       string            `json:"why,omitempty"`
	// Pid is the host's process that stands for the container while it runs.
	Pid int `json:"pid,omitempty"`
	// Exit is the program's exit code, all 32 bits; nil when it never ran or
	// nobody saw its end.
	Exit *uint32 `json:"exit,omitempty"`
	// OutOfMemory says that the kernel ended a program because the container's memory
	// was used up.
	OutOfMemory bool `json:"outOfMemory,omitempty"`
	// Restarts is how often the supervisor has started the program again.
	Restarts int `json:"restarts,omitempty"`
	// Ports are those of the host that lead to the running program.
	Ports []runtime.Port `json:"ports,omitempty"`
	// Health is what the image's health check has found; nil without one.
	Health *Health `json:"health,omitempty"`
	// Error is why it did not start or was lost.
	Error    string    `json:"error,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
}

// ErrRunning is matched by errors of what can only be done to a stopped
// container.
var ErrRunning = errors.New("container is running")

// lostError is the State.Error of a container whose supervisor was killed.
const lostError = "its supervisor ended without saying how the program ended"

// maxFile bounds config.json and state.json; Windows limits an environment to
// 32 Ki characters and a command line likewise.
const maxFile = 1 << 20

// Container is one container's folder.
type Container struct {
	id   string
	root string // the folder of all containers
}

// ID returns the container's full ID.
func (c *Container) ID() string { return c.id }

// Dir returns the container's folder.
func (c *Container) Dir() string { return filepath.Join(c.root, c.id) }

// WorkDir returns the folder that is given to the Runtime as Spec.Dir.
func (c *Container) WorkDir() string { return filepath.Join(c.Dir(), "work") }

func (c *Container) file(name string) string { return filepath.Join(c.Dir(), name) }

// Config reads the container's configuration.
func (c *Container) Config() (Config, error) {
	var cfg Config
	if err := readJSON(c.file("config.json"), &cfg); err != nil {
		return Config{}, c.gone(err)
	}
	if cfg.ID != c.id {
		return Config{}, fmt.Errorf("container %s: its config.json is that of %q", Short(c.id), cfg.ID)
	}
	return cfg, nil
}

// State reads the container's state. One that was running when its supervisor
// was killed is reported as exited, without an exit code.
func (c *Container) State() (State, error) {
	st, err := c.storedState()
	if err != nil || !st.Status.Alive() {
		return st, err
	}
	held, err := c.locked()
	if err != nil || held {
		return st, err
	}
	// The supervisor may have ended in good order between the two looks.
	if st, err = c.storedState(); err != nil || !st.Status.Alive() {
		return st, err
	}
	st.Status, st.Pid, st.Ports, st.Error = Exited, 0, nil, lostError
	return st, nil
}

func (c *Container) storedState() (State, error) {
	var st State
	return st, c.gone(readJSON(c.file("state.json"), &st))
}

func (c *Container) setState(st State) error {
	if err := writeJSON(c.file("state.json"), st); err != nil {
		return fmt.Errorf("save state of container %s: %w", Short(c.id), err)
	}
	return nil
}

// gone words a missing folder as what it means.
func (c *Container) gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &NotFoundError{Name: Short(c.id)}
	}
	return err
}

// Short returns the first 12 digits of an ID, which is how people see it.
func Short(id string) string { return id[:min(12, len(id))] }

func readJSON(path string, v any) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxFile {
		return fmt.Errorf("read %s: %d bytes are more than a container's file can have", path, info.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// writeJSON replaces a file whole: a reader sees the old or the new one, a kill
// leaves at most a temporary file that the next write replaces.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return os.Rename(tmp, path)
}

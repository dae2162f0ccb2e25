package oci

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// stateDir is where the OCI runtime keeps what it knows of running containers.
const stateDir = "/run/mullion"

const howToInstall = "install it with: apt-get install runc"

// tool is the OCI runtime in use.
type tool struct {
	name string // runc or crun
	path string
}

func findTool() (*tool, error) {
	for _, name := range []string{"runc", "crun"} {
		if path, err := exec.LookPath(name); err == nil {
			return &tool{name, path}, nil
		}
	}
	return nil, errors.New("neither runc nor crun is installed: " + howToInstall)
}

// wantsOneCgroupVersion is true of crun, which refuses a host that has both.
func (t *tool) wantsOneCgroupVersion() bool { return t.name == "crun" }

// run is the command that runs the bundle in its working directory and hands
// file descriptor 3 on. It stays until the container has ended.
func (t *tool) run(id, bundle string) *exec.Cmd {
	cmd := exec.Command(t.path, "--root", stateDir, "--log", logFile, "--log-format", "json", "run", "--preserve-fds", "1", id)
	cmd.Dir = bundle
	return cmd
}

// command runs one command of the tool's and words its failure.
func (t *tool) command(what string, args ...string) error {
	out, err := exec.Command(t.path, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %s: %w: %s", what, t.name, err, bytes.TrimSpace(out))
	}
	return nil
}

// sweep removes what is left of a container: its processes, the runtime's state,
// its cgroups. Nothing is left after an orderly end.
func (t *tool) sweep(id string) {
	if _, err := os.Stat(filepath.Join(stateDir, id)); err == nil {
		_ = exec.Command(t.path, "--root", stateDir, "delete", "--force", id).Run()
	}
}

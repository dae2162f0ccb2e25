package hcs

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime"
)

// owner is how the compute service's lists name who made a container.
const owner = "mullion"

// layer is one read-only layer in a container's document.
type layer struct {
	ID   string // the GUID that the service makes of the folder's name
	Path string
}

// hvRuntime points at the utility VM's files.
type hvRuntime struct {
	ImagePath string
}

// document is what the service is asked to make a container of: the fields of
// its version 1 ContainerConfig that we set, in its order and with its names.
type document struct {
	SystemType                  string
	Name                        string
	Owner                       string
	VolumePath                  string `json:",omitempty"` // process isolation only
	IgnoreFlushesDuringBoot     bool
	LayerFolderPath             string
	Layers                      []layer // the nearest first
	MemoryMaximumInMB           int64   `json:",omitempty"`
	HostName                    string  `json:",omitempty"`
	HvPartition                 bool
	HvRuntime                   *hvRuntime `json:",omitempty"` // Hyper-V isolation only
	TerminateOnLastHandleClosed bool
}

// process is what the service is asked to start: ProcessConfig.
type process struct {
	CommandLine      string
	User             string            `json:",omitempty"`
	WorkingDirectory string            `json:",omitempty"`
	Environment      map[string]string `json:",omitempty"`
	CreateStdInPipe  bool
	CreateStdOutPipe bool
	CreateStdErrPipe bool
}

// newDocument fills in what both isolations have in common. scratch is the
// container's writable layer; layers are the image's, the nearest first.
func newDocument(spec *runtime.Spec, scratch string, layers []layer) (*document, error) {
	if len(layers) == 0 {
		return nil, errors.New("the image has no layers: the compute service wants at least one below the container's own")
	}
	return &document{
		SystemType: "Container", Name: spec.ID, Owner: owner,
		IgnoreFlushesDuringBoot: true,
		LayerFolderPath:         scratch,
		Layers:                  layers,
		MemoryMaximumInMB:       megabytes(spec.Memory),
		HostName:                spec.Hostname,
		// The container goes with its supervisor, however that ends.
		TerminateOnLastHandleClosed: true,
	}, nil
}

// processIsolation adds the mounted scratch, `\\?\Volume{guid}\` as Windows gives
// it; the service wants it without the final backslash.
func (d *document) processIsolation(volume string) {
	d.VolumePath = strings.TrimSuffix(volume, `\`)
}

// hypervIsolation adds the utility VM of the nearest layer that has one; exists
// tells whether a folder is there.
func (d *document) hypervIsolation(exists func(path string) bool) error {
	for _, l := range d.Layers {
		if vm := l.Path + `\UtilityVM`; exists(vm) {
			d.HvPartition, d.HvRuntime = true, &hvRuntime{ImagePath: vm}
			return nil
		}
	}
	return errors.New("no layer of the image has a utility VM, which hyperv isolation starts: " +
		"use --isolation=process, or build on a Microsoft base image such as nanoserver")
}

// newProcess describes the program. The guest's environment has names without
// case, so of names that differ in case only the last value stays.
func newProcess(spec *runtime.Spec) *process {
	env := make(map[string]string)
	for _, kv := range nt.NewEnv(spec.Env...).List() {
		name, value, _ := strings.Cut(kv, "=")
		env[name] = value
	}
	return &process{
		CommandLine:      spec.CommandLine,
		User:             spec.User,
		WorkingDirectory: workingDirectory(spec.Cwd),
		Environment:      env,
		// A standard input that is never closed keeps PowerShell waiting: there is
		// always one, and it is at its end when nobody gives any.
		CreateStdInPipe: true, CreateStdOutPipe: true, CreateStdErrPipe: true,
	}
}

// workingDirectory is C:\ when none is set, as with Docker; the service does not
// take forward slashes.
func workingDirectory(cwd string) string {
	if cwd == "" {
		return `C:\`
	}
	return strings.ReplaceAll(cwd, "/", `\`)
}

// megabytes rounds up: a container must not get less than was asked for.
func megabytes(bytes int64) int64 {
	const mb = 1 << 20
	if bytes <= 0 {
		return 0
	}
	return (bytes-1)/mb + 1
}

// chain names the layers of an image, whose folders come base first, the nearest
// first and each with the GUID that the service derives from its folder's name.
func chain(folders []string, guid func(name string) (string, error)) ([]layer, error) {
	layers := make([]layer, 0, len(folders))
	for i := len(folders) - 1; i >= 0; i-- {
		id, err := guid(base(folders[i]))
		if err != nil {
			return nil, fmt.Errorf("name layer %s: %w", folders[i], err)
		}
		layers = append(layers, layer{ID: id, Path: folders[i]})
	}
	return layers, nil
}

// base is filepath.Base for Windows paths, wherever it is executed.
func base(p string) string { return path.Base(strings.ReplaceAll(p, `\`, "/")) }

func paths(layers []layer) []string {
	p := make([]string, len(layers))
	for i, l := range layers {
		p[i] = l.Path
	}
	return p
}

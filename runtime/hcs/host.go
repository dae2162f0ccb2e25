package hcs

import (
	"errors"
	"fmt"

	"github.com/mullion/mullion/runtime"
)

// host is what this machine tells about itself.
type host struct {
	Build      uint32
	Elevated   bool
	Containers bool // the service vmcompute, of the feature Containers
	HyperV     bool // the service vmms, of the Hyper-V role
}

// minBuild is Windows Server 2016's, the first with containers.
const minBuild = 14393

// requirements lists what iso needs, in a fixed order.
func (h host) requirements(iso runtime.Isolation) []runtime.Requirement {
	list := []runtime.Requirement{
		{Name: "Windows", Found: h.Build >= minBuild, Detail: fmt.Sprintf("build %d", h.Build),
			Fix: "use Windows Server 2016, Windows 10 1607 or later"},
		{Name: "administrator", Found: h.Elevated,
			Fix: "run in an elevated prompt"},
		{Name: "feature Containers", Found: h.Containers,
			Fix: "Enable-WindowsOptionalFeature -Online -FeatureName Containers"},
	}
	if iso == runtime.HyperVIsolation {
		list = append(list, runtime.Requirement{Name: "feature Hyper-V", Found: h.HyperV,
			Fix: "Enable-WindowsOptionalFeature -Online -FeatureName Microsoft-Hyper-V -All (on a server: Install-WindowsFeature Hyper-V)"})
	}
	for i := range list {
		if list[i].Found {
			list[i].Fix = ""
		}
	}
	return list
}

// probe is the sentence about the first requirement that is not met.
func (h host) probe(iso runtime.Isolation) error {
	for _, r := range h.requirements(iso) {
		if !r.Found {
			return errors.New(r.Name + " is missing: " + r.Fix)
		}
	}
	return nil
}

package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ignoredFlags are docker's flags that change nothing here. They are taken, so that a
// command line made for docker works, and told.
type ignoredFlags map[string]string

// harmless lists them with the reason; those that take no value end in "!".
var harmless = [][2]string{
	{"rm!", "no containers are left to remove"},
	{"force-rm!", "no containers are left to remove"},
	{"compress!", "the context is not sent anywhere"},
	{"load!", "the image is in the store anyway"},
	{"no-cache-filter", "use --no-cache=STAGE"},
	{"network", "write RUN --network where it matters"},
	{"memory", "RUN has no settings of its own for this"},
	{"memory-swap", "RUN has no settings of its own for this"},
	{"cpu-period", "RUN has no settings of its own for this"},
	{"cpu-quota", "RUN has no settings of its own for this"},
	{"cpu-shares", "RUN has no settings of its own for this"},
	{"cpuset-cpus", "RUN has no settings of its own for this"},
	{"cpuset-mems", "RUN has no settings of its own for this"},
	{"cgroup-parent", "RUN has no settings of its own for this"},
	{"shm-size", "Windows has no /dev/shm"},
	{"ulimit", "Windows has no ulimits"},
	{"security-opt", "RUN has no settings of its own for this"},
	{"add-host", "RUN has no settings of its own for this"},
	{"builder", "there is one builder"},
	{"allow", "there is nothing to allow"},
	{"provenance", "no provenance is made"},
	{"sbom", "no SBOM is made"},
	{"attest", "no attestation is made"},
}

// addTo registers the flags, out of the help's sight.
func (i *ignoredFlags) addTo(f *pflag.FlagSet) {
	*i = ignoredFlags{}
	for _, h := range harmless {
		name, isSwitch := strings.CutSuffix(h[0], "!")
		shorthand := ""
		if name == "memory" {
			shorthand = "m"
		}
		if isSwitch {
			f.Bool(name, false, "ignored: "+h[1])
		} else {
			f.StringArrayP(name, shorthand, nil, "ignored: "+h[1])
		}
		f.Lookup(name).Hidden = true
		(*i)[name] = h[1]
	}
	for _, name := range []string{"provenance", "sbom"} {
		f.Lookup(name).NoOptDefVal = "true"
	}
}

// warn tells of those that are given.
func (i ignoredFlags) warn(a *app, cmd *cobra.Command) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if why, ok := i[f.Name]; ok {
			a.note("warning: --%s is ignored: %s", f.Name, why)
		}
	})
}

// Command run runs Windows container images, under process or under Hyper-V
// isolation, and looks after the containers made of them.
package main

import (
	"os"

	"github.com/mullion/mullion/cmd/internal/backends"
	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/runtime/container"
	"github.com/mullion/mullion/runtime/guest"
	vm "github.com/mullion/mullion/runtime/microvm/guest"
)

func main() {
	// The same binary is the first process in the namespaces, the first process
	// in the VM, and the supervisor of a container.
	guest.Main()
	vm.Main()
	host := host{runtimes: backends.Runtimes, version: backends.HostVersion()}
	if id, ok := container.SupervisorID(os.Args); ok {
		os.Exit(host.supervise(id, cli.OSEnv()))
	}
	cli.Main(host.main)
}

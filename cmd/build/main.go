// Command build makes Windows container images out of Containerfiles, on any
// machine, and moves them between the store and registries.
package main

import (
	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/runtime/guest"
	vm "github.com/mullion/mullion/runtime/microvm/guest"
)

func main() {
	// For the programs of a RUN the same binary is the first process in the namespaces and in the VM.
	guest.Main()
	vm.Main()
	cli.Main(run)
}

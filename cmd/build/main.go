// Command build makes Windows container images out of Containerfiles, on any
// machine, and moves them between the store and registries.
package main

import "github.com/mullion/mullion/cmd/internal/cli"

func main() { cli.Main(run) }

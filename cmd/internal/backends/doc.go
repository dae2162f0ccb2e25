// Package backends says, for each operating system, which Runtimes there are.
package backends

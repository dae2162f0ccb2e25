package main

import "os"

// notifyResize: Windows has no signal for it.
func notifyResize(chan<- os.Signal) {}

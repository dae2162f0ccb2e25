package microvm

import (
	"os"
	"testing"

	program "github.com/mullion/mullion/runtime/guest"
	"github.com/mullion/mullion/runtime/microvm/guest"
)

// TestMain lets the test binary be what Mullion's own is: a VM's first process,
// the guest around a program and, in place of Wine, the program.
func TestMain(m *testing.M) {
	guest.Main()
	program.Main()
	if os.Args[0] == program.WineDir+"/wine64" || os.Args[0] == "wineserver64" {
		os.Exit(fakeWine())
	}
	os.Exit(m.Run())
}

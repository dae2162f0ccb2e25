package oci

import (
	"os"
	"testing"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/fixtures/runtimetest"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime/guest"
)

// TestMain lets the test binary be the guest that Mullion's own binary is.
func TestMain(m *testing.M) {
	guest.Main()
	os.Exit(m.Run())
}

// testStore is a store that survives the tests, so that the Wine base is made once.
func testStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(fixtures.StoreDir(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("runs programs under Wine")
	}
	st := testStore(t)
	runtimetest.Run(t, New(st), st)
}

package disk

import (
	"os"
	"os/exec"
	"testing"
)

// skip skips the test because the host lacks something, or fails it where everything must run.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("MULLION_REQUIRE") == "all" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// tool returns the path of a program of the host.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		skip(t, name+" is not installed")
	}
	return path
}

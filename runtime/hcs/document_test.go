package hcs

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mullion/mullion/runtime"
)

// go test ./runtime/hcs -update writes the documents anew; look at the difference
// before it is committed: they are what the compute service reads.
var update = flag.Bool("update", false, "write testdata anew")

func golden(t *testing.T, name string, v any) {
	t.Helper()
	var got bytes.Buffer
	enc := json.NewEncoder(&got)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s is now\n%swant\n%s", name, &got, want)
	}
}

func testSpec() *runtime.Spec {
	return &runtime.Spec{
		ID:          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		CommandLine: `C:\app\hello.exe "two words"`, Cwd: "C:/app", User: "ContainerUser", Hostname: "pane",
		Env:    []string{"Path=first", "GREETING=hello", "PATH=last", "EMPTY="},
		Limits: runtime.Limits{Memory: 512 << 20},
	}
}

func testLayers() []layer {
	return []layer{
		{ID: "11111111-2222-3333-4444-555555555555", Path: `C:\store\top`},
		{ID: "66666666-7777-8888-9999-aaaaaaaaaaaa", Path: `C:\store\base`},
	}
}

func TestProcessDocument(t *testing.T) {
	d, err := newDocument(testSpec(), `C:\store\scratch`, testLayers())
	if err != nil {
		t.Fatal(err)
	}
	d.processIsolation(`\\?\Volume{bbbbbbbb-cccc-dddd-eeee-ffffffffffff}\`)
	golden(t, "process.json", d)
}

func TestHyperVDocument(t *testing.T) {
	d, err := newDocument(testSpec(), `C:\store\scratch`, testLayers())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.hypervIsolation(func(path string) bool { return path == `C:\store\base\UtilityVM` }); err != nil {
		t.Fatal(err)
	}
	golden(t, "hyperv.json", d)
}

func TestProgramDocument(t *testing.T) { golden(t, "program.json", newProcess(testSpec())) }

func TestUtilityVM(t *testing.T) {
	tests := []struct {
		have string
		want string
	}{
		{`C:\store\top\UtilityVM C:\store\base\UtilityVM`, `C:\store\top\UtilityVM`}, // the nearest wins
		{`C:\store\base\UtilityVM`, `C:\store\base\UtilityVM`},
		{"", ""},
	}
	for _, test := range tests {
		d := &document{Layers: testLayers()}
		have := strings.Fields(test.have)
		err := d.hypervIsolation(func(path string) bool {
			for _, h := range have {
				if h == path {
					return true
				}
			}
			return false
		})
		if test.want == "" {
			if err == nil || d.HvPartition {
				t.Errorf("without a utility VM: %v, %+v", err, d)
			}
			continue
		}
		if err != nil || d.HvRuntime.ImagePath != test.want {
			t.Errorf("with %s: %v, %+v", test.have, err, d.HvRuntime)
		}
	}
}

func TestChainIsNearestFirst(t *testing.T) {
	layers, err := chain([]string{`C:\s\base`, `C:\s\mid`, `C:\s\top`}, func(name string) (string, error) { return "guid-" + name, nil })
	if err != nil {
		t.Fatal(err)
	}
	want := []layer{{"guid-top", `C:\s\top`}, {"guid-mid", `C:\s\mid`}, {"guid-base", `C:\s\base`}}
	if len(layers) != len(want) {
		t.Fatalf("chain = %v", layers)
	}
	for i := range want {
		if layers[i] != want[i] {
			t.Errorf("layer %d is %v, want %v", i, layers[i], want[i])
		}
	}
	if _, err := newDocument(testSpec(), "x", nil); err == nil {
		t.Error("a container without layers is no error")
	}
}

func TestMegabytes(t *testing.T) {
	for in, want := range map[int64]int64{-1: 0, 0: 0, 1: 1, 1 << 20: 1, 1<<20 + 1: 2, 512 << 20: 512} {
		if got := megabytes(in); got != want {
			t.Errorf("megabytes(%d) = %d, want %d", in, got, want)
		}
	}
}

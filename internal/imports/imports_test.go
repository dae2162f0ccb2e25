package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/mullion/mullion/"

// Third-party libraries, by the name the rules use.
var libraries = map[string]string{
	"buildkit":     "github.com/moby/buildkit",
	"cobra":        "github.com/spf13",
	"digest":       "github.com/opencontainers/go-digest",
	"erofs":        "github.com/erofs/go-erofs",
	"flock":        "github.com/gofrs/flock",
	"docker-cli":   "github.com/docker/cli",
	"ggcr":         "github.com/google/go-containerregistry",
	"hcsshim":      "github.com/Microsoft/hcsshim",
	"image-spec":   "github.com/opencontainers/image-spec",
	"klauspost":    "github.com/klauspost",
	"patterns":     "github.com/moby/patternmatcher",
	"runtime-spec": "github.com/opencontainers/runtime-spec",
	"winio":        "github.com/Microsoft/go-winio",
	"x/crypto":     "golang.org/x/crypto",
	"x/sync":       "golang.org/x/sync",
	"x/sys":        "golang.org/x/sys",
	"x/term":       "golang.org/x/term",
}

// rules lists what each package may import besides the standard library; a pattern ending in /... covers a tree, and
// the longest matching pattern decides. Test files are free.
var rules = map[string]string{
	"internal/nt":       "",
	"internal/imports":  "",
	"hives":             "internal/nt",
	"hives/...":         "internal/nt hives hives/internal/...",
	"layers":            "internal/nt",
	"layers/pack":       "internal/nt layers digest klauspost",
	"layers/store":      "internal/nt layers layers/pack digest image-spec flock x/sys",
	"layers/cache":      "layers/pack layers/store digest image-spec",
	"layers/view":       "internal/nt hives layers layers/pack layers/store digest image-spec x/sys x/sync",
	"layers/image":      "internal/nt hives layers layers/pack layers/store layers/view digest image-spec",
	"layers/disk":       "internal/nt layers layers/pack layers/store layers/view digest image-spec erofs hcsshim winio x/sys flock",
	"registry":          "digest image-spec ggcr docker-cli x/sync",
	"registry/...":      "registry digest image-spec ggcr x/sync x/crypto",
	"runtime":           "internal/nt layers/view",
	"runtime/container": "internal/nt runtime runtime/wire layers/store layers/view layers/image digest image-spec flock x/sys",
	"runtime/guest":     "x/sys",
	"runtime/wire":      "",
	"runtime/wine": "internal/nt hives hives/winereg layers layers/store layers/view layers/disk runtime runtime/guest " +
		"digest flock x/sys",
	"runtime/oci":                      "internal/nt layers/store layers/view layers/disk runtime runtime/guest runtime/wine runtime-spec x/sys",
	"runtime/microvm":                  "internal/nt layers/store layers/view layers/disk runtime runtime/guest runtime/wire runtime/wine runtime/microvm/... digest flock x/sys",
	"runtime/microvm/...":              "runtime/guest runtime/wire x/sys runtime/microvm/...",
	"runtime/hcs":                      "internal/nt layers/store layers/view layers/disk runtime hcsshim winio x/sys digest image-spec",
	"runtime/offline":                  "internal/nt hives layers layers/view runtime runtime/offline/...",
	"runtime/offline/...":              "internal/nt hives hives/regfile layers layers/view runtime/offline/...",
	"cmd/build/internal/containerfile": "internal/nt buildkit",
	"cmd/build/internal/plan":          "internal/nt layers/image cmd/build/internal/containerfile image-spec",
	"cmd/build/internal/solve": "internal/nt hives layers layers/pack layers/store layers/cache layers/view layers/image " +
		"runtime runtime/offline cmd/build/internal/plan cmd/build/internal/containerfile digest image-spec patterns x/sync x/sys",
	"cmd/build/internal/reg": "internal/nt hives hives/regfile layers/view cmd/internal/cli digest",
	"cmd/...":                "internal/nt hives hives/... layers/... layers registry registry/... runtime runtime/... cmd/... cobra digest image-spec x/sys x/term x/sync",
	"bench/build":            "",
	"fixtures":               "internal/nt hives layers/...",
	"fixtures/...":           "internal/nt fixtures fixtures/... layers layers/... runtime image-spec digest x/sys",
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportRules(t *testing.T) {
	for _, goos := range []string{"linux", "windows", "darwin"} {
		t.Run(goos, func(t *testing.T) {
			found := list(t, goos)
			if len(found) < 10 {
				t.Fatalf("go list found only %d packages", len(found))
			}
			for _, p := range found {
				check(t, p)
			}
		})
	}
}

// check reports every import of p that its rule does not allow. Production code never imports fixtures.
func check(t *testing.T, p pkg) {
	t.Helper()
	name := strings.TrimPrefix(p.ImportPath, module)
	rule, ok := ruleFor(name)
	if !ok {
		t.Errorf("%s has no import rule; add one", name)
		return
	}
	allowed := strings.Fields(rule)
	for _, imp := range p.Imports {
		if want, isOurs := strings.CutPrefix(imp, module); isOurs {
			if !slices.ContainsFunc(allowed, func(a string) bool { return matches(a, want) }) {
				t.Errorf("%s imports %s, which its rule does not allow", name, want)
			}
			continue
		}
		if !strings.Contains(strings.Split(imp, "/")[0], ".") {
			continue // the standard library
		}
		if !slices.ContainsFunc(allowed, func(a string) bool {
			prefix := libraries[a]
			return prefix != "" && (imp == prefix || strings.HasPrefix(imp, prefix+"/"))
		}) {
			t.Errorf("%s imports %s, which its rule does not allow", name, imp)
		}
	}
}

func ruleFor(name string) (string, bool) {
	if rule, ok := rules[name]; ok {
		return rule, true
	}
	for dir := name; dir != "."; dir = path.Dir(dir) {
		if rule, ok := rules[dir+"/..."]; ok {
			return rule, true
		}
	}
	return "", false
}

func matches(pattern, name string) bool {
	if dir, tree := strings.CutSuffix(pattern, "/..."); tree {
		return strings.HasPrefix(name, dir+"/")
	}
	return pattern == name
}

func list(t *testing.T, goos string) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

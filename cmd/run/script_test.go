package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/fixtures/runtimetest"
	"github.com/mullion/mullion/layers/image"
	"github.com/mullion/mullion/layers/store"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/container"
)

// Scripts run the command as people do, with Runtimes that start nothing (see
// runtimetest.Fake). The environment variable MISSING says which isolations
// cannot be used: "process=runc is missing: apt install runc;hyperv=...".
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("MULLION_STORE", env.WorkDir+"/store")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Condition: func(what string) (bool, error) {
			if what != "root" {
				return false, fmt.Errorf("unknown condition %s", what)
			}
			return os.Geteuid() == 0, nil
		},
	})
}

func TestMain(m *testing.M) {
	fake := host{runtimes: fakes}
	testscript.Main(m, map[string]func(){
		"run": func() { cli.Main(fake.main) },
		// Another host's Windows, for the version rules.
		"run-server2022": func() { cli.Main(host{runtimes: fakes, version: "10.0.20348"}.main) },
		"makeimage":      makeImage,
		container.SupervisorName: func() {
			id, ok := container.SupervisorID(os.Args)
			if !ok {
				os.Exit(99)
			}
			os.Exit(fake.supervise(id, cli.OSEnv()))
		},
	})
}

func fakes(*store.Store) []runtime.Runtime {
	var list []runtime.Runtime
	for _, iso := range []runtime.Isolation{runtime.ProcessIsolation, runtime.HyperVIsolation} {
		f := &runtimetest.Fake{As: iso}
		for piece := range strings.SplitSeq(os.Getenv("MISSING"), ";") {
			if name, sentence, _ := strings.Cut(piece, "="); name == string(iso) {
				f.Missing = sentence
			}
		}
		list = append(list, f)
	}
	return list
}

// makeImage NAME OSVERSION [ENTRYPOINT...]: an image with C:\app\hello.exe and
// C:\app\notes.txt in the store.
func makeImage() {
	if err := makeImageOf(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func makeImageOf(name, version string, entrypoint []string) error {
	ctx := context.Background()
	st, err := store.Open(os.Getenv("MULLION_STORE"))
	if err != nil {
		return err
	}
	chain, err := runtimetest.Chain(ctx, st, map[string][]byte{"hello.exe": []byte("MZ"), "notes.txt": []byte("no program")})
	if err != nil {
		return err
	}
	cfg := image.NewConfig(image.Platform{OS: "windows", Arch: "amd64", OSVersion: version})
	cfg.SetEnv("GREETING", "from the image")
	cfg.Config.WorkingDir = `\app`
	cfg.Config.User = "ContainerUser"
	cfg.SetEntrypoint(image.Command{Exec: entrypoint}, false)
	desc, err := image.Write(ctx, st, cfg, chain)
	if err != nil {
		return err
	}
	return errors.Join(st.Tag(ctx, name, desc), st.Close())
}

// exits CODE COMMAND [ARG...] is exec for commands whose exit code matters; their
// output can be looked at as after exec.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{"": 0, "1": 1, "5b": 5, "64k": 64 << 10, "512m": 512 << 20, "512MB": 512 << 20, "2g": 2 << 30, "2Gb": 2 << 30} {
		if got, err := parseSize(in); got != want || err != nil {
			t.Errorf("parseSize(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"0", "-1", "m", "1.5g", "9999999999999g", "10t", "1 m"} {
		if got, err := parseSize(in); err == nil {
			t.Errorf("parseSize(%q) = %d", in, got)
		}
	}
}

func TestVariables(t *testing.T) {
	o := runOptions{env: []string{"A=1", "HOME", "NOT_SET", "EMPTY=", "EQ=a=b"}}
	got, err := o.variables(&cli.Env{Environ: []string{"HOME=/root"}})
	if err != nil || !slices.Equal(got, []string{"A=1", "HOME=/root", "EMPTY=", "EQ=a=b"}) {
		t.Errorf("variables = %q, %v", got, err)
	}
	o.env = []string{"=x"}
	if _, err := o.variables(&cli.Env{}); !cli.IsUsage(err) {
		t.Errorf("a variable without a name: %v", err)
	}
}

package main

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mullion/mullion/cmd/internal/cli"
	"github.com/mullion/mullion/layers/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"build": func() { cli.Main(run) }})
}

// Scripts run the command as people do.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("MULLION_STORE", filepath.Join(env.WorkDir, "store"))
			env.Setenv("DOCKER_CONFIG", filepath.Join(env.WorkDir, "docker"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "keep": keep, "damage": damage, "linuximage": linuxImage, "startserve": startServe, "stopserve": stopServe, "oneline": oneLine, "badlayer": badLayer,
		},
	})
}

// exits CODE PROGRAM ARGS...: the program's exit code is CODE.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// keep NAME: the last command's output becomes an environment variable.
func keep(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// oneline: the last command's error output is one line, but for the excerpt of the
// Containerfile that may follow.
func oneLine(ts *testscript.TestScript, _ bool, _ []string) {
	text, excerpt, ok := strings.Cut(ts.ReadFile("stderr"), "--> ")
	if text = strings.TrimRight(text, " "); ok && !strings.Contains(excerpt, "^") {
		ts.Fatalf("no caret: %q", excerpt)
	}
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		ts.Fatalf("not one line: %q", text)
	}
}

func openStore(ts *testscript.TestScript) *store.Store {
	st, err := store.Open(ts.Getenv("MULLION_STORE"))
	ts.Check(err)
	return st
}

// damage manifest|config|layer NAME: turns one bit of a blob.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	st := openStore(ts)
	defer st.Close()
	d, err := st.Resolve(ctx, args[1])
	ts.Check(err)
	b, err := st.ReadBlob(ctx, d, 1<<20)
	ts.Check(err)
	var m ocispec.Manifest
	ts.Check(json.Unmarshal(b, &m))
	target := map[string]ocispec.Descriptor{"manifest": d, "config": m.Config, "layer": m.Layers[len(m.Layers)-1]}[args[0]]
	path := filepath.Join(st.Dir(), "blobs", "sha256", target.Digest.Encoded())
	b, err = os.ReadFile(path)
	ts.Check(err)
	b[len(b)/2] ^= 1
	ts.Check(os.Chmod(path, 0o644))
	ts.Check(os.WriteFile(path, b, 0o644))
}

// linuximage NAME: puts an image for Linux into the store.
func linuxImage(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	st := openStore(ts)
	defer st.Close()
	config, err := st.Put(ctx, ocispec.MediaTypeImageConfig, []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`))
	ts.Check(err)
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{}}
	m.SchemaVersion = 2
	b, err := json.Marshal(m)
	ts.Check(err)
	d, err := st.Put(ctx, ocispec.MediaTypeImageManifest, b)
	ts.Check(err)
	if d.Digest != digest.FromBytes(b) {
		ts.Fatalf("digest %s", d.Digest)
	}
	ts.Check(st.Tag(ctx, args[0], d))
}

// startserve FLAGS...: runs build serve beside the script; REGISTRY is its address.
func startServe(ts *testscript.TestScript, _ bool, args []string) {
	program := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		for _, name := range []string{"build", "build.exe"} {
			if _, err := os.Stat(filepath.Join(dir, name)); program == "" && err == nil {
				program = filepath.Join(dir, name)
			}
		}
	}
	cmd := exec.Command(program, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), "MULLION_STORE="+ts.Getenv("MULLION_STORE"))
	cmd.Dir = ts.Getenv("WORK")
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	ts.Setenv("SERVER", strconv.Itoa(cmd.Process.Pid))
	line, err := bufio.NewReader(out).ReadString('\n')
	ts.Check(err)
	_, addr, ok := strings.Cut(strings.TrimSpace(line), "http://")
	if !ok {
		ts.Fatalf("serve says %q", line)
	}
	ts.Setenv("REGISTRY", addr)
}

// stopserve: ends the server that was started last.
func stopServe(ts *testscript.TestScript, _ bool, _ []string) {
	pid, err := strconv.Atoi(ts.Getenv("SERVER"))
	ts.Check(err)
	p, err := os.FindProcess(pid)
	ts.Check(err)
	ts.Check(p.Kill())
}

// badlayer FILE: writes the tar of a layer with some mistakes that other tools make.
func badLayer(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	w := tar.NewWriter(f)
	for _, h := range []tar.Header{
		{Name: "Files", Typeflag: tar.TypeDir},
		{Name: "Files/a/b.txt", Typeflag: tar.TypeReg},
		{Name: "Files/nul", Typeflag: tar.TypeReg},
		{Name: "Hives", Typeflag: tar.TypeDir},
		{Name: "Hives/System_Delta", Typeflag: tar.TypeReg, Size: 4096},
	} {
		ts.Check(w.WriteHeader(&h))
		_, err := w.Write(make([]byte, h.Size))
		ts.Check(err)
	}
	ts.Check(w.Close())
}

package layers_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/layers"
)

// TestCraneAppend reads what the installed crane makes of a tar on a Windows base: its defects are found, and the
// entries are those of the tar below Files.
func TestCraneAppend(t *testing.T) {
	crane := fixtures.Tool(t, "crane", "none: go install github.com/google/go-containerregistry/cmd/crane")
	dir := t.TempDir()
	host := serve(t, crane)
	run := func(args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), crane, args...)
		cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("crane %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
		}
		return out
	}
	input := filepath.Join(dir, "app.tar")
	when := time.Unix(1704067200, 0)
	writeTar(t, input,
		&tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755, ModTime: when},
		&tar.Header{Typeflag: tar.TypeDir, Name: "./app/", Mode: 0o755, ModTime: when},
		&tar.Header{Typeflag: tar.TypeReg, Name: "./app/a.exe", Size: 3, Mode: 0o755, ModTime: when},
		&tar.Header{Typeflag: tar.TypeLink, Name: "./app/b.exe", Linkname: "./app/a.exe", Mode: 0o755, ModTime: when},
		&tar.Header{Typeflag: tar.TypeReg, Name: "lone/c.txt", Size: 1, Mode: 0o644, ModTime: when})
	base, app := host+"/base", host+"/app"
	run("append", "--oci-empty-base", "-f", input, "-t", base)
	run("mutate", "--set-platform", "windows/amd64:10.0.20348.1", base, "-t", base)
	run("append", "-b", base, "-f", input, "-t", app)
	var manifest struct{ Layers []struct{ Digest string } }
	if err := json.Unmarshal(run("manifest", app), &manifest); err != nil || len(manifest.Layers) != 2 {
		t.Fatalf("manifest: %+v, %v", manifest, err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(run("blob", app+"@"+manifest.Layers[1].Digest)))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}

	var names []string
	r := layers.NewReader(bytes.NewReader(layer), layers.Limits{})
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, e.Kind.String()+" "+e.Name+" "+e.Target)
	}
	want := []string{"directory Files ", "directory Hives ", "directory Files ", "directory Files/app ", "file Files/app/a.exe ",
		"hard link Files/app/b.exe Files/app/a.exe", "file Files/lone/c.txt "}
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
	found, err := layers.Validate(bytes.NewReader(layer), false)
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]bool{}
	for _, f := range found {
		rules[f.Rule] = true
	}
	for _, rule := range []string{"duplicate", "no-times", "no-attributes", "no-dacl", "link-target", "missing-parent"} {
		if !rules[rule] {
			t.Errorf("rule %s did not find anything in\n%v", rule, found)
		}
	}
}

// serve starts a registry in memory and returns its host.
func serve(t *testing.T, crane string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, crane, "registry", "serve", "--address", host)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	deadline := time.Now().Add(30 * time.Second)
	for {
		resp, err := http.Get("http://" + host + "/v2/")
		if err == nil {
			resp.Body.Close()
			return host
		}
		if time.Now().After(deadline) {
			t.Fatalf("registry did not come up: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func writeTar(t *testing.T, path string, list ...*tar.Header) {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range list {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, h.Size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

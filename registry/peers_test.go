package registry_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/registry"
	"github.com/mullion/mullion/registry/internal/memstore"
)

// dockerRegistry runs Debian's docker-registry until the test ends.
func dockerRegistry(t *testing.T) (host string) {
	t.Helper()
	program := fixtures.Tool(t, "docker-registry", "docker-registry")
	dir := t.TempDir()
	host = freePort(t)
	config := filepath.Join(dir, "config.yml")
	body := fmt.Sprintf("version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: %s\n  delete:\n    enabled: true\nhttp:\n  addr: %s\n",
		filepath.Join(dir, "data"), host)
	if err := os.WriteFile(config, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", config)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // it takes every REGISTRY_ variable for a setting
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1)
	go func() {
		var all strings.Builder
		lines := bufio.NewScanner(out)
		for up := false; lines.Scan(); {
			fmt.Fprintln(&all, lines.Text())
			if !up && strings.Contains(lines.Text(), "listening on") {
				up = true
				said <- ""
			}
		}
		select {
		case said <- all.String():
		default: // it did start
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()
	})
	if why := <-said; why != "" {
		t.Fatalf("docker-registry did not start:\n%s", why)
	}
	return host
}

// freePort finds a loopback address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// peers are other people's clients: each copies an image out of a registry
// into a folder and back under another name.
func peers() map[string]func(t *testing.T, host, dir string) [][]string {
	return map[string]func(t *testing.T, host, dir string) [][]string{
		"crane": func(t *testing.T, host, dir string) [][]string {
			crane := fixtures.Tool(t, "crane", "crane")
			return [][]string{
				{crane, "validate", "--remote", host + "/app/hello:v1"},
				{crane, "pull", "--format=oci", host + "/app/hello:v1", dir},
				{crane, "push", "--index=false", dir, host + "/copied/hello:v2"},
				{crane, "copy", host + "/app/hello:v1", host + "/mounted/hello:v2"},
			}
		},
		"skopeo": func(t *testing.T, host, dir string) [][]string {
			skopeo := fixtures.Tool(t, "skopeo", "skopeo")
			return [][]string{
				{skopeo, "--insecure-policy", "inspect", "--tls-verify=false", "--no-tags", "docker://" + host + "/app/hello:v1"},
				{skopeo, "--insecure-policy", "copy", "--preserve-digests", "--src-tls-verify=false", "docker://" + host + "/app/hello:v1", "oci:" + dir + ":v1"},
				{skopeo, "--insecure-policy", "copy", "--preserve-digests", "--dest-tls-verify=false", "oci:" + dir + ":v1", "docker://" + host + "/copied/hello:v2"},
			}
		},
	}
}

func TestPeersPullFromAndPushToUs(t *testing.T) {
	for name, commands := range peers() {
		t.Run(name, func(t *testing.T) {
			served := memstore.New()
			image := putImageWithDiffIDs(served)
			tagged(t, served, "app/hello:v1", image)
			srv := httptest.NewServer(ours(served))
			defer srv.Close()
			host := srv.Listener.Addr().String()
			lines := commands(t, host, filepath.Join(t.TempDir(), "oci"))
			noCredentials(t)
			for _, line := range lines {
				run(t, line...)
			}
			tags, err := served.Tags(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for name, d := range tags {
				if d.Digest != image.Digest {
					t.Errorf("%s came back as %s, not %s", name, d.Digest, image.Digest)
				}
			}
			if len(tags) < 2 {
				t.Errorf("tags %v", tags)
			}
			to := memstore.New()
			if _, err := client(registry.Options{}).Pull(t.Context(), to, host+"/copied/hello:v2", nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPeersReadWhatWePush(t *testing.T) {
	crane, skopeo := fixtures.Tool(t, "crane", "crane"), fixtures.Tool(t, "skopeo", "skopeo")
	noCredentials(t)
	host := dockerRegistry(t)
	st := memstore.New()
	image := putImageWithDiffIDs(st)
	if err := client(registry.Options{}).Push(t.Context(), st, image, host+"/app/hello:v1"); err != nil {
		t.Fatal(err)
	}
	run(t, crane, "validate", "--remote", host+"/app/hello:v1")
	if got := strings.TrimSpace(run(t, crane, "digest", host+"/app/hello:v1")); got != string(image.Digest) {
		t.Errorf("crane digest = %s, want %s", got, image.Digest)
	}
	run(t, skopeo, "--insecure-policy", "copy", "--src-tls-verify=false", "docker://"+host+"/app/hello:v1", "oci:"+t.TempDir()+":v1")
}

func run(t *testing.T, line ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", line, err, stderr.String())
	}
	return string(out)
}

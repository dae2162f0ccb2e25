package image

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// dockerJSON is a configuration as Docker on Windows writes it, less what does not matter.
const dockerJSON = `{"architecture":"amd64","os":"windows","os.version":"10.0.20348.2402","os.features":["win32k"],
 "container":"1234","container_config":{"Cmd":["x"]},"docker_version":"24.0","moby.buildkit.buildinfo.v1":"e30=","x.vendor":{"b":1,"a":[2]},
 "created":"2024-01-02T03:04:05Z",
 "config":{"Hostname":"h","User":"ContainerUser","AttachStdin":false,"Env":["Path=C:\\a","FOO=1"],"Cmd":["cmd /S /C <x> & y"],
  "ArgsEscaped":true,"Image":"sha256:00","WorkingDir":"C:\\app","Shell":["powershell","-Command"],
  "Healthcheck":{"Test":["CMD","x.exe"],"Interval":30000000000},"OnBuild":["RUN y"],"Labels":{"b":"2","a":"1"},"Volumes":{"c:/data":{}}},
 "history":[{"created_by":"Apply image 10.0.20348.2402"}],
 "rootfs":{"type":"layers","diff_ids":["` + someDigest + `"]}}`

func TestConfigRoundTrip(t *testing.T) {
	var c Config
	if err := json.Unmarshal([]byte(dockerJSON), &c); err != nil {
		t.Fatal(err)
	}
	if !c.ArgsEscaped || !slices.Equal(c.Shell, []string{"powershell", "-Command"}) || c.Healthcheck.Interval != 30*time.Second ||
		!slices.Equal(c.OnBuild, []string{"RUN y"}) || c.Config.User != "ContainerUser" || c.OSFeatures[0] != "win32k" {
		t.Errorf("read %+v", c)
	}
	if p := c.Platform(); p != (Platform{"windows", "amd64", "10.0.20348.2402"}) {
		t.Errorf("platform %s", p)
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"architecture":"amd64","config":{"ArgsEscaped":true,"AttachStdin":false,"Cmd":["cmd /S /C \u003cx\u003e \u0026 y"],` +
		`"Env":["Path=C:\\a","FOO=1"],"Healthcheck":{"Test":["CMD","x.exe"],"Interval":30000000000},"Labels":{"a":"1","b":"2"},` +
		`"OnBuild":["RUN y"],"Shell":["powershell","-Command"],"User":"ContainerUser","Volumes":{"c:/data":{}},"WorkingDir":"C:\\app"},` +
		`"created":"2024-01-02T03:04:05Z","history":[{"created_by":"Apply image 10.0.20348.2402"}],"os":"windows","os.features":["win32k"],` +
		`"os.version":"10.0.20348.2402","rootfs":{"type":"layers","diff_ids":["` + someDigest + `"]},"x.vendor":{"b":1,"a":[2]}}`
	if string(b) != want {
		t.Errorf("wrote %s\nwant  %s", b, want)
	}
}

func TestConfigRefusesNonsense(t *testing.T) {
	for _, s := range []string{`[]`, `{"config":[]}`, `{"config":{"Env":1}}`, `{"config":{"Shell":1}}`, `{"rootfs":1}`, `{"os":1}`} {
		var c Config
		if err := json.Unmarshal([]byte(s), &c); err == nil {
			t.Errorf("%s is read as %+v", s, c)
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	var a Config
	if err := json.Unmarshal([]byte(dockerJSON), &a); err != nil {
		t.Fatal(err)
	}
	before, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	b := a.Clone()
	b.SetEnv("PATH", "x")
	b.Config.Labels["a"], b.Config.Volumes["d:"] = "x", struct{}{}
	b.Config.Env[0], b.Config.Cmd[0], b.Shell[0], b.OnBuild[0], b.Healthcheck.Test[0], b.OSFeatures[0] = "x", "x", "x", "x", "x", "x"
	b.History = append(b.History, ocispec.History{CreatedBy: "x"})
	b.History[0].CreatedBy = "x"
	b.RootFS.DiffIDs[0] = "x"
	if after, err := json.Marshal(a); err != nil || string(after) != string(before) {
		t.Errorf("changed to %s (%v)", after, err)
	}
}

func TestEnvironmentIgnoresCase(t *testing.T) {
	var c Config
	c.SetEnv("Path", "1")
	c.SetEnv("FOO", "2")
	c.SetEnv("PATH", "3")
	env := c.Environ("foo=4", "BAR=5")
	for name, want := range map[string]string{"path": "3", "FOO": "4", "bar": "5"} {
		if got, _ := env.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if n := len(c.Config.Env); n != 2 {
		t.Errorf("%d settings: %q", n, c.Config.Env)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(dockerJSON))
	f.Add([]byte(`{"os":"windows","config":{"Cmd":null,"Entrypoint":[]},"x":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c, again Config
		if json.Unmarshal(b, &c) != nil {
			return
		}
		one, err := json.Marshal(c)
		if err != nil {
			if strings.Contains(err.Error(), "year outside of range") {
				return
			}
			t.Fatal(err)
		}
		if err := json.Unmarshal(one, &again); err != nil {
			t.Fatalf("%s: %v", one, err)
		}
		if two, err := json.Marshal(again); err != nil || string(two) != string(one) {
			t.Errorf("%s\nbecomes %s (%v)", one, two, err)
		}
	})
}

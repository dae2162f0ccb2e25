package plan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/cmd/build/internal/plan"
	"github.com/mullion/mullion/layers/image"
)

var update = flag.Bool("update", false, "rewrite the golden plans of testdata")

// options are those of all plans here: a base image with an Env and a directory,
// and one build argument.
func options() plan.Options {
	return plan.Options{
		Platform: image.Platform{OS: "windows", Arch: "amd64", OSVersion: "10.0.20348"}, Build: "linux/amd64",
		Args:   []containerfile.Pair{{Name: "version", Value: "1.5"}, {Name: "UNUSED", Value: "x"}},
		Labels: []containerfile.Pair{{Name: "by", Value: "test"}},
		Base: func(_ context.Context, _ string, p image.Platform) (*image.Config, error) {
			c := image.NewConfig(p)
			c.Config.Env = []string{"BASE=1"}
			c.Config.WorkingDir = `C:\base`
			c.Config.User = "ContainerUser"
			return &c, nil
		},
	}
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*/Containerfile")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d Containerfiles, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(filepath.Dir(name)), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := golden(t, text)
			// The same file from an editor on Windows is the same plan.
			crlf := "\uFEFF" + strings.ReplaceAll(string(text), "\n", "\r\n")
			if diff := cmp.Diff(string(got), string(golden(t, []byte(crlf)))); diff != "" {
				t.Errorf("with a byte order mark and CRLF the plan differs:\n%s", diff)
			}
			path := filepath.Join(filepath.Dir(name), "plan.golden")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("plan (-want +got; go test -update rewrites it):\n%s", diff)
			}
		})
	}
}

func golden(t *testing.T, text []byte) []byte {
	t.Helper()
	f, err := containerfile.Parse("Containerfile", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(context.Background(), f, options())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Every error is one line that starts with the place.
func TestErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"FROM scratch\n\nRUNN x", `Containerfile:3: unknown instruction "RUNN" (did you mean RUN?)`},
		{"FROM scratch\nFROBNICATE x", `Containerfile:2: unknown instruction "FROBNICATE"`},
		{"RUN x", "Containerfile:1: RUN before the first FROM; only ARG may stand there"},
		{"", "Containerfile: file with no instructions"},
		{"ARG A=1", "Containerfile: no FROM instruction"},
		{"FROM scratch\nCOPY a", "Containerfile:2: COPY requires at least two arguments, but only one was provided. Destination could not be determined"},
		{"FROM scratch\nCOPY a b c", `Containerfile:2: COPY: with several sources the destination is a directory and must end with a slash: c\`},
		{"FROM scratch\nCOPY ../a b", "Containerfile:2: COPY: ../a: is outside the build context"},
		{"FROM scratch\nCOPY a d:/b", `Containerfile:2: COPY: path "d:/b": not on the system drive (C:)`},
		{"FROM scratch\nCOPY a C:", `Containerfile:2: COPY: path "C:": no relative path specified; for the root of the drive write C:\`},
		{"FROM scratch\nCOPY a //srv/b", `Containerfile:2: COPY: path "//srv/b": UNC paths are not supported`},
		{"FROM scratch\nCOPY --chown=1000:1000 a b", "Containerfile:2: COPY: --chown=1000:1000: not a known account; give ContainerAdministrator, ContainerUser, a well-known account or a SID (S-1-...)"},
		{"FROM scratch\nCOPY --from=later a b\nFROM scratch AS later", ""},
		{"FROM scratch AS a\nCOPY --from=b a b\nFROM scratch AS b\nFROM a", "Containerfile:2: COPY: --from=b: a stage can only copy from stages before it"},
		{"FROM scratch\nCOPY https://example.com/x C:/x", "Containerfile:2: COPY: https://example.com/x: COPY does not download; ADD does"},
		{"FROM scratch\nADD --checksum=sha256:1 https://example.com/x C:/x", "Containerfile:2: ADD: --checksum=sha256:1: want sha256: and 64 hexadecimal digits"},
		{"FROM scratch\nADD --checksum=sha256:1 x C:/x", "Containerfile:2: ADD: --checksum is for one source that is downloaded"},
		{"FROM scratch\nCOPY --chmod=0999 x C:/x", "Containerfile:2: COPY: --chmod=0999: want an octal number of at most 07777"},
		{"FROM scratch\nCOPY --chmod=frog x C:/x", "Containerfile:2: COPY: --chmod=frog is not a mode"},
		{"FROM scratch\nWORKDIR d:/x", `Containerfile:2: WORKDIR: path "d:/x": not on the system drive (C:)`},
		{"FROM scratch\nWORKDIR nul", "Containerfile:2: WORKDIR: path"},
		{"FROM scratch\nUSER a:b", `Containerfile:2: USER: "a:b": Windows accounts have no group part; write the account alone`},
		{"FROM scratch\nEXPOSE x", `Containerfile:2: EXPOSE: "x" is not a port or a range of ports`},
		{"FROM scratch\nENV A=${B:?needed}", "Containerfile:2: ENV: A: B: needed"},
		{"FROM scratch\nONBUILD FROM x", "Containerfile:2: FROM isn't allowed as an ONBUILD trigger"},
		{"FROM scratch\nRUN --mount=type=cache,target=C:/x y", "Containerfile:2: RUN: --mount=type=cache: cannot be carried out; download into the image"},
		{"FROM scratch\nRUN --mount=type=secret y", "Containerfile:2: invalid secret mount. one of source, target required"},
		{"FROM scratch\nRUN --security=insecure y", "Containerfile:2: RUN: --security has no meaning on Windows; leave it out"},
		{"FROM scratch\nRUN <<E\na\nb\nE", "Containerfile:2: RUN: a heredoc has several lines"},
		{"FROM scratch\nRUN cat <<E\na\nE", "Containerfile:2: RUN: Windows' shells have no heredocs"},
		{"FROM scratch\nRUN <<E\n#!/bin/sh\nE", "Containerfile:2: RUN: Windows does not know #!"},
		{"FROM $NOPE", "Containerfile:1: FROM $NOPE: the name of the base image is empty: NOPE is not set"},
		{"FROM --platform=linux/amd64 scratch", "Containerfile:1: FROM scratch: only stages for Windows can be built"},
		{"FROM scratch AS a\nUSER a:b\nFROM a", `Containerfile:2: USER: "a:b"`},
		{"FROM scratch AS 1x", "Containerfile:1: invalid name for build stage"},
		{"FROM scratch\nCOPY <<E x", "Containerfile:2: unterminated heredoc"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			f, err := containerfile.Parse("Containerfile", strings.NewReader(test.text))
			if err == nil {
				_, err = plan.New(context.Background(), f, options())
			}
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && err == nil:
				t.Error("no error")
			case test.want != "" && (!strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n")):
				t.Errorf("error %q, want %q", err, test.want)
			}
		})
	}
}

func TestTarget(t *testing.T) {
	f, err := containerfile.Parse("Containerfile", strings.NewReader("FROM scratch AS a\nFROM scratch AS B\nFROM a"))
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string][]int{"": {0, 2}, "b": {1}, "A": {0}, "1": {1}} {
		o := options()
		o.Target = target
		p, err := plan.New(context.Background(), f, o)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, s := range p.Stages {
			got = append(got, s.Index)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("target %q: %s", target, diff)
		}
	}
	o := options()
	o.Target = "nope"
	if _, err := plan.New(context.Background(), f, o); err == nil || !strings.Contains(err.Error(), `no stage is called "nope"`) {
		t.Errorf("error %v", err)
	}
}

// FuzzNew parses and plans whatever it is given.
func FuzzNew(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/Containerfile")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := containerfile.Parse("Containerfile", strings.NewReader(text))
		if err != nil {
			return
		}
		plan.New(context.Background(), file, options())
	})
}

package image

import (
	"strings"
	"testing"
)

const someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestParseRef(t *testing.T) {
	tests := []struct{ in, out, host, repository string }{
		{"hello", "hello:latest", "", "hello"},
		{"hello:v1", "hello:v1", "", "hello"},
		{"team/hello", "team/hello:latest", "", "team/hello"},
		{"127.0.0.1:5000/hello:v1", "127.0.0.1:5000/hello:v1", "127.0.0.1:5000", "hello"},
		{"127.0.0.1:5000/team/hello", "127.0.0.1:5000/team/hello:latest", "127.0.0.1:5000", "team/hello"},
		{"localhost/hello", "localhost/hello:latest", "localhost", "hello"},
		{"[::1]:5000/hello", "[::1]:5000/hello:latest", "[::1]:5000", "hello"},
		{"mcr.microsoft.com/windows/nanoserver:ltsc2022", "mcr.microsoft.com/windows/nanoserver:ltsc2022", "mcr.microsoft.com", "windows/nanoserver"},
		{"Registry.Example.com/a", "Registry.Example.com/a:latest", "Registry.Example.com", "a"},
		{"hello@" + someDigest, "hello@" + someDigest, "", "hello"},
		{"hello:v1@" + someDigest, "hello@" + someDigest, "", "hello"},
		{"x/a__b.c-d--e/f_g", "x/a__b.c-d--e/f_g:latest", "", "x/a__b.c-d--e/f_g"},
	}
	for _, test := range tests {
		r, err := ParseRef(test.in)
		if err != nil {
			t.Errorf("%s: %v", test.in, err)
			continue
		}
		if r.String() != test.out || r.Host() != test.host || r.Repository() != test.repository {
			t.Errorf("%s: %s, host %q, repository %q", test.in, r, r.Host(), r.Repository())
		}
	}
}

func TestParseRefErrors(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", "no repository name"},
		{":v1", "no repository name"},
		{"Hello", "write hello"},
		{"team/Hello:v1", "write team/hello"},
		{"hello:", "tag"},
		{"hello:-x", "tag"},
		{"hello:" + strings.Repeat("x", 129), "tag"},
		{"hello@sha256:12", "digest"},
		{"hello world", "no repository name"},
		{"a//b", "no repository name"},
		{"a/", "no repository name"},
		{"-a.b/c", "no host name"},
		{"host.example:port/c", "no host name"},
		{strings.Repeat("a", 256), "255"},
		{"a_b_.c", "no repository name"},
		{"../x", "no host name"},
	}
	for _, test := range tests {
		if _, err := ParseRef(test.in); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.in, err, test.want)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"hello", "127.0.0.1:5000/a/b:v1", "x@" + someDigest, "[::1]:5000/hello:a", "a:b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			return
		}
		again, err := ParseRef(r.String())
		if err != nil {
			t.Fatalf("%q becomes %q: %v", s, r, err)
		}
		if again.Name != r.Name || again.Digest != r.Digest || r.Digest == "" && again.Tag != r.Tag {
			t.Errorf("%q becomes %+v, then %+v", s, r, again)
		}
	})
}

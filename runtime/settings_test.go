package runtime

import (
	"errors"
	"testing"
)

func TestParsePort(t *testing.T) {
	for in, want := range map[string]string{
		"80": "80/tcp -> 127.0.0.1:0", "8080:80": "80/tcp -> 127.0.0.1:8080", "8080:80/tcp": "80/tcp -> 127.0.0.1:8080",
		"0.0.0.0:8080:80": "80/tcp -> 0.0.0.0:8080", "127.0.0.1::80": "80/tcp -> 127.0.0.1:0", "[::1]:8080:80": "80/tcp -> [::1]:8080",
	} {
		if p, err := ParsePort(in); err != nil || p.String() != want {
			t.Errorf("ParsePort(%q) = %s, %v; want %s", in, p, err, want)
		}
	}
	for _, in := range []string{"", "0", "x", "80/udp", "1:2:3:4", "99999", "host:80:80", "8080:", "-1:80"} {
		if p, err := ParsePort(in); err == nil {
			t.Errorf("ParsePort(%q) = %s", in, p)
		}
	}
}

func TestPlain(t *testing.T) {
	if err := Plain(HyperVIsolation, &Spec{Limits: Limits{Memory: 1, Pids: 1}, Mounts: []Mount{{Target: `C:\x`, ByImage: true}}}); err != nil {
		t.Error(err)
	}
	for _, s := range []*Spec{
		{TTY: true}, {Limits: Limits{NanoCPUs: 1}}, {ReadOnly: true}, {Network: Network{Mode: HostNetwork}},
		{Network: Network{Ports: []Port{{}}}}, {Mounts: []Mount{{Target: `C:\x`}}},
	} {
		if err := Plain(HyperVIsolation, s); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

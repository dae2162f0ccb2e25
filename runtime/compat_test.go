package runtime

import (
	"strings"
	"testing"
)

// The table of Microsoft's version compatibility page: which images, by build,
// each host takes. P is process isolation, H hyperv.
func TestCompatTable(t *testing.T) {
	images := []string{"10.0.14393.2551", "10.0.17134.1", "10.0.17763.5329", "10.0.19042.1", "10.0.20348.2402", "10.0.26100.1742"}
	hosts := []struct {
		name, version string
		want          string // one word per image
	}{
		{"Server 2016", "10.0.14393.2551", "PH - - - - -"},
		{"Server 2016, other revision", "10.0.14393.7000", "H - - - - -"},
		{"Server 2016, revision not known", "10.0.14393", "PH - - - - -"},
		{"Server 2019", "10.0.17763.1", "H H PH - - -"},
		{"Windows 10 22H2", "10.0.19045.3930", "H H H H - -"},
		{"Windows 10 20H2", "10.0.19042.985", "H H H PH - -"},
		{"Server 2022", "10.0.20348.2402", "H H H H PH -"},
		{"Windows 11 21H2", "10.0.22000.1", "H H H H PH -"},
		{"Windows 11 23H2", "10.0.22631.3007", "H H H H PH -"},
		{"Server 23H2", "10.0.25398.1", "H H H H PH -"},
		{"Server 2025", "10.0.26100.1742", "H H H H PH PH"},
		{"Windows 11 25H2", "10.0.26200.1", "H H H H PH PH"},
	}
	for _, h := range hosts {
		for i, want := range strings.Fields(h.want) {
			got := ""
			if Compat(h.version, images[i], ProcessIsolation) == nil {
				got += "P"
			}
			if Compat(h.version, images[i], HyperVIsolation) == nil {
				got += "H"
			}
			if got == "" {
				got = "-"
			}
			if got != want {
				t.Errorf("%s with image %s: %s, want %s", h.name, images[i], got, want)
			}
		}
	}
}

func TestCompatSaysWhy(t *testing.T) {
	tests := []struct {
		host, image string
		iso         Isolation
		want        string
	}{
		{"10.0.20348", "", ProcessIsolation, ""},
		{"10.0.20348", "10.0.17763.1", AutoIsolation, ""},
		{"10.0.20348", "10.0.26100.1", AutoIsolation, "newer than the host's"},
		{"10.0.20348", "10.0.17763.1", ProcessIsolation, "a build from 20348 to 20348"},
		{"10.0.17763", "10.0.14393.1", ProcessIsolation, "--isolation=hyperv"},
		{"10.0.20348", "6.3.9600", ProcessIsolation, "the host is 10.0.20348"},
		{"10.0.20348", "6.3.9600", HyperVIsolation, ""},
		{"10.0.20348", "11.0.1", HyperVIsolation, "newer"},
		{"10.0", "10.0.20348.1", ProcessIsolation, "host version"},
		{"10.0.20348", "10.0.x.1", ProcessIsolation, "image os.version"},
		{"10.0.20348", "10.0.20348.1.1", ProcessIsolation, "image os.version"},
		{"10.0.20348", "10.0.99999999999.1", ProcessIsolation, "image os.version"},
	}
	for _, test := range tests {
		err := Compat(test.host, test.image, test.iso)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("Compat(%s, %s, %s) = %v, want %q", test.host, test.image, test.iso, err, test.want)
		}
	}
}

func FuzzCompat(f *testing.F) {
	f.Add("10.0.20348", "10.0.20348.2402")
	f.Add("", ".")
	f.Fuzz(func(t *testing.T, host, image string) {
		p := Compat(host, image, ProcessIsolation)
		h := Compat(host, image, HyperVIsolation)
		if p == nil && h != nil {
			t.Errorf("host %q takes image %q under process isolation only: %v", host, image, h)
		}
	})
}

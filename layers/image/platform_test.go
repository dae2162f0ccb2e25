package image

import (
	"strings"
	"testing"
)

func TestParsePlatform(t *testing.T) {
	tests := []struct {
		in   string
		want Platform
		out  string
	}{
		{"windows/amd64", Platform{"windows", "amd64", ""}, "windows/amd64"},
		{"Windows/AMD64", Platform{"windows", "amd64", ""}, "windows/amd64"},
		{"windows", Platform{"windows", "amd64", ""}, "windows/amd64"},
		{"windows(10.0.20348)/amd64", Platform{"windows", "amd64", "10.0.20348"}, "windows(10.0.20348)/amd64"},
		{"windows(10.0.20348.2700)", Platform{"windows", "amd64", "10.0.20348.2700"}, "windows(10.0.20348.2700)/amd64"},
		{"windows/amd64:10.0.20348.2700", Platform{"windows", "amd64", "10.0.20348.2700"}, "windows(10.0.20348.2700)/amd64"},
		{"windows/amd64,osver=10.0.17763", Platform{"windows", "amd64", "10.0.17763"}, "windows(10.0.17763)/amd64"},
		{"windows/arm64,osversion=ltsc2025", Platform{"windows", "arm64", "10.0.26100"}, "windows(10.0.26100)/arm64"},
		{"ltsc2019", Platform{"windows", "amd64", "10.0.17763"}, "windows(10.0.17763)/amd64"},
		{"LTSC2022", Platform{"windows", "amd64", "10.0.20348"}, "windows(10.0.20348)/amd64"},
		{"ltsc2025", Platform{"windows", "amd64", "10.0.26100"}, "windows(10.0.26100)/amd64"},
		{"windows(ltsc2022)/arm64", Platform{"windows", "arm64", "10.0.20348"}, "windows(10.0.20348)/arm64"},
		{"arm64", Platform{"windows", "arm64", ""}, "windows/arm64"},
		{"windows/arm64/v8", Platform{"windows", "arm64", ""}, "windows/arm64"},
		{"x86_64:10.0.20348", Platform{"windows", "amd64", "10.0.20348"}, "windows(10.0.20348)/amd64"},
		{"windows(10.0.20348)/amd64:10.0.20348", Platform{"windows", "amd64", "10.0.20348"}, "windows(10.0.20348)/amd64"},
	}
	for _, test := range tests {
		p, err := ParsePlatform(test.in)
		if err != nil || p != test.want || p.String() != test.out {
			t.Errorf("%s: %+v (%s), %v", test.in, p, p, err)
		}
	}
	for in, want := range map[string]string{
		"":                           "only windows",
		"linux/amd64":                `only windows is supported, not "linux"`,
		"windows/386":                "unknown architecture",
		"windows/amd64/v2":           "unknown variant",
		"windows/arm64/v8/x":         "unknown variant",
		"windows(10.0.20348/amd64":   "closing bracket",
		"windows(10)/amd64":          "is not like",
		"windows/amd64:ten":          "is not like",
		"windows/amd64:1.2.3.4.5":    "is not like",
		"windows/amd64:1.2.3.-4":     "is not like",
		"windows/amd64,variant=v8":   "unknown option",
		"ltsc2022,osver=ltsc2025":    "two OS versions",
		"windows(10.0.1)/amd64:10.1": "is not like",
	} {
		if _, err := ParsePlatform(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func TestAccepts(t *testing.T) {
	tests := []struct {
		want, have Platform
		ok         bool
	}{
		{Platform{}, Platform{"windows", "arm64", "10.0.1.2"}, true},
		{Platform{OS: "windows"}, Platform{OS: "linux"}, false},
		{Platform{Arch: "amd64"}, Platform{Arch: "arm64"}, false},
		{Platform{OSVersion: "10.0.20348"}, Platform{OSVersion: "10.0.20348.2700"}, true},
		{Platform{OSVersion: "10.0.20348.2700"}, Platform{OSVersion: "10.0.20348.2700"}, true},
		{Platform{OSVersion: "10.0.20348.27"}, Platform{OSVersion: "10.0.20348.2700"}, false},
		{Platform{OSVersion: "10.0.2034"}, Platform{OSVersion: "10.0.20348.2700"}, false},
		{Platform{OSVersion: "10.0.20348"}, Platform{}, true},
	}
	for _, test := range tests {
		if got := test.want.accepts(test.have); got != test.ok {
			t.Errorf("%s accepts %s: %v", test.want, test.have, got)
		}
	}
}

func FuzzParsePlatform(f *testing.F) {
	for _, s := range []string{"windows(10.0.20348)/amd64", "windows/arm64,osver=ltsc2025", "ltsc2019", "a:b/c,d=e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePlatform(s)
		if err != nil {
			return
		}
		if again, err := ParsePlatform(p.String()); err != nil || again != p {
			t.Errorf("%q becomes %+v, then %+v (%v)", s, p, again, err)
		}
	})
}

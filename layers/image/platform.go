package image

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Platform is what an image is for. An empty field of a wanted Platform leaves the choice open.
type Platform struct {
	OS        string // "windows"
	Arch      string // "amd64" or "arm64"
	OSVersion string // "10.0.20348" or with the revision, "10.0.20348.2700"
}

// ltsc gives the builds behind the names of Microsoft's base image tags.
func ltsc(name string) (version string, ok bool) {
	switch name {
	case "ltsc2019":
		return "10.0.17763", true
	case "ltsc2022":
		return "10.0.20348", true
	case "ltsc2025":
		return "10.0.26100", true
	}
	return "", false
}

// ParsePlatform reads a platform in any of the spellings in use: windows/amd64, windows(10.0.20348)/amd64,
// windows/amd64:10.0.20348.2700, windows/amd64,osver=10.0.20348, a release alone (ltsc2022) or an architecture alone
// (arm64). The OS defaults to windows, which is the only one, and the architecture to amd64.
func ParsePlatform(s string) (Platform, error) {
	p, err := parsePlatform(strings.ToLower(strings.TrimSpace(s)))
	if err != nil {
		return Platform{}, fmt.Errorf("platform %q: %w", s, err)
	}
	return p, nil
}

func parsePlatform(s string) (Platform, error) {
	p := Platform{OS: "windows", Arch: "amd64"}
	s, options, _ := strings.Cut(s, ",")
	var err error
	if v, ok := ltsc(s); ok {
		p.OSVersion = v
	} else if err = p.parseMain(s); err != nil {
		return p, err
	}
	for option := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(option, "=")
		switch {
		case options == "":
		case key == "osver" || key == "osversion" || key == "os.version":
			err = p.setVersion(value)
		default:
			err = fmt.Errorf("unknown option %q; osver=10.0.BUILD is the only one", key)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

// parseMain reads OS[(VERSION)][/ARCH[/VARIANT]][:VERSION] or ARCH[:VERSION].
func (p *Platform) parseMain(s string) error {
	s, version, hasVersion := strings.Cut(s, ":")
	if hasVersion {
		if err := p.setVersion(version); err != nil {
			return err
		}
	}
	parts := strings.Split(s, "/")
	if arch, ok := architecture(parts[0]); ok && len(parts) == 1 {
		p.Arch = arch
		return nil
	}
	name, rest, inBrackets := strings.Cut(parts[0], "(")
	if name != "windows" {
		return fmt.Errorf("only windows is supported, not %q", name)
	}
	if inBrackets {
		version, closed := strings.CutSuffix(rest, ")")
		if !closed {
			return fmt.Errorf("no closing bracket in %q", parts[0])
		}
		if err := p.setVersion(version); err != nil {
			return err
		}
	}
	switch {
	case len(parts) == 1:
		return nil
	case len(parts) > 3 || len(parts) == 3 && parts[2] != "v8":
		return fmt.Errorf("unknown variant in %q", s)
	}
	arch, ok := architecture(parts[1])
	if !ok {
		return fmt.Errorf("unknown architecture %q; it is amd64 or arm64", parts[1])
	}
	p.Arch = arch
	return nil
}

func architecture(s string) (string, bool) {
	switch s {
	case "amd64", "x86_64", "x86-64":
		return "amd64", true
	case "arm64", "aarch64":
		return "arm64", true
	}
	return "", false
}

func (p *Platform) setVersion(s string) error {
	if v, ok := ltsc(s); ok {
		s = v
	}
	if n := len(versionNumbers(s)); n != 3 && n != 4 {
		return fmt.Errorf("OS version %q is not like 10.0.20348 or 10.0.20348.2700", s)
	}
	if p.OSVersion != "" && p.OSVersion != s {
		return fmt.Errorf("two OS versions, %s and %s", p.OSVersion, s)
	}
	p.OSVersion = s
	return nil
}

// versionNumbers splits a dotted version; nil if it is not one.
func versionNumbers(s string) []uint64 {
	var list []uint64
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil || len(list) == 4 {
			return nil
		}
		list = append(list, n)
	}
	return list
}

// compareVersions orders versions by their numbers, not as strings; what is no version comes first.
func compareVersions(a, b string) int {
	return slices.Compare(versionNumbers(a), versionNumbers(b))
}

// String returns the form that containerd prints: windows/amd64 or windows(10.0.20348)/amd64.
func (p Platform) String() string {
	name := cmp.Or(p.OS, "any")
	if p.OSVersion != "" {
		name += "(" + p.OSVersion + ")"
	}
	return name + "/" + cmp.Or(p.Arch, "any")
}

// accepts tells whether an image for have is what p asks for. A version without a revision takes every revision, and an
// image without a version fits every one.
func (p Platform) accepts(have Platform) bool {
	if p.OS != "" && have.OS != p.OS || p.Arch != "" && have.Arch != p.Arch {
		return false
	}
	return p.OSVersion == "" || have.OSVersion == "" || have.OSVersion == p.OSVersion ||
		strings.HasPrefix(have.OSVersion, p.OSVersion+".")
}

func platformOf(p ocispec.Platform) Platform {
	return Platform{strings.ToLower(p.OS), p.Architecture, p.OSVersion}
}

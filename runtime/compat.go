package runtime

import (
	"fmt"
	"strconv"
	"strings"
)

// The builds at which Windows changed what process isolation asks for.
const (
	// buildRS5 is Windows Server 2019, the first whose process-isolated containers
	// need only the host's build, not its update revision too.
	buildRS5 = 17763
	// buildStable is Windows Server 2022, the first whose kernel interface later
	// hosts keep.
	buildStable = 20348
)

// winVersion is a Windows version as images carry it, 10.0.20348.2402.
type winVersion struct {
	major, minor, build uint64
	revision            uint64
	hasRevision         bool
}

// Compat tells whether a Windows host of the version host would start an image
// of the version image (its os.version) under iso, and if not, why. Versions are
// major.minor.build[.revision]. An image without a version fits every host.
//
// The rules are Microsoft's version compatibility page and containerd's matcher:
// hyperv isolation takes any image not newer than the host; process isolation
// takes the host's own build, and from Server 2022 on any build between 20348
// and the host's. Hosts before Server 2019 want the same update revision too.
// AutoIsolation is content with either.
func Compat(host, image string, iso Isolation) error {
	if image == "" {
		return nil
	}
	h, err := parseVersion(host)
	if err != nil {
		return fmt.Errorf("host version: %w", err)
	}
	i, err := parseVersion(image)
	if err != nil {
		return fmt.Errorf("image os.version: %w", err)
	}
	if i.newerThan(h) {
		return fmt.Errorf("image is for Windows %s, newer than the host's %s: use an image for build %d or older", image, host, h.build)
	}
	if iso != ProcessIsolation {
		return nil
	}
	return processCompat(h, i, host, image)
}

func processCompat(h, i winVersion, host, image string) error {
	const way = ": use --isolation=hyperv or an image for "
	switch {
	case h.major != i.major || h.minor != i.minor:
		return fmt.Errorf("image is for Windows %s, the host is %s%sWindows %d.%d", image, host, way, h.major, h.minor)
	case h.build >= buildStable && i.build < buildStable:
		return fmt.Errorf("process isolation on host build %d takes images from build %d on, this one is for %d%sa build from %d to %d",
			h.build, buildStable, i.build, way, buildStable, h.build)
	case h.build < buildStable && h.build != i.build:
		return fmt.Errorf("process isolation on host build %d takes images of that very build, this one is for %d%sbuild %d",
			h.build, i.build, way, h.build)
	case h.build < buildRS5 && h.hasRevision && i.hasRevision && h.revision != i.revision:
		return fmt.Errorf("process isolation on host %s takes images of that very revision, this one is for %s%s%s", host, image, way, host)
	}
	return nil
}

// newerThan compares down to the build; revisions never keep a container from
// starting for being newer.
func (v winVersion) newerThan(o winVersion) bool {
	if v.major != o.major {
		return v.major > o.major
	}
	if v.minor != o.minor {
		return v.minor > o.minor
	}
	return v.build > o.build
}

func parseVersion(s string) (winVersion, error) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 && len(parts) != 4 {
		return winVersion{}, fmt.Errorf("version %q: want major.minor.build[.revision]", s)
	}
	var n [4]uint64
	for k, p := range parts {
		v, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return winVersion{}, fmt.Errorf("version %q: want major.minor.build[.revision]", s)
		}
		n[k] = v
	}
	return winVersion{n[0], n[1], n[2], n[3], len(parts) == 4}, nil
}

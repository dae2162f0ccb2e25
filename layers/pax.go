package layers

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mullion/mullion/internal/nt"
)

// PAX keys, as in go-winio/backuptar.
const (
	paxAttributes = "MSWINDOWS.fileattr"      // decimal Win32 attributes
	paxSD         = "MSWINDOWS.rawsd"         // base64 of a self-relative security descriptor
	paxSDDL       = "MSWINDOWS.sd"            // the same as SDDL; only old writers, read if rawsd is absent
	paxMountPoint = "MSWINDOWS.mountpoint"    // present on a junction
	paxEA         = "MSWINDOWS.xattr."        // + name: base64 of an extended attribute
	paxCreated    = "LIBARCHIVE.creationtime" // seconds, as the other PAX times
	paxGNUSparse  = "GNU.sparse."
	paxSchily     = "SCHILY." // Linux's extended attributes, file flags and the like
	dataSuffix    = ":$DATA"  // the type of a stream, which some tools write and others add
)

// Bounds of what a header may carry. A descriptor holds two access lists of at most 64 KiB each.
const (
	maxSD      = 160 << 10
	maxEAName  = 255
	maxEAValue = 65535
)

// firstTime and lastTime are the ends of the range in which importers, which count nanoseconds since 1970 in 64 bits,
// do not overflow: 1677-09-21 and 2262-04-11.
const (
	firstTime nt.Filetime = 24211015631452242
	lastTime  nt.Filetime = 208678456368547758
)

func clampTime(t nt.Filetime) nt.Filetime { return min(max(t, firstTime), lastTime) }

// formatTime prints t as a PAX time: seconds, then as many digits of a fraction as it needs.
func formatTime(t nt.Filetime) string {
	at := t.Time()
	sec, tick := at.Unix(), int64(at.Nanosecond()/100)
	if tick == 0 {
		return strconv.FormatInt(sec, 10)
	}
	sign := ""
	if sec < 0 { // time.Time counts the fraction upwards, the text counts it away from zero
		sign, sec, tick = "-", -(sec + 1), 1e7-tick
	}
	return strings.TrimRight(fmt.Sprintf("%s%d.%07d", sign, sec, tick), "0")
}

// parseTime reads a PAX time, within what a Filetime can hold. Digits below 100 ns are dropped.
func parseTime(s string) (nt.Filetime, error) {
	whole, frac, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("time %q is not a number of seconds", s)
	}
	if strings.Trim(frac, "0123456789") != "" {
		return 0, fmt.Errorf("time %q has a fraction that is not a number", s)
	}
	nsec, _ := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
	if strings.HasPrefix(whole, "-") {
		nsec = -nsec
	}
	const far = 1 << 40 // seconds; time.Time's arithmetic is exact well beyond it
	return nt.FiletimeOf(time.Unix(min(max(sec, -far), far), nsec)), nil
}

func decodeBase64(s string, limit int) ([]byte, error) {
	if base64.StdEncoding.DecodedLen(len(s)) > limit+2 {
		return nil, fmt.Errorf("more than %d bytes", limit)
	}
	return base64.StdEncoding.DecodeString(s)
}

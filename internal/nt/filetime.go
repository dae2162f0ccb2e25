package nt

import "time"

// Filetime is a time in units of 100 ns since 1601-01-01T00:00:00Z, as NTFS and the
// registry store it. Zero stands for "no time".
type Filetime uint64

const (
	filetimeUnix = 116444736000000000 // 1970-01-01 as a Filetime
	filetimeMax  = 1<<63 - 1          // Windows treats the number as signed
)

// FiletimeOf converts t, dropping what is below 100 ns. Times before 1601 give 0,
// times after the year 30827 the largest value that Windows accepts.
func FiletimeOf(t time.Time) Filetime {
	sec := t.Unix()
	const first, last = -filetimeUnix / 10_000_000, (filetimeMax - filetimeUnix) / 10_000_000
	switch {
	case sec < first:
		return 0
	case sec >= last:
		return filetimeMax
	}
	return Filetime(sec*1e7 + int64(t.Nanosecond())/100 + filetimeUnix)
}

// Time converts f to UTC. Values above the range of Windows are clamped to it.
func (f Filetime) Time() time.Time {
	n := int64(min(f, filetimeMax)) - filetimeUnix
	return time.Unix(n/1e7, n%1e7*100).UTC()
}

package store

import (
	"io/fs"
	"syscall"
	"time"
)

// usedAt returns when a file was last written to or read. Most systems note a read at most once a day.
func usedAt(info fs.FileInfo) time.Time {
	at := info.ModTime()
	if st, ok := info.Sys().(*syscall.Stat_t); ok && !info.IsDir() {
		if read := time.Unix(st.Atim.Unix()); read.After(at) {
			at = read
		}
	}
	return at
}

//go:build !linux

package store

import (
	"io/fs"
	"time"
)

// usedAt returns when a file was last written to.
func usedAt(info fs.FileInfo) time.Time { return info.ModTime() }

package nt

import (
	"errors"
	"fmt"
	"strings"
)

// The reasons for which Rel refuses a path.
var (
	ErrUNCPath    = errors.New("UNC paths are not supported")
	ErrOtherDrive = errors.New("not on the system drive (C:)")
	ErrDriveOnly  = errors.New(`no relative path specified; for the root of the drive write C:\`)
	ErrStreamPath = errors.New("a colon may only follow the drive letter")
)

// Rel makes a path as people write it, with either slash, with or without C:, rooted
// or relative to cwd, into a clean path below C:\ with slashes, "" for C:\ itself. It
// works on the text alone: ".." cannot leave C:\, a final slash is dropped, and names
// are not checked (see ValidateName). cwd is a Windows path, or "" for C:\.
func Rel(cwd, path string) (string, error) {
	p := strings.ReplaceAll(path, `\`, "/")
	switch {
	case strings.HasPrefix(p, "//"):
		return "", fmt.Errorf("path %q: %w", path, ErrUNCPath)
	case strings.IndexByte(p, 0) >= 0:
		return "", fmt.Errorf("path %q holds a NUL", path)
	}
	if len(p) >= 2 && p[1] == ':' && isLetter(p[0]) {
		if p[0] != 'C' && p[0] != 'c' {
			return "", relError(path, p, ErrOtherDrive)
		}
		if p = p[2:]; p == "" {
			return "", fmt.Errorf("path %q: %w", path, ErrDriveOnly)
		}
	}
	if strings.IndexByte(p, ':') >= 0 {
		return "", fmt.Errorf("path %q: %w", path, ErrStreamPath)
	}
	base := ""
	if !strings.HasPrefix(p, "/") && cwd != "" {
		b, err := Rel("", rooted(cwd))
		if err != nil {
			return "", fmt.Errorf("working directory: %w", err)
		}
		base = b
	}
	return clean(base, p), nil
}

// relError prefers, as BuildKit does, the complaint about a bare drive.
func relError(path, p string, err error) error {
	if len(p) == 2 {
		err = ErrDriveOnly
	}
	return fmt.Errorf("path %q: %w", path, err)
}

// rooted reads a working directory C: as C:\.
func rooted(cwd string) string {
	if len(cwd) == 2 && cwd[1] == ':' {
		return cwd + `\`
	}
	return cwd
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func clean(base, p string) string {
	var out []string
	if base != "" {
		out = strings.Split(base, "/")
	}
	for name := range strings.SplitSeq(p, "/") {
		switch name {
		case "", ".":
		case "..":
			out = out[:max(len(out)-1, 0)]
		default:
			out = append(out, name)
		}
	}
	return strings.Join(out, "/")
}

// Win returns the Windows form of a path below C:\: `C:\app\x` for "app/x".
func Win(cpath string) string {
	return `C:\` + strings.ReplaceAll(cpath, "/", `\`)
}

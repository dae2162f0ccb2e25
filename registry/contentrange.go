package registry

import (
	"fmt"
	"strconv"
	"strings"
)

// parseContentRange reads the Content-Range of a 206 answer (RFC 9110, 14.4),
// "bytes 5-9/10". A total of -1 means that the server does not know it.
func parseContentRange(s string) (start, total int64, err error) {
	bad := fmt.Errorf("content range %.80q", s)
	rest, ok := strings.CutPrefix(s, "bytes ")
	if !ok {
		return 0, 0, bad
	}
	span, size, ok := strings.Cut(rest, "/")
	if !ok {
		return 0, 0, bad
	}
	start, end, err := ParseSpan(span)
	if err != nil {
		return 0, 0, bad
	}
	if size == "*" {
		return start, -1, nil
	}
	n, err := strconv.ParseUint(size, 10, 63)
	if err != nil || end >= int64(n) {
		return 0, 0, bad
	}
	return start, int64(n), nil
}

// ParseSpan reads "first-last", the inclusive byte positions that uploads give
// as their Content-Range, which unlike HTTP's has neither unit nor total.
func ParseSpan(s string) (first, last int64, err error) {
	a, b, ok := strings.Cut(s, "-")
	if !ok {
		return 0, 0, fmt.Errorf("byte range %.80q", s)
	}
	lo, err1 := strconv.ParseUint(a, 10, 63)
	hi, err2 := strconv.ParseUint(b, 10, 63)
	if err1 != nil || err2 != nil || lo > hi {
		return 0, 0, fmt.Errorf("byte range %.80q", s)
	}
	return int64(lo), int64(hi), nil
}

package nt

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrName is matched by every error of ValidateName.
var ErrName = errors.New("invalid file name")

// ValidateName checks one component of a path of an image: what NTFS cannot store,
// what a layer cannot carry, and what Windows programs cannot reach, such as a name
// that ends in a dot or means a device.
func ValidateName(component string) error {
	if why := nameFault(component); why != "" {
		return fmt.Errorf("%w %q: %s", ErrName, component, why)
	}
	return nil
}

func nameFault(s string) string {
	switch {
	case s == "":
		return "it is empty"
	case s == "." || s == "..":
		return "it means another directory"
	case len(s) > 255 && len(UTF16(s)) > 255:
		return "it is longer than 255 characters"
	case !utf8.ValidString(s):
		return "a layer can only carry valid Unicode"
	case s[len(s)-1] == '.' || s[len(s)-1] == ' ':
		return "Windows programs cannot open a name that ends in a dot or space"
	case len(s) >= 4 && EqualFold(s[:4], ".wh."):
		return "names beginning with .wh. mark deletions in layers"
	case len(s) >= 10 && EqualFold(s[len(s)-10:], ".$wcidirs$"):
		return "the suffix .$wcidirs$ is reserved by Windows' layer import"
	}
	for _, c := range s {
		if c < 0x20 || strings.ContainsRune(`/\:*?"<>|`, c) {
			return fmt.Sprintf("it holds the character %q", c)
		}
	}
	if isDevice(s) {
		return "it is the name of a device"
	}
	return ""
}

// isDevice knows the DOS devices, with any extension. Superscript digits count.
func isDevice(s string) bool {
	s, _, _ = strings.Cut(s, ".")
	s = Fold(strings.TrimRight(s, " "))
	switch s {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	if !strings.HasPrefix(s, "COM") && !strings.HasPrefix(s, "LPT") {
		return false
	}
	switch s = s[3:]; s {
	case "¹", "²", "³":
		return true
	}
	return len(s) == 1 && '0' <= s[0] && s[0] <= '9'
}

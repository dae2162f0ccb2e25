package hives

import (
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// Name is one of the five hives that layers carry, spelled as its base file.
type Name string

// The hives of an image.
const (
	System   Name = "SYSTEM"
	Software Name = "SOFTWARE"
	SAM      Name = "SAM"
	Security Name = "SECURITY"
	Default  Name = "DEFAULT" // HKU\.DEFAULT, the profile of the system account
)

// Names are the hives in the order in which layers store them. It is read only.
var Names = []Name{Default, SAM, Security, Software, System}

// BasePath returns the path of the base hive below C:\, with slashes.
func (n Name) BasePath() string { return "Windows/System32/config/" + string(n) }

// DeltaFile returns the name of the hive's delta in a layer's Hives directory.
func (n Name) DeltaFile() string {
	if n == Default {
		return "DefaultUser_Delta"
	}
	if n == SAM {
		return "Sam_Delta"
	}
	return string(n[:1]) + strings.ToLower(string(n[1:])) + "_Delta"
}

// DeltaName tells which hive a file of a layer's Hives directory belongs to. Case
// does not matter: Windows itself has written several spellings.
func DeltaName(file string) (Name, bool) {
	for _, n := range Names {
		if nt.EqualFold(file, n.DeltaFile()) {
			return n, true
		}
	}
	return "", false
}

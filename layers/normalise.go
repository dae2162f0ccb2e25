package layers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mullion/mullion/internal/nt"
)

// normalise returns e with the defaults filled in and without what its kind cannot carry, or what is wrong with it.
func normalise(e *Entry) (Entry, error) {
	if !utf8.ValidString(e.Name) || !utf8.ValidString(e.Target) {
		return Entry{}, errors.New("has a name that is no valid UTF-16, which a layer cannot express")
	}
	if e.Size < 0 || e.Size > 0 && e.Kind != File && e.Kind != Stream {
		return Entry{}, fmt.Errorf("a %s of %d bytes", e.Kind, e.Size)
	}
	plain := Entry{Name: e.Name, Kind: e.Kind, Size: e.Size}
	if e.Kind == Whiteout {
		return plain, nil
	}
	if err := setTimes(&plain, e); err != nil || e.Kind == Stream {
		return plain, err
	}
	attributes, err := attributesOf(e)
	if err != nil {
		return Entry{}, err
	}
	plain.Attributes = attributes
	switch e.Kind {
	case HardLink:
		plain.Target = e.Target
		return plain, nil
	case Symlink:
		if err := checkTarget(e); err != nil {
			return Entry{}, err
		}
		plain.Target, plain.Junction = e.Target, e.Junction
	}
	if len(e.SD) > 0 {
		plain.SD = e.SD
	}
	plain.EAs = slices.Clone(e.EAs)
	sortEAs(plain.EAs)
	return plain, nil
}

func setTimes(to, from *Entry) error {
	created := from.Created
	if from.Kind == Stream {
		created = from.Modified // the tar form of a stream has no creation time
	}
	for _, t := range []struct {
		name     string
		to, from *nt.Filetime
	}{
		{"creation", &to.Created, &created},
		{"modification", &to.Modified, &from.Modified},
		{"access", &to.Accessed, &from.Accessed},
		{"change", &to.Changed, &from.Changed},
	} {
		if *t.from == 0 {
			return fmt.Errorf("has no %s time", t.name)
		}
		*t.to = clampTime(*t.from)
	}
	return nil
}

// attributesOf returns the attributes that e is written with, or why they contradict its kind.
func attributesOf(e *Entry) (uint32, error) {
	a := e.Attributes
	if a == 0 && e.Kind != Symlink {
		a = DefaultFile
		if e.Kind == Dir {
			a = DefaultDir
		}
	}
	if e.Kind != Dir {
		a &^= attrStorage
	}
	dir, reparse := a&AttrDirectory != 0, a&AttrReparse != 0
	if reparse != (e.Kind == Symlink) || dir != (e.Kind == Dir) && e.Kind != Symlink {
		return 0, fmt.Errorf("attributes %d are not those of a %s", e.Attributes, e.Kind)
	}
	return a, nil
}

func checkTarget(e *Entry) error {
	if e.Target == "" || strings.ContainsAny(e.Target, "/\x00") {
		return fmt.Errorf("link target %q is not a Windows path", e.Target)
	}
	if e.Junction && (e.Attributes&AttrDirectory == 0 || !absolute(e.Target)) {
		return fmt.Errorf("a junction must lead to a directory by an absolute path, not to %q", e.Target)
	}
	return nil
}

// absolute reports whether a link target names a drive or a volume.
func absolute(target string) bool {
	return len(target) >= 3 && target[1:3] == `:\` || strings.HasPrefix(target, `\\?\`)
}

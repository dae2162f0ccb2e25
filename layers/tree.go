package layers

import (
	"errors"
	"fmt"

	"github.com/mullion/mullion/internal/nt"
)

// maxLinks is NTFS's limit of names for one file.
const maxLinks = 1024

// tree is what Writer knows of a layer that it has begun: enough to refuse what a Windows import would refuse. As the
// entries come in canonical order, only the directories on the way to the last one are kept open.
type tree struct {
	last  Entry          // name and kind of the entry before
	owner Entry          // the same, but of the last one that is no stream
	open  []folder       // outermost first; the first is the layer itself
	files map[string]int // names a hard link may lead to, and how many names the file has
	hives bool           // there is a Hives directory
	holes bool           // there is a whiteout
}

// folder is a directory that can still get children, and what it has, as written, by folded name.
type folder struct {
	name string
	has  map[string]string
}

func newTree() *tree {
	return &tree{open: []folder{{has: map[string]string{}}}, files: map[string]int{}}
}

// add takes e into the layer or says why it cannot be there. After an error the tree is as it was.
func (t *tree) add(e *Entry) error {
	if err := checkPlace(e); err != nil {
		return err
	}
	if t.last.Name != "" {
		switch c := Order(&t.last, e); {
		case c == 0:
			return errors.New("is in the layer already")
		case c > 0:
			return fmt.Errorf("comes after %q, but belongs before it", t.last.Name)
		}
	}
	if e.Kind == Stream {
		return t.addStream(e)
	}
	parent, depth := parentOf(e.Name), len(t.open)-1
	for depth >= 0 && t.open[depth].name != parent {
		depth--
	}
	if depth < 0 {
		return fmt.Errorf("its parent %q is not a directory of this layer", parent)
	}
	base := baseOf(e.Name)
	fold := nt.Fold(base)
	if twin, ok := t.open[depth].has[fold]; ok {
		if twin == base {
			return errors.New("is both deleted and added, of which Windows would do the deletion last")
		}
		return fmt.Errorf("differs only in case from %q, which is one name on Windows", twin)
	}
	if e.Kind == HardLink {
		if err := t.link(e); err != nil {
			return err
		}
	}
	t.open = t.open[:depth+1]
	t.open[depth].has[fold] = base
	t.note(e)
	return nil
}

// note records an entry that add found to be right.
func (t *tree) note(e *Entry) {
	switch e.Kind {
	case Dir:
		t.open = append(t.open, folder{name: e.Name, has: map[string]string{}})
		t.hives = t.hives || e.Name == rootHives
	case File:
		t.files[e.Name] = 1
	case Whiteout:
		t.holes = true
	}
	t.last = Entry{Name: e.Name, Kind: e.Kind}
	if e.Kind != Stream {
		t.owner = t.last
	}
}

func (t *tree) addStream(e *Entry) error {
	file, _ := splitStream(e.Name)
	if t.owner.Name != file || t.owner.Kind != File && t.owner.Kind != Dir {
		return fmt.Errorf("is a stream, but does not follow the file or directory %q", file)
	}
	t.note(e)
	return nil
}

func (t *tree) link(e *Entry) error {
	n, ok := t.files[e.Target]
	if !ok {
		return fmt.Errorf("is a hard link to %q, which is no file earlier in this layer", e.Target)
	}
	if mutable(e.Target) {
		return fmt.Errorf("is a hard link to %q, which an import rewrites", e.Target)
	}
	if n >= maxLinks {
		return fmt.Errorf("is one more hard link than the %d names that NTFS gives the file %q", maxLinks, e.Target)
	}
	t.files[e.Target]++
	return nil
}

// close says what is missing for the whole to be a layer.
func (t *tree) close() error {
	if _, ok := t.open[0].has[nt.Fold(rootFiles)]; !ok {
		return errors.New("the layer has no Files directory")
	}
	if t.holes && !t.hives {
		return errors.New("a layer with deletions needs a Hives directory, as every layer but the lowest does")
	}
	return nil
}

// checkPlace refuses an entry by its name and kind alone.
func checkPlace(e *Entry) error {
	name := e.Name
	if e.Kind == Stream {
		file, stream := splitStream(name)
		if stream == "" {
			return errors.New("is a stream without a name")
		}
		if err := checkComponent(stream); err != nil {
			return fmt.Errorf("is a stream that cannot be: %w", err)
		}
		name = file
	}
	if err := checkPath(name, defaultDepth); err != nil {
		return err
	}
	switch root := rootOf(name); {
	case root == "":
		return errors.New("is outside of Files, Hives and UtilityVM/Files")
	case name == root || name == rootUVMFiles:
		if e.Kind != Dir {
			return errors.New("must be a directory")
		}
		return nil
	case root == rootHives:
		return checkDelta(e)
	}
	if err := nt.ValidateName(baseOf(name)); err != nil {
		return err
	}
	if e.Kind >= Opaque {
		return errors.New("Windows does not know opaque markers; delete each child of the directory instead")
	}
	return nil
}

func checkDelta(e *Entry) error {
	base := baseOf(e.Name)
	if e.Kind != File || deltaFiles[nt.Fold(base)] != base {
		return errors.New("is not one of the five registry deltas that Hives may hold")
	}
	return nil
}

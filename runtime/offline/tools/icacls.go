package tools

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// access are the rights that icacls names, by letter. Source: Microsoft's
// documentation of icacls, and the constants of winnt.h.
var access = map[string]uint32{
	"N": 0, "F": 0x1F01FF, "M": 0x1301BF, "RX": 0x1200A9, "R": 0x120089, "W": 0x100116, "D": 0x110000,
	"DE": 0x10000, "RC": 0x20000, "WDAC": 0x40000, "WO": 0x80000, "S": 0x100000, "AS": 0x1000000, "MA": 0x2000000,
	"GR": 0x80000000, "GW": 0x40000000, "GE": 0x20000000, "GA": 0x10000000,
	"RD": 0x1, "WD": 0x2, "AD": 0x4, "REA": 0x8, "WEA": 0x10, "X": 0x20, "DC": 0x40, "RA": 0x80, "WA": 0x100,
}

// Types of entries ([MS-DTYP] 2.4.4.1).
const (
	accessAllowed = 0
	accessDenied  = 1
)

var inheritance = map[string]uint8{"OI": nt.ObjectInherit, "CI": nt.ContainerInherit, "NP": nt.NoPropagate, "IO": nt.InheritOnly}

// aclChange is one thing that icacls does to a security descriptor.
type aclChange struct {
	what  string // "grant", "deny", "remove", "reset", "inheritance" or "setowner"
	how   string // ":r" of grant, ":g" and ":d" of remove, "e", "d" or "r" of inheritance
	sid   nt.SID
	mask  uint32
	flags uint8
}

// icacls changes who may do what with files.
func icacls(ctx context.Context, p *proc.Process, args []string) (uint32, error) {
	text := "icacls " + strings.Join(args, " ")
	unknown := func(format string, a ...any) (uint32, error) {
		return 0, &proc.Unsupported{Command: text, Why: fmt.Sprintf(format, a...)}
	}
	if len(args) < 2 {
		return unknown("listing access rights is not known without Windows")
	}
	var changes []aclChange
	tree, quiet, followLinks := false, false, true
	last := ""
	for _, a := range args[1:] {
		lower := strings.ToLower(a)
		switch {
		case lower == "/t":
			tree = true
		case lower == "/q":
			quiet = true
		case lower == "/l":
			followLinks = false
		case lower == "/c":
		case lower == "/reset":
			changes = append(changes, aclChange{what: "reset"})
		case lower == "/inheritance:e" || lower == "/inheritance:d" || lower == "/inheritance:r":
			changes = append(changes, aclChange{what: "inheritance", how: lower[len(lower)-1:]})
		case lower == "/grant" || lower == "/grant:r" || lower == "/deny" || lower == "/remove" || lower == "/remove:g" || lower == "/remove:d" || lower == "/setowner":
			last = lower[1:]
		case strings.HasPrefix(a, "/"):
			return unknown("%s is not known without Windows", a)
		case last == "":
			p.Complain("Invalid parameter %q", a)
			return 87, nil
		default:
			what, how, _ := strings.Cut(last, ":")
			c := aclChange{what: what, how: how}
			account, rights := a, ""
			if what == "grant" || what == "deny" {
				account, rights, _ = strings.Cut(a, ":")
				var ok bool
				if c.mask, c.flags, ok = parseRights(rights); !ok {
					p.Complain("Invalid parameter %q", a)
					return 87, nil
				}
			}
			sid, ok := nt.AccountSID(strings.TrimPrefix(account, "*"))
			if !ok {
				return unknown("the account %s is not one that every image has: it may be in the image's own list, which is not known without Windows", account)
			}
			c.sid = sid
			changes = append(changes, c)
		}
	}
	if len(changes) == 0 {
		return unknown("listing access rights is not known without Windows")
	}
	if !p.Admin {
		return unknown("only an administrator's changes are known without Windows")
	}
	files, err := aclTargets(p, args[0], tree, followLinks)
	if err != nil {
		return 0, err
	}
	if len(files) == 0 {
		p.Println("%s: The system cannot find the file specified.", args[0])
		p.Println("Successfully processed 0 files; Failed processing 1 files")
		return 2, nil
	}
	for _, path := range files {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := changeACL(p, path, changes); err != nil {
			return 0, err
		}
		if !quiet {
			p.Println("processed file: %s", nt.Win(path))
		}
	}
	p.Println("Successfully processed %d files; Failed processing 0 files", len(files))
	return 0, nil
}

// aclTargets lists the paths that a name stands for, each directory before what is
// in it.
func aclTargets(p *proc.Process, name string, tree, follow bool) (paths []string, err error) {
	var found []*view.File
	if strings.ContainsAny(name, "*?") {
		found, _ = p.Glob(name)
	} else if cpath, err := p.Path(name); err == nil {
		look := p.Files.Lookup
		if follow {
			look = p.Files.Resolve
		}
		if f, err := look(cpath); err == nil {
			found = []*view.File{f}
		}
	}
	for len(found) > 0 {
		f := found[0]
		found = found[1:]
		paths = append(paths, f.Path)
		if tree && f.Kind() == layers.Dir {
			list, err := p.Files.ReadDir(f.Path)
			if err != nil {
				return nil, err
			}
			found = append(slices.Clone(list), found...)
		}
	}
	return paths, nil
}

// parseRights reads (OI)(CI)F, (RX,W) and the like.
func parseRights(s string) (mask uint32, flags uint8, ok bool) {
	for strings.HasPrefix(s, "(") {
		inner, rest, closed := strings.Cut(s[1:], ")")
		if !closed {
			return 0, 0, false
		}
		s = rest
		for word := range strings.SplitSeq(strings.ToUpper(inner), ",") {
			word = strings.TrimSpace(word)
			if f, is := inheritance[word]; is {
				flags |= f
			} else if m, is := access[word]; is {
				mask, ok = mask|m, true
			} else {
				return 0, 0, false
			}
		}
	}
	if s == "" {
		return mask, flags, ok
	}
	for word := range strings.SplitSeq(strings.ToUpper(s), ",") {
		m, is := access[word]
		if !is {
			return 0, 0, false
		}
		mask |= m
	}
	return mask, flags, true
}

// changeACL changes the descriptor of a file, and of a directory what is inherited
// below it.
func changeACL(p *proc.Process, path string, changes []aclChange) error {
	f, err := p.Files.Lookup(path)
	if err != nil {
		return err
	}
	sd, err := Descriptor(f)
	if err != nil {
		return fmt.Errorf("%s: %w", nt.Win(path), err)
	}
	for _, c := range changes {
		if err := c.apply(p, f, sd); err != nil {
			return err
		}
	}
	return SetDescriptor(p, path, sd)
}

// SetDescriptor gives a file a security descriptor, whose entries are put into Windows' order, and what is below a
// directory the entries that it now inherits.
func SetDescriptor(p *proc.Process, path string, sd *nt.SD) error {
	order(sd.DACL)
	if err := p.Files.SetSD(path, sd.Marshal()); err != nil {
		return err
	}
	return inheritBelow(p, path)
}

// Grant adds an entry that allows or denies, to what an entry for the same account already does, or with replace in place
// of all that there are for it.
func Grant(l *nt.ACL, deny, replace bool, sid nt.SID, mask uint32, flags uint8) {
	kind := uint8(accessAllowed)
	if deny {
		kind = accessDenied
	}
	if replace {
		l.ACEs = slices.DeleteFunc(l.ACEs, func(a nt.ACE) bool { return !inherited(a) && a.SID == sid && a.Type == kind })
	}
	for i, a := range l.ACEs {
		if a.Type == kind && a.SID == sid && a.Flags == flags {
			l.ACEs[i].Mask |= mask
			return
		}
	}
	l.ACEs = append(l.ACEs, nt.ACE{Type: kind, Flags: flags, Mask: mask, SID: sid})
}

// Protect makes a descriptor inherit nothing any more. What it has inherited it keeps as its own or loses.
func Protect(sd *nt.SD, keep bool) {
	sd.Control |= nt.DACLProtected
	if !keep {
		sd.DACL.ACEs = slices.DeleteFunc(sd.DACL.ACEs, inherited)
	}
	for i := range sd.DACL.ACEs {
		sd.DACL.ACEs[i].Flags &^= nt.Inherited
	}
}

func inherited(a nt.ACE) bool { return a.Flags&nt.Inherited != 0 }

// Descriptor is that of a file; one that has none gets the one Windows would give it.
func Descriptor(f *view.File) (*nt.SD, error) {
	b := f.Entry.SD
	if b == nil {
		if b = nt.DefaultFileSD(); f.IsDir() {
			b = nt.DefaultDirSD()
		}
	}
	sd, err := nt.ParseSD(b)
	if err != nil {
		return nil, err
	}
	if sd.DACL == nil {
		sd.DACL = &nt.ACL{Revision: 2}
		sd.Control |= nt.DACLPresent
	}
	return sd, nil
}

// fromParent are the entries that a file has of the directory above it.
func fromParent(p *proc.Process, path string, dir bool, owner nt.SID) ([]nt.ACE, error) {
	if path == "" {
		return nil, nil
	}
	up, err := p.Files.Lookup(path[:max(0, strings.LastIndexByte(path, '/'))])
	if err != nil {
		return nil, err
	}
	sd, err := nt.ParseSD(nt.InheritFile(up.Entry.SD, dir, owner))
	if err != nil || sd.DACL == nil {
		return nil, err
	}
	return slices.DeleteFunc(sd.DACL.ACEs, func(a nt.ACE) bool { return !inherited(a) }), nil
}

func (c aclChange) apply(p *proc.Process, f *view.File, sd *nt.SD) error {
	l := sd.DACL
	switch c.what {
	case "setowner":
		sd.Owner = c.sid
	case "grant", "deny":
		flags := c.flags
		if !f.IsDir() {
			flags = 0 // nothing is below a file
		}
		Grant(l, c.what == "deny", c.how == "r", c.sid, c.mask, flags)
	case "remove":
		l.ACEs = slices.DeleteFunc(l.ACEs, func(a nt.ACE) bool {
			return !inherited(a) && a.SID == c.sid && (c.how == "" || c.how == "g" && a.Type == accessAllowed || c.how == "d" && a.Type == accessDenied)
		})
	case "reset", "inheritance":
		if c.what == "reset" {
			l.ACEs = nil
		}
		switch c.how {
		case "r", "d":
			Protect(sd, c.how == "d")
			return nil
		}
		sd.Control &^= nt.DACLProtected
		sd.Control |= nt.DACLAutoInherited
		more, err := fromParent(p, f.Path, f.IsDir(), sd.Owner)
		if err != nil {
			return err
		}
		l.ACEs = append(slices.DeleteFunc(l.ACEs, inherited), more...)
	}
	return nil
}

// order puts entries as Windows' editors do: what is denied, what is allowed, and
// then what is inherited in its own order.
func order(l *nt.ACL) {
	rank := func(a nt.ACE) int {
		switch {
		case inherited(a):
			return 2
		case a.Type == accessDenied:
			return 0
		}
		return 1
	}
	slices.SortStableFunc(l.ACEs, func(a, b nt.ACE) int { return rank(a) - rank(b) })
}

// inheritBelow gives what is in a directory the entries that it now inherits.
func inheritBelow(p *proc.Process, path string) error {
	f, err := p.Files.Lookup(path)
	if err != nil || f.Kind() != layers.Dir {
		return err
	}
	list, err := p.Files.ReadDir(path)
	if err != nil {
		return err
	}
	for _, kid := range list {
		sd, err := Descriptor(kid)
		if err != nil {
			return fmt.Errorf("%s: %w", nt.Win(kid.Path), err)
		}
		if sd.Control&nt.DACLProtected != 0 {
			continue
		}
		more, err := fromParent(p, kid.Path, kid.IsDir(), sd.Owner)
		if err != nil {
			return err
		}
		sd.DACL.ACEs = append(slices.DeleteFunc(sd.DACL.ACEs, inherited), more...)
		if err := p.Files.SetSD(kid.Path, sd.Marshal()); err != nil {
			return err
		}
		if err := inheritBelow(p, kid.Path); err != nil {
			return err
		}
	}
	return nil
}

// takeown makes the administrators, or the user, the owner of files.
func takeown(_ context.Context, p *proc.Process, args []string) (uint32, error) {
	text := "takeown " + strings.Join(args, " ")
	name, tree, admins := "", false, false
	for i := 0; i < len(args); i++ {
		switch lower := strings.ToLower(args[i]); {
		case lower == "/f" && i+1 < len(args):
			i++
			name = args[i]
		case lower == "/r":
			tree = true
		case lower == "/a":
			admins = true
		case lower == "/d" && i+1 < len(args):
			i++ // what to answer when a directory cannot be listed
		case lower == "/skipsl":
		default:
			return 0, &proc.Unsupported{Command: text, Why: args[i] + " is not known without Windows"}
		}
	}
	if name == "" || !p.Admin {
		return 0, &proc.Unsupported{Command: text, Why: "only an administrator's takeown /F is known without Windows"}
	}
	owner, shown := nt.ContainerAdministrator, `User Manager\ContainerAdministrator`
	if admins {
		owner, shown = nt.Administrators, "the administrators group"
	}
	files, err := aclTargets(p, name, tree, false)
	if err != nil {
		return 0, err
	}
	if len(files) == 0 {
		p.Complain("ERROR: The system cannot find the file specified.")
		return 1, nil
	}
	for _, path := range files {
		f, err := p.Files.Lookup(path)
		if err != nil {
			return 0, err
		}
		sd, err := Descriptor(f)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", nt.Win(path), err)
		}
		sd.Owner = owner
		if err := p.Files.SetSD(path, sd.Marshal()); err != nil {
			return 0, err
		}
		p.Println("SUCCESS: The file (or folder): %q now owned by %s.", nt.Win(path), shown)
	}
	return 0, nil
}

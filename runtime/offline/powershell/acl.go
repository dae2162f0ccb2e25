package powershell

import (
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/tools"
)

// rights are the names of FileSystemRights, with the right to wait that .NET adds to
// rules that allow. Source: Microsoft's documentation of the enumeration.
var rights = map[string]uint32{
	"fullcontrol": 0x1F01FF, "modify": 0x1301BF, "readandexecute": 0x1200A9, "read": 0x120089, "write": 0x100116, "delete": 0x110000,
	"listdirectory": 0x100001, "readdata": 0x100001, "writedata": 0x100002, "createfiles": 0x100002, "appenddata": 0x100004, "createdirectories": 0x100004,
	"executefile": 0x100020, "traverse": 0x100020, "readattributes": 0x100080, "writeattributes": 0x100100, "readpermissions": 0x120000,
	"changepermissions": 0x140000, "takeownership": 0x180000, "deletesubdirectoriesandfiles": 0x100040,
}

const securityKind = "System.Security.AccessControl.FileSystemSecurity"

// rule is a FileSystemAccessRule.
type rule struct {
	sid   nt.SID
	mask  uint32
	flags uint8
	deny  bool
}

// newRule makes one of the arguments account, rights, inheritance, propagation and
// type, of which the two in the middle may be missing.
func (in *interp) newRule(at pos, args []any) (any, error) {
	if len(args) == 3 {
		args = []any{args[0], args[1], "None", "None", args[2]}
	}
	if len(args) != 5 {
		return nil, in.unsupported(at, "FileSystemAccessRule", "it takes three or five arguments")
	}
	r := rule{deny: strings.EqualFold(toString(args[4]), "Deny")}
	var ok bool
	if r.sid, ok = nt.AccountSID(toString(args[0])); !ok {
		return nil, in.unsupported(at, "FileSystemAccessRule", "the account "+toString(args[0])+" is not one that every image has")
	}
	words := func(v any) []string {
		var list []string
		for _, item := range items(v) {
			for w := range strings.SplitSeq(toString(item), ",") {
				list = append(list, strings.ToLower(strings.TrimSpace(w)))
			}
		}
		return list
	}
	for _, w := range words(args[1]) {
		mask, ok := rights[w]
		if !ok {
			return nil, in.unsupported(at, "FileSystemAccessRule", "the right "+w+" is not known without Windows")
		}
		r.mask |= mask
	}
	if r.deny {
		r.mask &^= 0x100000
	}
	for _, w := range append(words(args[2]), words(args[3])...) {
		flag, ok := map[string]uint8{"none": 0, "objectinherit": nt.ObjectInherit, "containerinherit": nt.ContainerInherit, "nopropagateinherit": nt.NoPropagate, "inheritonly": nt.InheritOnly}[w]
		if !ok {
			return nil, in.unsupported(at, "FileSystemAccessRule", w+" is not known without Windows")
		}
		r.flags |= flag
	}
	return newObject("System.Security.AccessControl.FileSystemAccessRule", "\x00rule", r), nil
}

func init() {
	add("Get-Acl", "Path@0| LiteralPath=PSPath Filter Include Exclude", func(c *call) error {
		return c.eachItem(func(v any) error {
			f, ok := v.(fileItem)
			if !ok {
				return c.unknown("Get-Acl of keys is not known without Windows")
			}
			sd, err := tools.Descriptor(f.f)
			if err != nil {
				return err
			}
			return c.out(newObject(securityKind, "Path", nt.Win(f.f.Path), "Owner", string(sd.Owner), "Sddl", sd.SDDL(), "\x00sd", sd))
		})
	})
	add("Set-Acl", "Path@0 LiteralPath=PSPath AclObject@1| Filter Include Exclude", func(c *call) error {
		o, ok := single(c.input("AclObject")).(*object)
		if !ok || o.kind != securityKind {
			return c.unknown("Set-Acl takes what Get-Acl gives")
		}
		if !c.in.p.Admin {
			return c.unknown("only an administrator's changes are known without Windows")
		}
		v, _ := o.props.get("\x00sd")
		return c.eachItem(func(item any) error {
			f, ok := item.(fileItem)
			if !ok {
				return c.unknown("Set-Acl of keys is not known without Windows")
			}
			sd := *v.(*nt.SD)
			list := *sd.DACL
			list.ACEs = append([]nt.ACE(nil), list.ACEs...)
			sd.DACL = &list
			return tools.SetDescriptor(c.in.p, f.f.Path, &sd)
		})
	})
	change := func(replace bool) method {
		return func(c *methodCall) (any, error) {
			v, _ := c.on.(*object).props.get("\x00sd")
			sd, ok := v.(*nt.SD)
			var r rule
			if o, is := first(c.args).(*object); is {
				v, _ := o.props.get("\x00rule")
				r, is = v.(rule)
				ok = ok && is
			} else {
				ok = false
			}
			if !ok {
				return nil, c.in.unsupported(c.at, "AccessRule", "it takes a FileSystemAccessRule")
			}
			tools.Grant(sd.DACL, r.deny, replace, r.sid, r.mask, r.flags)
			return nothing{}, nil
		}
	}
	objectMethods["security.accesscontrol.filesystemsecurity.addaccessrule"] = change(false)
	objectMethods["security.accesscontrol.filesystemsecurity.setaccessrule"] = change(true)
	objectMethods["security.accesscontrol.filesystemsecurity.setaccessruleprotection"] = func(c *methodCall) (any, error) {
		v, _ := c.on.(*object).props.get("\x00sd")
		sd := v.(*nt.SD)
		if !truth(first(c.args)) {
			return nil, c.in.unsupported(c.at, "SetAccessRuleProtection", "turning inheritance on again is not known; use icacls /inheritance:e")
		}
		tools.Protect(sd, len(c.args) > 1 && truth(c.args[1]))
		return nothing{}, nil
	}
	objectMethods["security.accesscontrol.filesystemsecurity.setowner"] = func(c *methodCall) (any, error) {
		v, _ := c.on.(*object).props.get("\x00sd")
		sid, ok := nt.AccountSID(toString(first(c.args)))
		if !ok {
			return nil, c.in.unsupported(c.at, "SetOwner", "the account "+toString(first(c.args))+" is not one that every image has")
		}
		v.(*nt.SD).Owner = sid
		return nothing{}, nil
	}
}

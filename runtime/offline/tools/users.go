package tools

import (
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// OfUser tells whether a key is in the hive of a user, which is a file, and whether that is the current user.
func OfUser(key string) (user, current bool) {
	root, sub, _ := strings.Cut(key, `\`)
	first, _, _ := strings.Cut(sub, `\`)
	current = root == "HKCU"
	return current || root == "HKU" && !strings.EqualFold(first, ".DEFAULT"), current
}

// UseUsers opens the hives of users as the files are now: HKCU is that of whom the command runs as.
func UseUsers(p *proc.Process) {
	current := nt.ContainerAdministrator
	if name, ok := p.Env.Get("USERNAME"); ok && !p.Admin {
		if sid, ok := nt.AccountSID(name); ok {
			current = sid
		}
	}
	p.Files.UseUsers(current)
}

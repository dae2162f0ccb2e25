package offline

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
)

// Where the machine's environment variables are, and those of the user.
const (
	machineKey = `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`
	userKey    = `HKCU\Environment`
)

// Environment puts together the environment that a program started in the image
// sees: what Windows sets for every process and user, the machine's variables
// of the registry, those of the user whose hive the registry has as HKCU, if it has
// one, then overrides ("NAME=value": the build's ARGs and the image's Env). The
// user's PATH is added to the machine's; one among the overrides replaces both, as
// on Windows. user is the account, "" for ContainerAdministrator.
func Environment(reg *hives.Registry, user string, overrides ...string) (*nt.Env, error) {
	env := nt.NewEnv(profile(user)...)
	own, err := variables(reg, userKey)
	if err != nil {
		return nil, err
	}
	machine, err := variables(reg, machineKey)
	if err != nil {
		return nil, err
	}
	set := func(list []hives.Value, add func(v hives.Value, text string)) {
		var expand []hives.Value
		for _, v := range list {
			if v.Type == hives.ExpandSZ {
				expand = append(expand, v)
			} else if v.Type == hives.SZ {
				add(v, v.Text())
			}
		}
		// Variables that refer to others come second, so that they see all the plain ones.
		for _, v := range expand {
			add(v, env.Expand(v.Text()))
		}
	}
	set(machine, func(v hives.Value, text string) { env.Set(v.Name, text) })
	set(own, func(v hives.Value, text string) {
		if old, ok := env.Get(v.Name); ok && strings.EqualFold(v.Name, "PATH") && old != "" {
			text = strings.TrimSuffix(old, ";") + ";" + text
		}
		env.Set(v.Name, text)
	})
	// The user's folders are those of the process, not the services' that the machine's variables name.
	if home, ok := env.Get("USERPROFILE"); ok {
		env.Set("TEMP", home+`\AppData\Local\Temp`)
		env.Set("TMP", home+`\AppData\Local\Temp`)
		env.Set("USERNAME", account(user))
	}
	for _, kv := range overrides {
		if name, value, ok := strings.Cut(kv, "="); ok && name != "" {
			env.Set(name, value)
		}
	}
	return env, nil
}

// UseUser opens the hive of an account, "" for ContainerAdministrator, if the image has one of its own: only then has it
// variables of its own, and a hive that nobody needs is not read.
func UseUser(sc *view.Scratch, user string) {
	sid, ok := nt.AccountSID(account(user))
	if !ok {
		return
	}
	if _, err := sc.Lookup("Users/" + account(user) + "/NTUSER.DAT"); err == nil {
		sc.UseUsers(sid)
	}
}

// variables reads an environment of the registry; none if the image has no such
// key.
func variables(reg *hives.Registry, path string) ([]hives.Value, error) {
	key, err := reg.Key(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, hives.ErrAddress) {
		return nil, nil // the latter: the hives of users are not open
	}
	if err != nil {
		return nil, fmt.Errorf("read the environment %s: %w", path, err)
	}
	var list []hives.Value
	for v, err := range key.Values() {
		if err != nil {
			return nil, fmt.Errorf("read the environment %s: %w", path, err)
		}
		list = append(list, v)
	}
	return list, nil
}

// account is the short name of a user.
func account(user string) string {
	if user == "" {
		return "ContainerAdministrator"
	}
	return user[strings.LastIndexByte(user, '\\')+1:]
}

// profile is what Windows sets for every process of a user, in Windows' default
// places.
func profile(user string) []string {
	home := `C:\Users\` + account(user)
	return []string{
		`SystemDrive=C:`, `SystemRoot=C:\Windows`, `windir=C:\Windows`,
		`ALLUSERSPROFILE=C:\ProgramData`, `ProgramData=C:\ProgramData`,
		`ProgramFiles=C:\Program Files`, `ProgramFiles(x86)=C:\Program Files (x86)`, `ProgramW6432=C:\Program Files`,
		`CommonProgramFiles=C:\Program Files\Common Files`,
		`CommonProgramFiles(x86)=C:\Program Files (x86)\Common Files`,
		`CommonProgramW6432=C:\Program Files\Common Files`,
		`PUBLIC=C:\Users\Public`, `USERPROFILE=` + home,
		`APPDATA=` + home + `\AppData\Roaming`, `LOCALAPPDATA=` + home + `\AppData\Local`,
	}
}

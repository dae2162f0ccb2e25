package offline

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

// machineKey holds the machine's environment variables.
const machineKey = `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`

// Environment puts together the environment that a program started in the image
// sees: what Windows sets for every process and user, the machine's variables
// of the registry, then overrides ("NAME=value": the build's ARGs and the
// image's Env). A PATH among the overrides replaces the machine's, as it does on
// Windows. user is the account, "" for ContainerAdministrator.
func Environment(reg *hives.Registry, user string, overrides ...string) (*nt.Env, error) {
	env := nt.NewEnv(profile(user)...)
	machine, err := machineVariables(reg)
	if err != nil {
		return nil, err
	}
	var expand []hives.Value
	for _, v := range machine {
		if v.Type == hives.ExpandSZ {
			expand = append(expand, v)
		} else if v.Type == hives.SZ {
			env.Set(v.Name, v.Text())
		}
	}
	// Variables that refer to others come second, so that they see all the plain ones.
	for _, v := range expand {
		env.Set(v.Name, env.Expand(v.Text()))
	}
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

// machineVariables reads the machine's environment; none if the image has no
// such key.
func machineVariables(reg *hives.Registry) ([]hives.Value, error) {
	key, err := reg.Key(machineKey)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the machine's environment: %w", err)
	}
	var list []hives.Value
	for v, err := range key.Values() {
		if err != nil {
			return nil, fmt.Errorf("read the machine's environment: %w", err)
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

package tools

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// machineEnvironment is where setx /M keeps the variables of the machine.
const machineEnvironment = `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`

// maxSetx is how many characters of a value setx saves.
const maxSetx = 1024

// userEnvironment is where setx keeps those of the user.
const userEnvironment = `HKCU\Environment`

// setx writes a variable of the user, or with /M of the machine, into the registry.
// The environment of running processes does not change.
func setx(_ context.Context, p *proc.Process, args []string) (uint32, error) {
	machine := false
	var words []string
	for _, a := range args {
		switch {
		case isOption(a) && strings.EqualFold(a[1:], "m"):
			machine = true
		case isOption(a) && len(a) == 2 && len(words) != 1:
			return 0, &proc.Unsupported{Command: "setx " + strings.Join(args, " "), Why: a + " is not known without Windows"}
		default:
			words = append(words, a)
		}
	}
	if len(words) != 2 || words[0] == "" || strings.Contains(words[0], "=") {
		p.Complain("ERROR: Invalid syntax.")
		p.Complain(`Type "SETX /?" for usage.`)
		return 1, nil
	}
	key := userEnvironment
	if machine {
		key = machineEnvironment
	} else {
		UseUsers(p)
	}
	if machine && !p.Admin {
		p.Complain("ERROR: Access to the registry path is denied.")
		return 1, nil
	}
	name, value := words[0], words[1]
	if u := nt.UTF16(value); len(u) > maxSetx {
		value = nt.String(u[:maxSetx])
		p.Complain("")
		p.Complain("WARNING: The data being saved is truncated to 1024 characters.")
	}
	if err := saveVariable(p.Files.Registry(), key, name, value); err != nil {
		return 0, err
	}
	if !machine {
		if err := p.Files.SaveUsers(); err != nil {
			return 0, err
		}
	}
	p.Println("")
	p.Println("SUCCESS: Specified value was saved.")
	return 0, nil
}

// saveVariable sets a variable below a key; one that is there keeps its spelling.
func saveVariable(r *hives.Registry, key, name, value string) error {
	if k, err := r.Key(key); err == nil {
		if old, err := k.Value(name); err == nil {
			name = old.Name
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	v := hives.StringValue(name, value)
	if strings.Contains(value, "%") {
		v = hives.ExpandValue(name, value)
	}
	return r.SetValue(key, v)
}

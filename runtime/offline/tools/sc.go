package tools

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/runtime/offline/proc"
)

const services = `HKLM\SYSTEM\CurrentControlSet\Services\`

// The exit codes of sc, which are Windows' error numbers.
const (
	errAccessDenied   = 5
	errNoService      = 1060
	errServiceExists  = 1073
	errBadServiceArgs = 1639
)

// sc makes, changes and removes services, which are keys of the registry. What
// needs a running service manager is not known.
func sc(_ context.Context, p *proc.Process, args []string) (uint32, error) {
	if len(args) < 2 || strings.HasPrefix(args[0], `\\`) {
		return unknown("sc", args, "only create, config, description, failure and delete of a service are known without Windows")
	}
	verb, name := strings.ToLower(args[0]), args[1]
	if strings.ContainsAny(name, `\/`) {
		p.Println("[SC] OpenService FAILED 123:\r\n\r\nThe filename, directory name, or volume label syntax is incorrect.\r\n")
		return 123, nil
	}
	reg := p.Files.Registry()
	_, err := reg.Key(services + name)
	exists := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	if !p.Admin {
		p.Println("[SC] OpenSCManager FAILED 5:\r\n\r\nAccess is denied.\r\n")
		return errAccessDenied, nil
	}
	switch {
	case verb == "create" && exists:
		p.Println("[SC] CreateService FAILED 1073:\r\n\r\nThe specified service already exists.\r\n")
		return errServiceExists, nil
	case verb != "create" && !exists:
		p.Println("[SC] OpenService FAILED 1060:\r\n\r\nThe specified service does not exist as an installed service.\r\n")
		return errNoService, nil
	}
	switch verb {
	case "create", "config":
		return scConfig(p, verb, name, args)
	case "description":
		if len(args) != 3 {
			return unknown("sc", args, "a description is one argument")
		}
		err = reg.SetValue(services+name, hives.StringValue("Description", args[2]))
		return scDone(p, "ChangeServiceConfig2", err)
	case "delete":
		return scDone(p, "DeleteService", reg.DeleteKey(services+name))
	}
	return unknown("sc", args, verb+" needs a running service manager")
}

func scDone(p *proc.Process, call string, err error) (uint32, error) {
	if err == nil {
		p.Println("[SC] %s SUCCESS", call)
	}
	return 0, err
}

// scNumbers are the words that sc takes for numbers of the registry.
var scNumbers = map[string]map[string]uint32{
	"start": {"boot": 0, "system": 1, "auto": 2, "demand": 3, "disabled": 4, "delayed-auto": 2},
	"type":  {"own": 0x10, "share": 0x20, "kernel": 1, "filesys": 2},
	"error": {"normal": 1, "severe": 2, "critical": 3, "ignore": 0},
}

var scNames = map[string]string{"start": "Start", "type": "Type", "error": "ErrorControl"}

// scConfig takes in "name= value" pairs.
func scConfig(p *proc.Process, verb, name string, args []string) (uint32, error) {
	var values []hives.Value
	given := map[string]bool{}
	for i := 2; i < len(args); i++ {
		option, value, ok := strings.Cut(args[i], "=")
		if !ok {
			p.Println("ERROR:  Invalid Option")
			return errBadServiceArgs, nil
		}
		if value == "" && i+1 < len(args) {
			i++
			value = args[i]
		}
		option = strings.ToLower(option)
		given[option] = true
		switch option {
		case "start", "type", "error":
			n, ok := scNumbers[option][strings.ToLower(value)]
			if !ok {
				return unknown("sc", args, option+"= "+value+" is not known without Windows")
			}
			values = append(values, hives.DWORDValue(scNames[option], n))
			if strings.EqualFold(value, "delayed-auto") {
				values = append(values, hives.DWORDValue("DelayedAutostart", 1))
			}
		case "binpath":
			values = append(values, hives.ExpandValue("ImagePath", value))
		case "displayname":
			values = append(values, hives.StringValue("DisplayName", value))
		case "obj":
			values = append(values, hives.StringValue("ObjectName", value))
		case "group":
			values = append(values, hives.StringValue("Group", value))
		case "depend":
			values = append(values, hives.MultiValue("DependOnService", strings.Split(value, "/")...))
		default:
			return unknown("sc", args, option+"= is not known without Windows")
		}
	}
	if verb == "create" {
		if !given["binpath"] {
			p.Println("ERROR:  Invalid Option: binPath= is needed")
			return errBadServiceArgs, nil
		}
		for _, d := range []struct {
			option string
			value  hives.Value
		}{
			{"type", hives.DWORDValue("Type", 0x10)}, {"start", hives.DWORDValue("Start", 3)}, {"error", hives.DWORDValue("ErrorControl", 1)},
			{"obj", hives.StringValue("ObjectName", "LocalSystem")},
		} {
			if !given[d.option] {
				values = append(values, d.value)
			}
		}
	}
	reg := p.Files.Registry()
	for _, v := range values {
		if err := reg.SetValue(services+name, v); err != nil {
			return 0, err
		}
	}
	call := "ChangeServiceConfig"
	if verb == "create" {
		call = "CreateService"
	}
	return scDone(p, call, nil)
}

package wine

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/winereg"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/guest"
)

// environment is what a program's environment is made of.
//
// Wine builds the environment of a program that it is started with as Windows
// builds a user's at logon: from the machine's variables in the registry, then the
// user's, then the volatile ones, each overruling what came before and all
// overruling what Wine itself was started with. So the container's own variables
// are what Wine is started with, but for those that the registry has too and those
// that mean something to Wine or the C library: they are written as volatile ones.
// PATH is special: Wine joins those of all places, its own WINEPATH first.
type environment struct {
	all         *nt.Env
	volatile    []hives.Value
	plain       []string
	fixed       map[string]bool // by folded name: what the registry decides
	machinePath string
}

// newEnvironment merges the variables of the machine and of the user (values of the
// registry), what Windows tells every user, and the container's own.
func newEnvironment(machine, user []hives.Value, spec *runtime.Spec) *environment {
	e := &environment{fixed: map[string]bool{}, all: nt.NewEnv(
		`SystemDrive=C:`, `SystemRoot=C:\Windows`, `ProgramFiles=C:\Program Files`,
		`CommonProgramFiles=C:\Program Files\Common Files`, `ProgramData=C:\ProgramData`, `ALLUSERSPROFILE=C:\ProgramData`,
	)}
	for _, values := range [][]hives.Value{machine, user} {
		e.registry(values)
		if e.machinePath == "" {
			e.machinePath, _ = e.all.Get("PATH")
		}
	}
	own := nt.NewEnv(userVariables(spec)...)
	for _, v := range own.List() {
		name, _, _ := strings.Cut(v, "=")
		e.fixed[nt.Fold(name)] = true
	}
	for _, kv := range spec.Env {
		if name, value, ok := strings.Cut(kv, "="); ok && name != "" {
			own.Set(name, value)
		}
	}
	for _, kv := range own.List() {
		name, value, _ := strings.Cut(kv, "=")
		e.all.Set(name, value)
		switch {
		case nt.EqualFold(name, "PATH"):
		case e.fixed[nt.Fold(name)] || reserved(name):
			e.volatile = append(e.volatile, hives.StringValue(name, value))
		default:
			e.plain = append(e.plain, kv)
		}
	}
	return e
}

// registry adds variables of the registry, those that use others last.
func (e *environment) registry(values []hives.Value) {
	for _, t := range []hives.Type{hives.SZ, hives.ExpandSZ} {
		for _, v := range values {
			if v.Type != t {
				continue
			}
			text := v.Text()
			if t == hives.ExpandSZ {
				text = e.all.Expand(text)
			}
			e.all.Set(v.Name, text)
			e.fixed[nt.Fold(v.Name)] = true
		}
	}
}

// reserved tells whether a variable that Wine is started with would change what
// Wine or the C library below it do, or would not reach the program.
func reserved(name string) bool {
	upper := strings.ToUpper(name)
	switch upper {
	case "HOME", "PWD", "PATH", "TEMP", "TMP", "TZ", "LANG", "LANGUAGE", "DISPLAY", "HOSTALIASES", "LOCALDOMAIN", "NLSPATH",
		"LOCPATH", "GCONV_PATH", "RESOLV_HOST_CONF", "RES_OPTIONS", "TZDIR", "TMPDIR", "GETCONF_DIR":
		return true
	}
	for _, prefix := range []string{"WINE", "LD_", "LC_", "QT_", "VK_", "XDG_", "GLIBC_", "MALLOC_", "GNUTLS_", "FONTCONFIG_", "FC_"} {
		if strings.HasPrefix(upper, prefix) {
			return true
		}
	}
	return false
}

// wantPath is the part of path that Wine must be told, given that it adds the
// machine's.
func wantPath(path, machine string) string {
	if nt.EqualFold(path, machine) {
		return ""
	}
	if n := len(path) - len(machine); machine != "" && n > 0 && nt.EqualFold(path[n:], machine) && path[n-1] == ';' {
		return path[:n-1]
	}
	return path
}

// userVariables are the ones that Windows sets at a logon.
func userVariables(spec *runtime.Spec) []string {
	user := userName(spec)
	profile := `C:\Users\` + user
	return []string{
		"COMPUTERNAME=" + computerName(spec), "USERDOMAIN=User Manager", "USERNAME=" + user,
		"USERPROFILE=" + profile, `HOMEDRIVE=C:`, "HOMEPATH=" + strings.TrimPrefix(profile, "C:"),
		"APPDATA=" + profile + `\AppData\Roaming`, "LOCALAPPDATA=" + profile + `\AppData\Local`,
		"TEMP=" + profile + `\AppData\Local\Temp`, "TMP=" + profile + `\AppData\Local\Temp`,
	}
}

// userName is the account without a domain.
func userName(spec *runtime.Spec) string {
	if user := accountName(spec.User); user != "" {
		return user
	}
	return guest.DefaultUser
}

// accountName is an account without its domain.
func accountName(user string) string { return user[strings.LastIndexByte(user, '\\')+1:] }

// HostName is the container's host name: the one it is given, or the first twelve
// digits of its ID.
func HostName(spec *runtime.Spec) string {
	if spec.Hostname != "" {
		return spec.Hostname
	}
	return spec.ID[:min(len(spec.ID), 12)]
}

// computerName is the host name as NetBIOS has it: upper case, 15 characters.
func computerName(spec *runtime.Spec) string {
	name := strings.ToUpper(HostName(spec))
	return name[:min(len(name), 15)]
}

// wine returns the variables that Wine itself is started with.
func (e *environment) wine() []string {
	path, _ := e.all.Get("PATH")
	return append(slices.Clone(e.plain), winePath(path, e.machinePath)...)
}

// winePath makes Wine give a program this PATH.
func winePath(path, machinePath string) []string {
	if want := wantPath(path, machinePath); want != "" {
		return []string{"WINEPATH=" + want}
	}
	return nil
}

// save puts the volatile variables into the prefix' user.reg, whose content is
// file.
func (e *environment) save(prefix string, file *winereg.File) error {
	kept := file.Keys[:0]
	for _, k := range file.Keys {
		if !under(k.Path, volatileKey) {
			kept = append(kept, k)
		}
	}
	file.Keys = append(kept, winereg.Key{Path: volatileKey, Values: e.volatile})
	return writeRegistry(filepath.Join(prefix, userFile), file)
}

// userEnvironment returns the variables that the container's user has set for good.
func userEnvironment(file *winereg.File) []hives.Value {
	for _, k := range file.Keys {
		if nt.EqualFold(k.Path, "Environment") {
			return k.Values
		}
	}
	return nil
}

// maxSection bounds the text of the one key that readSection reads.
const maxSection = 1 << 20

// machineVariables reads the machine's environment from the prefix' system.reg,
// without taking in the rest of it.
func machineVariables(prefix string) ([]hives.Value, error) {
	f, err := openRegistry(filepath.Join(prefix, systemFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	file, err := readSection(f, environmentKey)
	if err != nil {
		return nil, fmt.Errorf("read the machine's environment: %w", err)
	}
	var values []hives.Value
	for _, k := range file.Keys {
		values = append(values, k.Values...)
	}
	return values, nil
}

// readSection reads one key of a registry text.
func readSection(r io.Reader, key string) (*winereg.File, error) {
	header := []byte("[" + strings.ToLower(strings.ReplaceAll(key, `\`, `\\`)) + "]")
	text := bytes.NewBufferString("WINE REGISTRY Version 2\n;; All keys relative to REGISTRY\\\\Machine\n\n")
	in := bufio.NewReaderSize(r, 256<<10)
	inside, start := false, true
	for {
		line, err := in.ReadSlice('\n')
		if start && len(line) > 0 && line[0] == '[' {
			inside = len(line) >= len(header) && bytes.Equal(bytes.ToLower(line[:len(header)]), header)
		}
		if inside {
			text.Write(line)
		}
		if text.Len() > maxSection {
			return nil, fmt.Errorf("key %s has more than %d bytes", key, maxSection)
		}
		start = !errors.Is(err, bufio.ErrBufferFull)
		if errors.Is(err, io.EOF) {
			return winereg.Read(text)
		}
		if err != nil && start {
			return nil, err
		}
	}
}

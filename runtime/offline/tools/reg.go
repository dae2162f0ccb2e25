package tools

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// regCall is a parsed command line of reg.
type regCall struct {
	verb string
	text string // the whole call, for errors
	key  string // as Registry takes it
	long string // the key with the long name of its root, as reg prints it
	opts map[string]string
}

// value is the name of the value that the call is about; ok is false if it names
// none. The name "" is the default value.
func (c *regCall) value() (name string, ok bool) {
	if _, ve := c.opts["ve"]; ve {
		return "", true
	}
	name, ok = c.opts["v"]
	return name, ok
}

func (c *regCall) has(option string) bool { _, ok := c.opts[option]; return ok }

// regOptions are the options of each verb; true means that a value follows.
func regOptions(verb string) map[string]bool {
	switch verb {
	case "add":
		return map[string]bool{"v": true, "ve": false, "t": true, "s": true, "d": true, "f": false, "reg:32": false, "reg:64": false}
	case "delete":
		return map[string]bool{"v": true, "ve": false, "va": false, "f": false, "reg:32": false, "reg:64": false}
	case "query":
		return map[string]bool{"v": true, "ve": false, "s": false, "reg:32": false, "reg:64": false}
	}
	return nil
}

// reg is reg.exe with the verbs add, delete, export, import and query.
func reg(_ context.Context, p *proc.Process, args []string) (uint32, error) {
	text := "reg " + strings.Join(args, " ")
	if len(args) == 0 {
		return complain(p, "Invalid syntax."), nil
	}
	verb := strings.ToLower(args[0])
	switch verb {
	case "import":
		return regImport(p, text, args[1:])
	case "export":
		return regExport(p, text, args[1:])
	}
	options := regOptions(verb)
	if options == nil {
		return 0, &proc.Unsupported{Command: text, Why: "only reg add, delete, export, import and query are known without Windows"}
	}
	c, problem, err := parseReg(verb, text, args[1:], options)
	if err != nil {
		return 0, err
	}
	if problem != "" {
		return complain(p, problem), nil
	}
	user, own := OfUser(c.key)
	if verb != "query" && !p.Admin && !own {
		return complain(p, "Access is denied."), nil
	}
	if user {
		UseUsers(p)
	}
	var exit uint32
	switch verb {
	case "add":
		exit, err = regAdd(p, c)
	case "delete":
		exit, err = regDelete(p, c)
	default:
		return regQuery(p, c)
	}
	if err == nil && user {
		err = p.Files.SaveUsers()
	}
	return exit, err
}

func complain(p *proc.Process, text string) uint32 {
	p.Complain("ERROR: %s", text)
	return 1
}

// parseReg reads the key and the options. problem is what reg complains about.
func parseReg(verb, text string, args []string, options map[string]bool) (c *regCall, problem string, err error) {
	if len(args) == 0 {
		return nil, "Invalid syntax.", nil
	}
	c = &regCall{verb: verb, text: text, opts: map[string]string{}}
	for i := 1; i < len(args); i++ {
		name := strings.ToLower(args[i])
		if !isOption(name) {
			return nil, "Invalid syntax.", nil
		}
		name = name[1:]
		takes, known := options[name]
		if !known && verb == "query" && (name == "f" || name == "k" || name == "d" || name == "c" || name == "e" || name == "t" || name == "z" || name == "se") {
			return nil, "", &proc.Unsupported{Command: text, Why: "searching with /" + name + " is not known without Windows"}
		}
		if !known || c.has(name) {
			return nil, "Invalid syntax.", nil
		}
		c.opts[name] = ""
		if takes {
			if i++; i == len(args) {
				return nil, "Invalid syntax.", nil
			}
			c.opts[name] = args[i]
		}
	}
	clash := 0
	for _, name := range []string{"v", "ve", "va"} {
		if c.has(name) {
			clash++
		}
	}
	if clash > 1 || c.has("reg:32") && c.has("reg:64") {
		return nil, "Invalid syntax.", nil
	}
	problem, err = c.setKey(args[0])
	return c, problem, err
}

// roots are the names of the registry's roots, short and long.
var roots = [...]struct{ short, long string }{
	{"HKLM", "HKEY_LOCAL_MACHINE"}, {"HKCU", "HKEY_CURRENT_USER"}, {"HKCR", "HKEY_CLASSES_ROOT"},
	{"HKU", "HKEY_USERS"}, {"HKCC", "HKEY_CURRENT_CONFIG"},
}

// setKey checks the key of a call.
func (c *regCall) setKey(key string) (problem string, err error) {
	short, long, why := Key(key)
	switch {
	case why != "":
		return "", &proc.Unsupported{Command: c.text, Why: why}
	case short == "":
		return "Invalid key name.", nil
	}
	if c.key, c.long = short, long; c.has("reg:32") {
		c.key = hives.WOW64(c.key)
	}
	return "", nil
}

// Key reads the name of a key, with the short or the long name of its root. short is as Registry takes it and "" if it is
// no key at all; why says what an image's registry does not have.
func Key(key string) (short, long, why string) {
	if strings.HasPrefix(key, `\\`) {
		return "", "", "the registry of another machine cannot be reached in a build"
	}
	root, sub, _ := strings.Cut(key, `\`)
	sub = strings.TrimSuffix(sub, `\`)
	found := -1
	for i, r := range roots {
		if strings.EqualFold(root, r.short) || strings.EqualFold(root, r.long) {
			found = i
		}
	}
	if found < 0 || strings.HasPrefix(sub, `\`) || strings.Contains(sub, `\\`) {
		return "", "", ""
	}
	if why := outside(roots[found].short, sub); why != "" {
		return "", "", why
	}
	short, long = roots[found].short, roots[found].long
	if sub != "" {
		short += `\` + sub
		long += `\` + sub
	}
	return short, long, ""
}

// outside says why a key is not in the five hives of an image; "" if it is.
func outside(root, sub string) string {
	first, _, _ := strings.Cut(strings.ToUpper(sub), `\`)
	switch root {
	case "HKCC":
		return "HKCC is made by a running machine"
	case "HKU":
		if _, err := nt.ParseSID(strings.TrimSuffix(first, "_CLASSES")); err != nil && first != ".DEFAULT" {
			return "of HKU an image has .DEFAULT and users by their SIDs"
		}
	case "HKLM":
		switch first {
		case "SOFTWARE", "SYSTEM", "SAM", "SECURITY":
		case "":
			return "this needs a key below HKLM"
		default:
			return `HKLM\` + first + " is not part of an image's registry"
		}
	}
	return ""
}

const notFound = "The system was unable to find the specified registry key or value."

// done prints what reg prints after a success.
func done(p *proc.Process) (uint32, error) {
	p.Println("The operation completed successfully.")
	return 0, nil
}

// regAdd sets a value, the default value if none is named, and makes its key.
func regAdd(p *proc.Process, c *regCall) (uint32, error) {
	name, _ := c.value()
	v, problem, err := regValue(c, name)
	if err != nil {
		return 0, err
	}
	if problem != "" {
		return complain(p, problem), nil
	}
	r := p.Files.Registry()
	old, there, err := lookup(r, c.key, name)
	if err != nil {
		return 0, err
	}
	if there {
		v.Name = old.Name
		if !c.has("f") {
			fmt.Fprintf(p.Stdout, "Value %s exists, overwrite(Yes/No)? ", shown(name))
			if !p.Confirm() {
				p.Println("")
				p.Println("The operation was canceled by the user.")
				return 1, nil
			}
		}
	}
	if err := r.SetValue(c.key, v); err != nil {
		return 0, fmt.Errorf("reg add %s: %w", c.long, err)
	}
	return done(p)
}

// lookup finds a value; there is false if the key or the value does not exist.
func lookup(r *hives.Registry, key, name string) (v hives.Value, there bool, err error) {
	k, err := r.Key(key)
	if err == nil {
		v, err = k.Value(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return hives.Value{}, false, nil
	}
	return v, err == nil, err
}

// shown is how reg prints a value's name.
func shown(name string) string {
	if name == "" {
		return "(Default)"
	}
	return name
}

// regDelete deletes a value, all values of a key, or the key with all below it.
func regDelete(p *proc.Process, c *regCall) (uint32, error) {
	r := p.Files.Registry()
	k, err := r.Key(c.key)
	if errors.Is(err, fs.ErrNotExist) {
		return complain(p, notFound), nil
	}
	if err != nil {
		return 0, err
	}
	name, one := c.value()
	if one {
		if _, there, err := lookup(r, c.key, name); err != nil || !there {
			return complain(p, notFound), err
		}
	}
	if !c.has("f") {
		fmt.Fprintf(p.Stdout, "%s (Yes/No)? ", question(c, name, one))
		if !p.Confirm() {
			p.Println("")
			p.Println("The operation was canceled by the user.")
			return 1, nil
		}
	}
	switch {
	case one:
		err = r.DeleteValue(c.key, name)
	case c.has("va"):
		err = deleteValues(r, k, c.key)
	case c.isHive():
		return 0, &proc.Unsupported{Command: c.text, Why: "this would delete a whole hive"}
	default:
		err = r.DeleteKey(c.key)
	}
	if err != nil {
		return 0, fmt.Errorf("reg delete %s: %w", c.long, err)
	}
	return done(p)
}

// isHive tells whether the key is the root of a hive.
func (c *regCall) isHive() bool {
	depth := strings.Count(c.key, `\`)
	return depth == 0 || depth == 1 && (strings.HasPrefix(c.key, `HKLM\`) || strings.HasPrefix(c.key, `HKU\`))
}

func question(c *regCall, name string, one bool) string {
	switch {
	case one:
		return "Delete the registry value " + shown(name)
	case c.has("va"):
		return "Delete all values under the registry key " + c.long
	}
	return "Permanently delete the registry key " + c.long
}

func deleteValues(r *hives.Registry, k hives.Key, key string) error {
	var names []string
	for v, err := range k.Values() {
		if err != nil {
			return err
		}
		names = append(names, v.Name)
	}
	for _, name := range names {
		if err := r.DeleteValue(key, name); err != nil {
			return err
		}
	}
	return nil
}

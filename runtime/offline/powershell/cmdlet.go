package powershell

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// cmdlet is a command of PowerShell's own.
type cmdlet struct {
	name   string
	params []param
	// run carries out a call: once, or once for each object that comes in by the
	// pipeline if streams is set.
	run     func(c *call) error
	streams bool
	ends    bool // it also runs, without input, when the pipeline ends
}

// param is a parameter of a cmdlet.
type param struct {
	name    string
	aliases []string
	place   int  // among the values without a name, from 0; -1 for none
	flag    bool // a switch
	rest    bool // takes all values that are left
	input   bool // takes what the pipeline brings
	ignored bool // it is accepted and has no effect here
}

// params reads the parameters of a cmdlet from a short form: names separated by
// blanks, with aliases after "=", in which "@" and a digit is the place, "!" a
// switch, "+" all values that are left, "|" the pipeline's, and "-" no effect.
func params(s string) (list []param) {
	for _, word := range strings.Fields(s) {
		p := param{place: -1}
		names := strings.FieldsFunc(strings.Map(func(r rune) rune {
			if strings.ContainsRune("@0123456789!+|-", r) {
				return -1
			}
			return r
		}, word), func(r rune) bool { return r == '=' || r == ',' })
		p.name, p.aliases = names[0], names[1:]
		p.flag, p.rest = strings.Contains(word, "!"), strings.Contains(word, "+")
		p.input, p.ignored = strings.Contains(word, "|"), strings.Contains(word, "-")
		if i := strings.IndexByte(word, '@'); i >= 0 {
			p.place = int(word[i+1] - '0')
		}
		list = append(list, p)
	}
	return list
}

var cmdlets = map[string]*cmdlet{}

// add enters a cmdlet into the table.
func add(name, parameters string, run func(c *call) error) {
	cmdlets[strings.ToLower(name)] = &cmdlet{name: name, params: params(parameters), run: run}
}

// addStream enters one that runs for each object of the pipeline.
func addStream(name, parameters string, run func(c *call) error) {
	add(name, parameters, run)
	cmdlets[strings.ToLower(name)].streams = true
}

func findCmdlet(name string) *cmdlet {
	name = strings.ToLower(name)
	if i := strings.LastIndexByte(name, '\\'); i > 0 && strings.HasPrefix(name, "microsoft.powershell.") {
		name = name[i+1:]
	}
	return cmdlets[name]
}

// Cmdlets lists the cmdlets that are known, sorted.
func Cmdlets() []string {
	var names []string
	for _, key := range slices.Sorted(maps.Keys(cmdlets)) {
		names = append(names, cmdlets[key].name)
	}
	return names
}

// Parameters lists the parameters of a cmdlet that are known; a star marks those that have no effect here.
func Parameters(name string) []string {
	var names []string
	for _, p := range findCmdlet(name).params {
		name := "-" + p.name
		if p.ignored {
			name += "*"
		}
		names = append(names, name)
	}
	return names
}

// common are the parameters that every cmdlet has; true is one with a value.
var common = map[string]bool{
	"erroraction": true, "ea": true, "warningaction": true, "wa": true, "informationaction": true, "errorvariable": true, "ev": true,
	"outvariable": true, "ov": true, "outbuffer": true, "verbose": false, "vb": false, "debug": false, "db": false, "confirm": false, "whatif": false,
}

func commonParameter(name string) bool { _, ok := common[strings.ToLower(name)]; return ok }

// call is one call of a cmdlet.
type call struct {
	in    *interp
	at    pos
	text  string // as written
	index int    // in its pipeline
	def   *cmdlet
	args  map[string]any // by the parameter's name
	all   []any          // what came in by the pipeline
	piped bool           // whether the command stands after another
	out   sink
	// action is that of -ErrorAction, in lower case.
	action string
	state  any // of a streaming cmdlet, kept between its calls
	last   bool
}

// cmdletStage binds the arguments of a cmdlet.
func (in *interp) cmdletStage(c *command, def *cmdlet, args []arg, index int, out sink) (*stage, error) {
	k := &call{in: in, at: c.pos, text: c.text, index: index, def: def, args: map[string]any{}, out: out, piped: index > 0}
	if err := k.bind(args); err != nil {
		return nil, err
	}
	run := func() error {
		err := def.run(k)
		if t, ok := asThrown(err); ok {
			if t.record.s == nil {
				t.record.at, t.record.s = k.at, in.src
			}
			// What a provider says of a file or a key does not end a statement, unless -ErrorAction or the preference wants it to;
			// for all other errors that end a cmdlet -ErrorAction does not count.
			if !t.final && def.provider() && providerError(t.record.kind) {
				return in.report(t.record, k.action)
			}
		}
		return err
	}
	takes := slices.ContainsFunc(def.params, func(p param) bool { return p.input })
	return &stage{
		process: func(v any) error {
			if !takes {
				return nil // as Write-Host does with what it does not know to take
			}
			if !def.streams {
				k.all = append(k.all, v)
				return nil
			}
			k.all = []any{v}
			return run()
		},
		end: func() error {
			if def.streams && k.piped {
				k.last, k.all = true, nil
				if !def.ends {
					return nil
				}
			}
			return run()
		},
	}, nil
}

// provider tells the cmdlets that work on drives of any kind.
func (c *cmdlet) provider() bool {
	_, noun, _ := strings.Cut(c.name, "-")
	switch noun {
	case "Item", "ItemProperty", "ItemPropertyValue", "ChildItem", "Content", "Location":
		return true
	}
	return c.name == "mkdir"
}

func providerError(kind string) bool {
	return strings.HasPrefix(kind, "System.IO.") || kind == itemNotFound || kind == "System.UnauthorizedAccessException" || kind == "System.Security.SecurityException" ||
		kind == "System.Management.Automation.DriveNotFoundException"
}

// bind gives each argument to its parameter as PowerShell does: names in full or
// as far as they are unambiguous, then what has no name by its place.
func (c *call) bind(args []arg) error {
	var values []arg
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a.name == "" {
			values = append(values, a)
			continue
		}
		p, general, err := c.named(a)
		if err != nil {
			return err
		}
		flag := p != nil && p.flag || p == nil && !common[general]
		value := a.value
		if a.alone {
			if flag {
				value = true
			} else {
				if i++; i >= len(args) || args[i].name != "" {
					return c.fail("System.Management.Automation.ParameterBindingException", "Missing an argument for parameter '%s'. Specify a parameter and try again.", a.name)
				}
				value = args[i].value
			}
		}
		if p == nil {
			if err := c.general(general, value); err != nil {
				return err
			}
			continue
		}
		if p.flag {
			value = truth(value)
		}
		c.args[p.name] = value
	}
	for place := 0; place < 10 && len(values) > 0; place++ {
		for _, p := range c.def.params {
			if _, bound := c.args[p.name]; p.place != place || bound {
				continue
			}
			if p.input && c.piped && !p.rest && len(values) < placesFree(c) {
				continue // it comes by the pipeline
			}
			if p.rest {
				all := make([]any, len(values))
				for i, v := range values {
					all[i] = v.value
				}
				c.args[p.name], values = single(all), nil
				break
			}
			if len(values) > 0 {
				c.args[p.name], values = values[0].value, values[1:]
			}
		}
	}
	if len(values) > 0 {
		return c.fail("System.Management.Automation.ParameterBindingException", "A positional parameter cannot be found that accepts argument '%s'.", toString(values[0].value))
	}
	return nil
}

// placesFree counts the parameters with a place that have no value yet.
func placesFree(c *call) (n int) {
	for _, p := range c.def.params {
		if _, bound := c.args[p.name]; p.place >= 0 && !bound {
			n++
		}
	}
	return n
}

// named finds the parameter that an argument names; general is one that all cmdlets
// have.
func (c *call) named(a arg) (found *param, general string, err error) {
	name := strings.ToLower(a.name)
	var matches []*param
	for i := range c.def.params {
		p := &c.def.params[i]
		for _, n := range append([]string{p.name}, p.aliases...) {
			if strings.EqualFold(n, name) {
				return p, "", nil
			}
			if strings.HasPrefix(strings.ToLower(n), name) && !slices.Contains(matches, p) {
				matches = append(matches, p)
			}
		}
	}
	if _, ok := common[name]; ok {
		return nil, name, nil
	}
	var others []string
	for _, n := range slices.Sorted(maps.Keys(common)) {
		if len(n) > 2 && strings.HasPrefix(n, name) {
			others = append(others, n)
		}
	}
	switch {
	case len(matches) == 1 && len(name) > 0:
		return matches[0], "", nil
	case len(matches) == 0 && len(others) == 1:
		return nil, others[0], nil
	case len(matches) > 1:
		return nil, "", c.fail("System.Management.Automation.ParameterBindingException", "Parameter cannot be processed because the parameter name '%s' is ambiguous.", a.name)
	}
	return nil, "", c.in.unsupported(a.pos, c.text, fmt.Sprintf("%s -%s is not known without Windows", c.def.name, a.name))
}

// general takes in one of the parameters that all cmdlets have.
func (c *call) general(name string, value any) error {
	switch name {
	case "erroraction", "ea":
		c.action = strings.ToLower(toString(value))
	case "whatif":
		if truth(value) {
			return c.in.unsupported(c.at, c.text, "-WhatIf is not known without Windows")
		}
	case "outvariable", "ov", "errorvariable", "ev":
		return c.in.unsupported(c.at, c.text, "-"+name+" is not known without Windows")
	}
	return nil
}

// fail is an error that ends the cmdlet.
func (c *call) fail(kind, format string, a ...any) error { return c.in.raise(c.at, kind, format, a...) }

// complain is an error after which the cmdlet goes on.
func (c *call) complain(kind, format string, a ...any) error {
	t, _ := asThrown(c.fail(kind, format, a...))
	return c.in.report(t.record, c.action)
}

func (c *call) unknown(format string, a ...any) error {
	return c.in.unsupported(c.at, c.text, fmt.Sprintf(format, a...))
}

func (c *call) has(name string) bool   { _, ok := c.args[name]; return ok }
func (c *call) flag(name string) bool  { return truth(c.args[name]) }
func (c *call) str(name string) string { return toString(c.args[name]) }

// strs is a parameter that takes one or more strings.
func (c *call) strs(name string) []string {
	var list []string
	for _, v := range items(c.args[name]) {
		list = append(list, toString(v))
	}
	return list
}

// number is a parameter that takes a whole number.
func (c *call) number(name string, unset int) (int, error) {
	v, ok := c.args[name]
	if !ok {
		return unset, nil
	}
	n, ok := toInt(v)
	if !ok || n < -1<<31 || n > 1<<31-1 {
		return 0, c.fail("System.Management.Automation.ParameterBindingException", "Cannot bind parameter '%s'. Cannot convert value \"%s\" to type \"System.Int32\".", name, toString(v))
	}
	return int(n), nil
}

// input is what a cmdlet is to work on: the value of a parameter, or what came by
// the pipeline.
func (c *call) input(name string) []any {
	if v, ok := c.args[name]; ok {
		return items(v)
	}
	return c.all
}

// paths are the paths that a cmdlet is to work on, and whether they are taken
// literally.
func (c *call) paths() (list []string, literal bool) {
	if c.has("LiteralPath") {
		return c.strs("LiteralPath"), true
	}
	if c.has("Path") {
		return c.strs("Path"), false
	}
	for _, v := range c.all {
		list = append(list, pathOf(v))
	}
	return list, true
}

// pathOf is the path that an object of a pipeline stands for.
func pathOf(v any) string {
	switch v := v.(type) {
	case fileItem:
		return nt.Win(v.f.Path)
	case keyItem:
		return "Registry::" + v.path
	case *object:
		for _, name := range []string{"PSPath", "FullName", "Path", "LiteralPath"} {
			if p, ok := v.props.get(name); ok {
				return toString(p)
			}
		}
	}
	return toString(v)
}

// aliases of Windows PowerShell; those of which 7 knows nothing are marked with "5".
var aliases = map[string]string{
	"%": "ForEach-Object", "foreach": "ForEach-Object", "?": "Where-Object", "where": "Where-Object",
	"ac": "Add-Content", "cat": "Get-Content", "cd": "Set-Location", "chdir": "Set-Location", "clc": "Clear-Content", "clear": "Clear-Host", "cls": "Clear-Host",
	"compare": "Compare-Object", "copy": "Copy-Item", "cp": "Copy-Item", "cpi": "Copy-Item", "cvpa": "Convert-Path",
	"curl": "5Invoke-WebRequest", "del": "Remove-Item", "diff": "Compare-Object", "dir": "Get-ChildItem", "echo": "Write-Output", "erase": "Remove-Item",
	"fl": "Format-List", "ft": "Format-Table", "gal": "Get-Alias", "gc": "Get-Content", "gci": "Get-ChildItem", "gcm": "Get-Command", "gi": "Get-Item",
	"gl": "Get-Location", "gp": "Get-ItemProperty", "gpv": "Get-ItemPropertyValue", "group": "Group-Object", "gu": "Get-Unique", "gv": "Get-Variable",
	"icm": "Invoke-Command", "iex": "Invoke-Expression", "ipmo": "Import-Module", "irm": "Invoke-RestMethod", "iwr": "Invoke-WebRequest",
	"kill": "Stop-Process", "ls": "Get-ChildItem", "md": "mkdir", "measure": "Measure-Object", "mi": "Move-Item", "mount": "New-PSDrive", "move": "Move-Item", "mv": "Move-Item",
	"ni": "New-Item", "oh": "Out-Host", "popd": "Pop-Location", "pushd": "Push-Location", "pwd": "Get-Location", "rd": "Remove-Item",
	"ren": "Rename-Item", "ri": "Remove-Item", "rm": "Remove-Item", "rmdir": "Remove-Item", "rni": "Rename-Item", "rnp": "Rename-ItemProperty", "rp": "Remove-ItemProperty",
	"rv": "Remove-Variable", "rvpa": "Resolve-Path", "sal": "Set-Alias", "saps": "Start-Process", "sasv": "Start-Service", "sc": "5Set-Content", "select": "Select-Object",
	"set": "Set-Variable", "si": "Set-Item", "sl": "Set-Location", "sleep": "Start-Sleep", "sls": "Select-String", "sort": "Sort-Object", "sp": "Set-ItemProperty",
	"spsv": "Stop-Service", "start": "Start-Process", "sv": "Set-Variable", "tee": "Tee-Object", "type": "Get-Content", "wget": "5Invoke-WebRequest", "write": "Write-Output",
}

// alias follows an alias.
func (in *interp) alias(name string) (string, bool) {
	lower := strings.ToLower(name)
	if full, ok := in.aliases[lower]; ok {
		return full, true
	}
	full, ok := aliases[lower]
	if five, old := strings.CutPrefix(full, "5"); old {
		return five, !in.core
	}
	return full, ok
}

// elsewhere says why a command that PowerShell has on Windows is not known here.
func elsewhere(name string) string {
	lower := strings.ToLower(name)
	for _, e := range []struct{ words, why string }{
		{"install-windowsfeature add-windowsfeature remove-windowsfeature uninstall-windowsfeature enable-windowsoptionalfeature disable-windowsoptionalfeature add-windowscapability get-windowsfeature get-windowsoptionalfeature dism", "changes the features of Windows, which only Windows can"},
		{"start-service stop-service restart-service get-service", "needs running services, and a build has none"},
		{"get-process stop-process wait-process get-ciminstance get-wmiobject invoke-cimmethod get-computerinfo get-nettcpconnection get-netadapter test-netconnection test-connection", "asks a running machine, and a build is none"},
		{"install-module install-package install-packageprovider import-packageprovider register-psrepository set-psrepository save-module install-psresource update-module find-module get-packageprovider get-package", "needs PowerShell's package manager, which is a program of Windows"},
		{"add-type", "compiles code, which needs the .NET Framework"},
		{"get-random new-guid", "would make every build another; take an ARG instead"},
		{"read-host", "asks a person, and a build has none"},
		{"new-website remove-website get-website new-webapppool set-webconfigurationproperty new-webbinding remove-webbinding import-certificate new-selfsignedcertificate", "configures a service of Windows, which only Windows can"},
	} {
		if slices.Contains(strings.Fields(e.words), lower) {
			return e.why
		}
	}
	if verb, noun, ok := strings.Cut(lower, "-"); ok && noun != "" && !strings.ContainsAny(name, `.\/:`) && slices.Contains(verbs, verb) {
		return "is not known without Windows"
	}
	return ""
}

// verbs begin the names of cmdlets, which are told from programs by them.
var verbs = strings.Fields("add clear close compare compress convert convertfrom convertto copy debug disable disconnect dismount edit enable enter exit expand export find format get grant group hide import initialize install invoke join limit lock measure merge mount move new open optimize out ping pop protect publish push read receive redo register remove rename repair request reset resize resolve restart restore resume revoke save search select send set show skip split start step stop submit suspend switch sync test trace unblock undo uninstall unlock unprotect unpublish unregister update use wait watch where write")

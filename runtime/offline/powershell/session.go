package powershell

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mullion/mullion/internal/nt"
)

func init() {
	add("New-Object", "TypeName@0 ArgumentList@1 Property ComObject Strict!", func(c *call) error {
		if c.has("ComObject") {
			return c.unknown("COM needs Windows")
		}
		kind := strings.TrimPrefix(strings.ToLower(strings.ReplaceAll(c.str("TypeName"), " ", "")), "system.")
		var args []any
		if v, ok := c.args["ArgumentList"]; ok {
			if args = []any{v}; !strings.HasPrefix(kind, "collections.") {
				args = items(v)
			}
		}
		if h, ok := c.args["Property"].(*hashtable); ok && (kind == "psobject" || kind == "object" || strings.HasSuffix(kind, ".psobject")) {
			args = []any{h}
		} else if c.has("Property") {
			return c.unknown("-Property is known of PSObject only")
		}
		v, err := c.in.newObject(c.at, kind, args)
		if err != nil {
			return err
		}
		return c.out(v) // a list is one object
	})
	add("Get-Date", "Date@0| Format UFormat Year Month Day Hour Minute Second DisplayHint- AsUTC!", getDate)
	add("New-TimeSpan", "Start@0 End@1 Days Hours Minutes Seconds", func(c *call) error {
		var d time.Duration
		for name, unit := range map[string]time.Duration{"Days": 24 * time.Hour, "Hours": time.Hour, "Minutes": time.Minute, "Seconds": time.Second} {
			n, err := c.number(name, 0)
			if err != nil {
				return err
			}
			d += time.Duration(n) * unit
		}
		if c.has("Start") || c.has("End") {
			start, end := c.in.now(), c.in.now()
			for _, p := range []struct {
				name string
				t    *time.Time
			}{{"Start", &start}, {"End", &end}} {
				if c.has(p.name) {
					v, err := toTime(c.args[p.name])
					if err != nil {
						return err
					}
					*p.t = v.(time.Time)
				}
			}
			d = end.Sub(start)
		}
		return c.out(d)
	})
	add("Start-Sleep", "Seconds@0 Milliseconds=ms Duration", func(c *call) error {
		f, ok := toFloat(c.args["Seconds"])
		ms, err := c.number("Milliseconds", 0)
		if err != nil || !ok || f < 0 || f > 1e9 || ms < 0 {
			return c.fail("System.Management.Automation.ParameterBindingException", "Cannot validate argument on parameter 'Seconds'.")
		}
		// Nothing else runs meanwhile, so there is nothing to wait for: only the script's clock moves.
		c.in.clock.passed += time.Duration(f*float64(time.Second)) + time.Duration(ms)*time.Millisecond
		return nil
	})
	add("Get-Variable", "Name@0 ValueOnly! Scope Include Exclude", func(c *call) error {
		for _, name := range c.strs("Name") {
			if hasWildcard(name) {
				return c.unknown("a wildcard is not known without Windows")
			}
			v, err := c.in.lookup(&variableExpr{pos: c.at, name: name})
			if err != nil {
				return err
			}
			if c.flag("ValueOnly") {
				err = c.out(v)
			} else {
				err = c.out(newObject("System.Management.Automation.PSVariable", "Name", name, "Value", v))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	setVariable := func(c *call) error {
		scope := strings.ToLower(c.str("Scope"))
		if scope != "" && scope != "global" && scope != "script" && scope != "local" {
			return c.unknown("-Scope %s is not known without Windows", scope)
		}
		for _, name := range c.strs("Name") {
			if err := c.in.set(&variableExpr{pos: c.at, scope: scope, name: name}, single(c.input("Value"))); err != nil {
				return err
			}
		}
		return nil
	}
	add("Set-Variable", "Name@0 Value@1| Scope Force! Option- Description- Visibility-", setVariable)
	add("New-Variable", "Name@0 Value@1| Scope Force! Option- Description- Visibility-", setVariable)
	add("Remove-Variable", "Name@0 Scope Force!", func(c *call) error {
		for _, name := range c.strs("Name") {
			for s := c.in.scope; s != nil; s = s.outer {
				delete(s.vars, strings.ToLower(name))
			}
		}
		return nil
	})
	setAlias := func(c *call) error {
		if c.in.aliases == nil {
			c.in.aliases = map[string]string{}
		}
		c.in.aliases[strings.ToLower(c.str("Name"))] = c.str("Value")
		return nil
	}
	add("Set-Alias", "Name@0 Value@1 Scope- Force! Option- Description-", setAlias)
	add("New-Alias", "Name@0 Value@1 Scope- Force! Option- Description-", setAlias)
	add("Set-StrictMode", "Version Off!", func(c *call) error {
		c.in.strict = !c.flag("Off")
		return nil
	})
	add("Import-Module", "Name@0| Force! Scope- DisableNameChecking! Global!", func(c *call) error {
		for _, name := range c.input("Name") {
			if !strings.HasPrefix(strings.ToLower(toString(name)), "microsoft.powershell.") && !strings.EqualFold(toString(name), "BitsTransfer") {
				return c.unknown("the module %s is not known without Windows", toString(name))
			}
		}
		return nil
	})
	add("Add-Type", "AssemblyName=AN Path LiteralPath TypeDefinition@0 MemberDefinition Language IgnoreWarnings! PassThru! Name Namespace", func(c *call) error {
		if !c.has("AssemblyName") {
			return c.unknown("code can be compiled only on Windows")
		}
		for _, name := range c.strs("AssemblyName") {
			name, _, _ = strings.Cut(strings.ToLower(name), ",")
			if !slices.Contains([]string{"system.io.compression", "system.io.compression.filesystem", "system.net.http", "system.web", "system.xml", "system.security", "system"}, name) {
				return c.unknown("the assembly %s is not known without Windows", name)
			}
		}
		return nil
	})
	add("Invoke-Expression", "Command@0|", func(c *call) error {
		for _, v := range c.input("Command") {
			if err := c.in.evaluate(toString(v), c.at, c.out); err != nil {
				return err
			}
		}
		return nil
	})
	add("Invoke-Command", "ScriptBlock=Command@0 ArgumentList InputObject| NoNewScope!", func(c *call) error {
		b, ok := c.args["ScriptBlock"].(*scriptBlock)
		if !ok {
			return c.unknown("only a block on this machine is known")
		}
		return c.in.blockInto(b, false, nil, c.out, items(c.args["ArgumentList"])...)
	})
	add("Measure-Command", "Expression@0 InputObject|", func(c *call) error {
		b, ok := c.args["Expression"].(*scriptBlock)
		if !ok {
			return c.fail("System.Management.Automation.ParameterBindingException", "Cannot bind parameter 'Expression'.")
		}
		start := c.in.now()
		if err := c.in.blockInto(b, false, nil, discard); err != nil {
			return err
		}
		return c.out(c.in.now().Sub(start))
	})
	add("Set-ExecutionPolicy", "ExecutionPolicy@0| Scope@1 Force!", func(c *call) error {
		scope := strings.ToLower(c.str("Scope"))
		if scope == "process" {
			return nil
		}
		if c.in.core {
			return c.unknown("PowerShell 7 keeps its policy in its own folder; use -Scope Process")
		}
		path := `HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\PowerShell\1\ShellIds\Microsoft.PowerShell`
		if scope == "currentuser" {
			path = `HKEY_CURRENT_USER\SOFTWARE\Microsoft\PowerShell\1\ShellIds\Microsoft.PowerShell`
		}
		key, err := c.in.key(c.at, path)
		if err != nil {
			return err
		}
		if err := c.in.mayWrite(c.at, key); err != nil {
			return err
		}
		if err := c.in.p.Files.Registry().CreateKey(key); err != nil {
			return err
		}
		return c.setValue(path, "ExecutionPolicy", c.str("ExecutionPolicy"), "String")
	})
	add("Get-Command", "Name@0 CommandType=Type Module All! Syntax!", getCommand)
	add("Clear-Host", "", nop)
	add("Get-Host", "", func(c *call) error {
		return c.out(newObject("System.Management.Automation.Internal.Host.InternalHost", "Name", "ConsoleHost", "Version", c.in.versionTable().(*hashtable).values[0]))
	})
	add("Get-Culture", "", func(c *call) error {
		return c.out(newObject("System.Globalization.CultureInfo", "Name", "en-US", "\x00text", "en-US"))
	})
}

const commandInfo = "System.Management.Automation.CommandInfo"

func getDate(c *call) error {
	t := c.in.now()
	if v := single(c.input("Date")); v != nil {
		d, err := toTime(v)
		if err != nil {
			return err
		}
		t = d.(time.Time)
	}
	parts := []int{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()}
	for i, name := range []string{"Year", "Month", "Day", "Hour", "Minute", "Second"} {
		n, err := c.number(name, parts[i])
		if err != nil {
			return err
		}
		parts[i] = n
	}
	t = time.Date(parts[0], time.Month(parts[1]), parts[2], parts[3], parts[4], parts[5], t.Nanosecond(), time.UTC)
	switch {
	case c.has("Format"):
		s, err := c.in.formatTime(c.at, t, c.str("Format"))
		if err != nil {
			return err
		}
		return c.out(s)
	case c.has("UFormat"):
		s := c.str("UFormat")
		for code, layout := range map[string]string{"%Y": "2006", "%m": "01", "%d": "02", "%H": "15", "%M": "04", "%S": "05", "%y": "06", "%b": "Jan", "%a": "Mon"} {
			s = strings.ReplaceAll(s, code, t.Format(layout))
		}
		s = strings.ReplaceAll(s, "%s", fmt.Sprint(t.Unix()))
		if strings.Contains(s, "%") {
			return c.unknown("-UFormat %s is not known without Windows", c.str("UFormat"))
		}
		return c.out(strings.TrimPrefix(s, "+"))
	}
	return c.out(t)
}

func getCommand(c *call) error {
	for _, name := range c.strs("Name") {
		full, _ := c.in.alias(name)
		if full == "" {
			full = name
		}
		kind, source := "", ""
		switch {
		case c.in.function(full) != nil:
			kind = "Function"
		case findCmdlet(full) != nil:
			kind, full = "Cmdlet", findCmdlet(full).name
		case elsewhere(full) != "":
			return c.unknown("whether %s is there is not known without Windows", full)
		default:
			if f := c.in.p.Search(full); f != "" {
				kind, source = "Application", nt.Win(f)
				full = fileName(source)
			}
		}
		if kind == "" {
			if err := c.complain("System.Management.Automation.CommandNotFoundException", "The term '%s' is not recognized as the name of a cmdlet, function, script file, or operable program.", name); err != nil {
				return err
			}
			continue
		}
		if err := c.out(newObject(commandInfo, "Name", full, "CommandType", kind, "Source", source, "Path", source, "Definition", source, "\x00text", full)); err != nil {
			return err
		}
	}
	return nil
}

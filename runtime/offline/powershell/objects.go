package powershell

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
)

func nop(*call) error { return nil }

func init() {
	addStream("ForEach-Object", "Process@0+ Begin End MemberName InputObject| ArgumentList", forEach)
	cmdlets["foreach-object"].ends = true
	addStream("Where-Object", "FilterScript=Property@0 Value@2 InputObject| EQ! NE! GT! GE! LT! LE! Like! NotLike! Match! NotMatch! Contains! NotContains! In! NotIn! CEQ! CNE! CMatch! CLike! Is! IsNot!", whereObject)
	addStream("Write-Output", "InputObject@0+| NoEnumerate!", func(c *call) error {
		for _, v := range c.input("InputObject") {
			if err := c.out(v); err != nil {
				return err
			}
		}
		return nil
	})
	addStream("Write-Host", "Object=Msg,Message@0+| NoNewline! ForegroundColor- BackgroundColor- Separator", func(c *call) error {
		separator := " "
		if c.has("Separator") {
			separator = c.str("Separator")
		}
		text := join(flatten(c.input("Object")), separator)
		if c.in.streams.info != nil {
			return c.in.streams.info(text)
		}
		if c.flag("NoNewline") {
			_, err := fmt.Fprint(c.in.p.Stdout, text)
			return err
		}
		return c.in.write(text)
	})
	message := func(name, prefix, preference string, shown bool, stream func(s *streams) sink) {
		addStream(name, "Message=Msg,MessageData@0| Tags-", func(c *call) error {
			for _, v := range c.input("Message") {
				if s := stream(&c.in.streams); s != nil {
					if err := s(toString(v)); err != nil {
						return err
					}
					continue
				}
				action := c.in.preference(preference)
				if action == "stop" {
					return &thrown{&errorRecord{message: toString(v), kind: "System.Management.Automation.ActionPreferenceStopException", id: "ActionPreferenceStop", at: c.at, s: c.in.src}, true}
				}
				if action == "continue" || action == "" && shown {
					if err := c.in.write(prefix + toString(v)); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	message("Write-Warning", "WARNING: ", "WarningPreference", true, func(s *streams) sink { return s.warning })
	message("Write-Verbose", "VERBOSE: ", "VerbosePreference", false, func(s *streams) sink { return s.verbose })
	message("Write-Debug", "DEBUG: ", "DebugPreference", false, func(s *streams) sink { return s.debug })
	message("Write-Information", "", "InformationPreference", false, func(s *streams) sink { return s.info })
	addStream("Write-Error", "Message=Msg@0| Exception ErrorRecord Category- ErrorId TargetObject- RecommendedAction- CategoryReason- CategoryActivity-", func(c *call) error {
		e := &errorRecord{message: join(c.input("Message"), " "), kind: "Microsoft.PowerShell.Commands.WriteErrorException", id: "Microsoft.PowerShell.Commands.WriteErrorException", at: c.at, s: c.in.src}
		if r, ok := c.args["ErrorRecord"].(*errorRecord); ok {
			e = r
		}
		if o, ok := c.args["Exception"].(*object); ok {
			m, _ := o.props.get("Message")
			e.kind, e.value = o.kind, o
			if e.message == "" {
				e.message = toString(m)
			}
		}
		return c.in.report(e, c.action)
	})
	add("Write-Progress", "Activity@0 Status@1 Id@2 PercentComplete SecondsRemaining CurrentOperation ParentId Completed! SourceId", nop)
	add("Out-Null", "InputObject|", nop)
	add("Out-Host", "InputObject| Paging!", func(c *call) error { return c.print(c.input("InputObject")) })
	add("Out-Default", "InputObject| Transcript!", func(c *call) error { return c.print(c.input("InputObject")) })
	for _, name := range []string{"Format-Table", "Format-List", "Format-Wide"} {
		add(name, "Property@0 InputObject| AutoSize! Wrap! HideTableHeaders! GroupBy Force! View", func(c *call) error {
			// What it makes can only be shown; anything else would be a guess at its layout.
			all := c.input("InputObject")
			if c.has("Property") {
				var err error
				if all, err = c.selected(all, items(c.args["Property"]), nil); err != nil {
					return err
				}
			}
			for _, v := range all {
				if err := c.out(formatted{v}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	add("Out-String", "InputObject| Stream! Width NoNewline!", func(c *call) error {
		var all []string
		for _, v := range c.input("InputObject") {
			text, err := c.in.display(c.at, v, true)
			if err != nil {
				return err
			}
			all = append(all, text...)
		}
		if c.flag("Stream") {
			return emit(texts(all), c.out)
		}
		if len(all) == 0 {
			return c.out("")
		}
		return c.out(strings.Join(all, "\r\n") + "\r\n")
	})
	add("Tee-Object", "FilePath@0 LiteralPath Variable InputObject| Append! Encoding", func(c *call) error {
		all := c.input("InputObject")
		if c.has("Variable") {
			if err := c.in.set(&variableExpr{pos: c.at, name: c.str("Variable")}, single(all)); err != nil {
				return err
			}
		} else {
			file := &outFile{in: c.in, at: c.at, path: c.str("FilePath") + c.str("LiteralPath"), appending: c.flag("Append")}
			for _, v := range all {
				if err := file.add(v); err != nil {
					return err
				}
			}
			if err := file.close(); err != nil {
				return err
			}
		}
		return emit(newList(all...), c.out)
	})
	add("Sort-Object", "Property@0 Descending! Unique! CaseSensitive! InputObject| Top Bottom Stable!", sortObject)
	add("Select-Object", "Property@0 ExcludeProperty ExpandProperty First Last Skip SkipLast Unique! InputObject| Index Wait!", selectObject)
	add("Measure-Object", "Property@0 InputObject| Sum! Average! Maximum! Minimum! Line! Word! Character! AllStats!", measure)
	add("Group-Object", "Property@0 InputObject| NoElement! AsHashTable! AsString! CaseSensitive!", groupObject)
	add("Get-Unique", "InputObject| AsString! OnType!", func(c *call) error {
		var last any
		for i, v := range c.input("InputObject") {
			if i > 0 && c.in.equal(last, v, true) {
				continue
			}
			last = v
			if err := c.out(v); err != nil {
				return err
			}
		}
		return nil
	})
	add("Compare-Object", "ReferenceObject@0 DifferenceObject@1| Property IncludeEqual! ExcludeDifferent! PassThru! CaseSensitive! SyncWindow-", func(c *call) error {
		if c.has("Property") || c.flag("PassThru") {
			return c.unknown("-Property and -PassThru are not known without Windows")
		}
		a, b := items(c.args["ReferenceObject"]), slices.Clone(c.input("DifferenceObject"))
		var missing []any
		for _, v := range a {
			i := slices.IndexFunc(b, func(w any) bool { return c.in.equal(v, w, c.flag("CaseSensitive")) })
			if i < 0 {
				missing = append(missing, v)
				continue
			}
			b = slices.Delete(b, i, i+1)
			if c.flag("IncludeEqual") {
				if err := c.out(newObject(custom, "InputObject", v, "SideIndicator", "==")); err != nil {
					return err
				}
			}
		}
		if c.flag("ExcludeDifferent") {
			return nil
		}
		for _, side := range []struct {
			all  []any
			sign string
		}{{b, "=>"}, {missing, "<="}} {
			for _, v := range side.all {
				if err := c.out(newObject(custom, "InputObject", v, "SideIndicator", side.sign)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	add("Select-String", "Pattern@0 Path@1 LiteralPath=PSPath InputObject| SimpleMatch! CaseSensitive! Quiet! List! AllMatches! NotMatch! Encoding Raw!", selectString)
	add("ConvertFrom-StringData", "StringData@0|", func(c *call) error {
		for _, v := range c.input("StringData") {
			h := newHash()
			for _, line := range lines(toString(v)) {
				line = strings.TrimSpace(line)
				if line == "" || line[0] == '#' {
					continue
				}
				name, value, ok := strings.Cut(line, "=")
				if !ok {
					return c.fail("System.Management.Automation.PSInvalidOperationException", "Data line '%s' is not in 'name=value' format.", line)
				}
				h.set(strings.TrimSpace(name), strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t").Replace(strings.TrimSpace(value)))
			}
			if err := c.out(h); err != nil {
				return err
			}
		}
		return nil
	})
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

// formatted is what Format-Table and its like make.
type formatted struct{ v any }

func flatten(all []any) (flat []any) {
	for _, v := range all {
		if l, ok := v.(*list); ok {
			flat = append(flat, flatten(l.items)...)
			continue
		}
		flat = append(flat, v)
	}
	return flat
}

func (c *call) print(all []any) error {
	for _, v := range all {
		text, err := c.in.display(c.at, v, false)
		if err != nil {
			return err
		}
		for _, line := range text {
			if err := c.in.write(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// display is a value as lines of text. The layout of objects is PowerShell's own
// and not known here: what is written to a file must be text.
func (in *interp) display(at pos, v any, file bool) ([]string, error) {
	switch x := v.(type) {
	case nil, nothing:
		return nil, nil
	case *errorRecord:
		return []string{x.message}, nil
	case formatted:
		if file {
			return nil, in.unsupported(at, "Format-Table", "the layout of objects as text is not known without Windows; select what is wanted and join it")
		}
		return in.display(at, x.v, file)
	case *list:
		var all []string
		for _, item := range x.items {
			text, err := in.display(at, item, file)
			if err != nil {
				return nil, err
			}
			all = append(all, text...)
		}
		return all, nil
	case *hashtable, *object, fileItem, keyItem:
		if o, ok := x.(*object); ok {
			if text, ok := o.props.get("\x00text"); ok && !strings.HasSuffix(o.kind, "PathInfo") {
				return strings.Split(toString(text), "\r\n"), nil
			}
		}
		if file {
			return nil, in.unsupported(at, typeOf(v), "the layout of objects as text is not known without Windows; select what is wanted and join it")
		}
		if f, ok := x.(fileItem); ok {
			return []string{nt.Win(f.f.Path)}, nil
		}
		names := propertyNames(v)
		width := 0
		for _, n := range names {
			width = max(width, len(n))
		}
		var all []string
		for _, n := range names {
			value, _, err := in.ownProperty(at, v, strings.ToLower(n), n)
			if err != nil {
				return nil, err
			}
			all = append(all, fmt.Sprintf("%-*s : %s", width, n, toString(value)))
		}
		return append(all, ""), nil
	case bool, int64, float64, char, string, version, typeRef, *match:
		return strings.Split(strings.ReplaceAll(toString(v), "\r\n", "\n"), "\n"), nil
	case *xmlNode:
		if file {
			return nil, in.unsupported(at, typeOf(v), "the layout of objects as text is not known without Windows; take its OuterXml")
		}
	}
	if file {
		if _, ok := v.(time.Time); ok {
			return nil, in.unsupported(at, typeOf(v), "a date as text takes a -Format")
		}
	}
	return []string{toString(v)}, nil
}

func forEach(c *call) error {
	blocks := items(c.args["Process"])
	first := c.state == nil
	c.state = true
	// With several blocks the first is Begin and the last End.
	var begin, end *scriptBlock
	if b, ok := c.args["Begin"].(*scriptBlock); ok {
		begin = b
	}
	if b, ok := c.args["End"].(*scriptBlock); ok {
		end = b
	}
	if len(blocks) > 1 && begin == nil {
		begin, _ = blocks[0].(*scriptBlock)
		blocks = blocks[1:]
		if len(blocks) > 1 && end == nil {
			end, _ = blocks[len(blocks)-1].(*scriptBlock)
			blocks = blocks[:len(blocks)-1]
		}
	}
	if first && begin != nil {
		if err := c.in.blockInto(begin, true, nil, c.out); err != nil {
			return err
		}
	}
	if c.last {
		if end != nil {
			return c.in.blockInto(end, true, nil, c.out)
		}
		return nil
	}
	all := c.input("InputObject")
	for _, v := range all {
		for _, one := range blocks {
			switch b := one.(type) {
			case *scriptBlock:
				if err := c.in.blockInto(b, true, v, c.out); err != nil {
					return err
				}
			default:
				value, err := c.memberOf(v, toString(one))
				if err != nil {
					return err
				}
				if err := emit(value, c.out); err != nil {
					return err
				}
			}
		}
		if c.has("MemberName") {
			value, err := c.memberOf(v, c.str("MemberName"))
			if err != nil {
				return err
			}
			if err := emit(value, c.out); err != nil {
				return err
			}
		}
	}
	return nil
}

// memberOf is a property, or what a method without arguments gives.
func (c *call) memberOf(v any, name string) (any, error) {
	if value, ok, err := c.in.ownProperty(c.at, v, strings.ToLower(name), name); ok || err != nil {
		return value, err
	}
	if methodOf(v, strings.ToLower(name)) != nil || strings.EqualFold(name, "ToString") || strings.EqualFold(name, "GetType") {
		return c.in.invoke(c.at, v, name, items(c.args["ArgumentList"]))
	}
	return c.in.property(c.at, v, name)
}

func whereObject(c *call) error {
	for _, v := range c.input("InputObject") {
		ok, err := c.matches(v)
		if err != nil {
			return err
		}
		if ok {
			if err := c.out(v); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *call) matches(v any) (bool, error) {
	if b, ok := c.args["FilterScript"].(*scriptBlock); ok {
		all, err := c.in.invokeBlock(b, true, v)
		return truth(single(all)), err
	}
	left, err := c.in.property(c.at, v, c.str("FilterScript"))
	if err != nil {
		return false, err
	}
	for _, p := range c.def.params {
		if !p.flag || !c.flag(p.name) {
			continue
		}
		result, err := c.in.binary(&binaryExpr{pos: c.at, op: "-" + strings.ToLower(p.name), left: &constantExpr{c.at, left}, right: &constantExpr{c.at, c.args["Value"]}})
		return truth(result), err
	}
	return truth(left), nil
}

// keysOf evaluates what to sort or group by.
func (c *call) keysOf(v any, properties []any) ([]any, error) {
	if len(properties) == 0 {
		return []any{v}, nil
	}
	var keys []any
	for _, p := range properties {
		if h, ok := p.(*hashtable); ok {
			p, _ = h.get("Expression")
		}
		if b, ok := p.(*scriptBlock); ok {
			all, err := c.in.invokeBlock(b, true, v)
			if err != nil {
				return nil, err
			}
			keys = append(keys, single(all))
			continue
		}
		key, err := c.in.property(c.at, v, toString(p))
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func sortObject(c *call) error {
	type entry struct {
		v    any
		keys []any
	}
	properties := items(c.args["Property"])
	var all []entry
	for _, v := range c.input("InputObject") {
		keys, err := c.keysOf(v, properties)
		if err != nil {
			return err
		}
		all = append(all, entry{v, keys})
	}
	var failed error
	compare := func(a, b entry) int {
		for i := range a.keys {
			descending := c.flag("Descending")
			if i < len(properties) {
				if h, ok := properties[i].(*hashtable); ok {
					if d, ok := h.get("Descending"); ok {
						descending = truth(d)
					}
				}
			}
			x, y := a.keys[i], b.keys[i]
			if typeOf(x) != typeOf(y) {
				if _, ok := x.(string); ok {
					y = toString(y)
				} else if _, ok := y.(string); ok {
					x = toString(x)
				}
			}
			n, err := c.in.order(c.at, x, y, c.flag("CaseSensitive"))
			if err != nil {
				failed = err
			}
			if descending {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	}
	sort.SliceStable(all, func(i, j int) bool { return compare(all[i], all[j]) < 0 })
	if failed != nil {
		return failed
	}
	if c.flag("Unique") {
		all = slices.CompactFunc(all, func(a, b entry) bool { return compare(a, b) == 0 })
	}
	top, err := c.number("Top", len(all))
	if err != nil {
		return err
	}
	bottom, err := c.number("Bottom", len(all))
	if err != nil {
		return err
	}
	all = all[:max(0, min(top, len(all)))]
	all = all[max(0, len(all)-max(bottom, 0)):]
	for _, e := range all {
		if err := c.out(e.v); err != nil {
			return err
		}
	}
	return nil
}

// selected makes objects of some of the properties.
func (c *call) selected(all, properties []any, exclude []string) ([]any, error) {
	var result []any
	for _, v := range all {
		o := newObject("Selected." + typeOf(v))
		for _, p := range properties {
			name := toString(p)
			expression := p
			if h, ok := p.(*hashtable); ok {
				for _, key := range []string{"Name", "N", "Label", "L"} {
					if n, ok := h.get(key); ok {
						name = toString(n)
					}
				}
				for _, key := range []string{"Expression", "E"} {
					if e, ok := h.get(key); ok {
						expression = e
					}
				}
			}
			if b, ok := expression.(*scriptBlock); ok {
				if _, same := p.(*scriptBlock); same {
					name = toString(b)
				}
				values, err := c.in.invokeBlock(b, true, v)
				if err != nil {
					return nil, err
				}
				o.props.set(name, single(values))
				continue
			}
			names := []string{toString(expression)}
			if hasWildcard(names[0]) {
				re := wildcard(names[0], false)
				names = slices.DeleteFunc(propertyNames(v), func(n string) bool { return !re.MatchString(n) })
				name = ""
			}
			for _, n := range names {
				value, err := c.in.property(c.at, v, n)
				if err != nil {
					return nil, err
				}
				as := n
				if name != "" {
					as = name
				}
				if !slices.ContainsFunc(exclude, func(x string) bool { return wildcard(x, false).MatchString(as) }) {
					o.props.set(as, value)
				}
			}
		}
		result = append(result, o)
	}
	return result, nil
}

func selectObject(c *call) error {
	all := c.input("InputObject")
	skip, err := c.number("Skip", 0)
	if err != nil {
		return err
	}
	firstN, err := c.number("First", -1)
	if err != nil {
		return err
	}
	lastN, err := c.number("Last", -1)
	if err != nil {
		return err
	}
	skipLast, err := c.number("SkipLast", 0)
	if err != nil {
		return err
	}
	switch {
	case lastN >= 0 && firstN < 0:
		all = all[:max(0, len(all)-max(skip, 0))]
		all = all[max(0, len(all)-lastN):]
	default:
		all = all[min(max(skip, 0), len(all)):]
		all = all[:max(0, len(all)-max(skipLast, 0))]
		head := all
		if firstN >= 0 {
			head = all[:min(firstN, len(all))]
		}
		if lastN >= 0 {
			head = append(slices.Clone(head), all[max(len(head), len(all)-lastN):]...)
		}
		all = head
	}
	if c.has("Index") {
		var picked []any
		for _, i := range items(c.args["Index"]) {
			if v, ok := elementAt(all, i); ok {
				picked = append(picked, v)
			}
		}
		all = picked
	}
	if c.has("ExpandProperty") {
		for _, v := range all {
			value, err := c.in.property(c.at, v, c.str("ExpandProperty"))
			if err != nil {
				return err
			}
			if value == nil {
				if err := c.complain("System.Management.Automation.PSArgumentException", "Property \"%s\" cannot be found.", c.str("ExpandProperty")); err != nil {
					return err
				}
				continue
			}
			if err := emit(value, c.out); err != nil {
				return err
			}
		}
		return nil
	}
	if properties := items(c.args["Property"]); len(properties) > 0 || c.has("ExcludeProperty") {
		if len(properties) == 0 {
			properties = []any{"*"}
		}
		if all, err = c.selected(all, properties, c.strs("ExcludeProperty")); err != nil {
			return err
		}
	}
	if c.flag("Unique") {
		var unique []any
		for _, v := range all {
			if !slices.ContainsFunc(unique, func(u any) bool { return c.in.equal(u, v, true) }) {
				unique = append(unique, v)
			}
		}
		all = unique
	}
	for _, v := range all {
		if err := c.out(v); err != nil {
			return err
		}
	}
	return nil
}

func measure(c *call) error {
	all := c.input("InputObject")
	count, sum := 0, any(int64(0))
	var low, high any
	linesN, words, chars := 0, 0, 0
	for _, v := range all {
		if c.has("Property") {
			var err error
			if v, err = c.in.property(c.at, v, c.str("Property")); err != nil {
				return err
			}
			if v == nil {
				continue
			}
		}
		count++
		if c.flag("Line") || c.flag("Word") || c.flag("Character") {
			s := toString(v)
			linesN += len(lines(s))
			words += len(strings.Fields(s))
			chars += len(nt.UTF16(s))
			continue
		}
		if c.flag("Sum") || c.flag("Average") || c.flag("AllStats") {
			var err error
			if sum, err = c.in.apply(c.at, "+", sum, v); err != nil {
				return err
			}
		}
		if c.flag("Maximum") || c.flag("Minimum") {
			if n, err := c.in.order(c.at, v, orFirst(low, v), false); err != nil {
				return err
			} else if n <= 0 {
				low = v
			}
			if n, err := c.in.order(c.at, v, orFirst(high, v), false); err != nil {
				return err
			} else if n >= 0 {
				high = v
			}
		}
	}
	if c.flag("Line") || c.flag("Word") || c.flag("Character") {
		return c.out(newObject("Microsoft.PowerShell.Commands.TextMeasureInfo", "Lines", int64(linesN), "Words", int64(words), "Characters", int64(chars), "Property", nil))
	}
	o := newObject("Microsoft.PowerShell.Commands.GenericMeasureInfo", "Count", int64(count), "Average", nil, "Sum", nil, "Maximum", nil, "Minimum", nil, "Property", c.args["Property"])
	if c.flag("Sum") {
		o.props.set("Sum", sum)
	}
	if f, ok := toFloat(sum); ok && c.flag("Average") && count > 0 {
		o.props.set("Average", f/float64(count))
	}
	if c.flag("Maximum") {
		o.props.set("Maximum", high)
	}
	if c.flag("Minimum") {
		o.props.set("Minimum", low)
	}
	return c.out(o)
}

func orFirst(a, b any) any {
	if a == nil {
		return b
	}
	return a
}

func groupObject(c *call) error {
	type group struct {
		name string
		all  []any
	}
	var groups []*group
	for _, v := range c.input("InputObject") {
		keys, err := c.keysOf(v, items(c.args["Property"]))
		if err != nil {
			return err
		}
		name := join(keys, ", ")
		i := slices.IndexFunc(groups, func(g *group) bool { return nt.EqualFold(g.name, name) })
		if i < 0 {
			groups = append(groups, &group{name: name})
			i = len(groups) - 1
		}
		groups[i].all = append(groups[i].all, v)
	}
	if c.flag("AsHashTable") {
		h := newHash()
		for _, g := range groups {
			h.set(g.name, newList(g.all...))
		}
		return c.out(h)
	}
	for _, g := range groups {
		if err := c.out(newObject("Microsoft.PowerShell.Commands.GroupInfo", "Count", int64(len(g.all)), "Name", g.name, "Group", newList(g.all...))); err != nil {
			return err
		}
	}
	return nil
}

func selectString(c *call) error {
	var patterns []*regex
	for _, p := range c.strs("Pattern") {
		if c.flag("SimpleMatch") {
			p = escapeRegex(p)
		}
		re, err := newRegex(p, c.flag("CaseSensitive"))
		if err != nil {
			return c.in.located(c.at, err)
		}
		patterns = append(patterns, re)
	}
	any1 := false
	look := func(line, file string, number int) (bool, error) {
		for _, re := range patterns {
			found := re.re.MatchString(line)
			if found == c.flag("NotMatch") {
				continue
			}
			any1 = true
			if c.flag("Quiet") {
				return true, nil
			}
			all := newList()
			for _, at := range re.re.FindAllStringSubmatchIndex(line, -1) {
				all.items = append(all.items, newMatch(re, line, at))
				if !c.flag("AllMatches") {
					break
				}
			}
			shown := line
			if file != "" {
				shown = fmt.Sprintf("%s:%d:%s", file, number, line)
			}
			if c.flag("Raw") {
				return true, c.out(line)
			}
			return true, c.out(newObject("Microsoft.PowerShell.Commands.MatchInfo", "Line", line, "LineNumber", int64(number), "Path", file, "Filename", fileName(file), "Matches", all, "Pattern", re.text, "\x00text", shown))
		}
		return false, nil
	}
	read := func(f *view.File) error {
		b, err := c.in.load(f)
		if err != nil {
			return err
		}
		for i, line := range lines(decode(b, c.encoding(c.in.textEncoding()))) {
			found, err := look(line, nt.Win(f.Path), i+1)
			if err != nil {
				return err
			}
			if found && (c.flag("List") || c.flag("Quiet")) {
				return nil
			}
		}
		return nil
	}
	if c.has("Path") || c.has("LiteralPath") {
		if err := c.eachFile(read); err != nil {
			return err
		}
	}
	for i, v := range c.input("InputObject") {
		if f, ok := v.(fileItem); ok {
			if err := read(f.f); err != nil {
				return err
			}
			continue
		}
		if _, err := look(toString(v), "", i+1); err != nil {
			return err
		}
	}
	if c.flag("Quiet") {
		return c.out(any1)
	}
	return nil
}

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

package powershell

import (
	"fmt"
	"strings"
	"time"

	"github.com/mullion/mullion/internal/nt"
)

func init() {
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
		all, err := c.lines("InputObject")
		if err != nil {
			return err
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
}

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

// lines is what a cmdlet is to work on as lines of a file.
func (c *call) lines(name string) (all []string, err error) {
	for _, v := range c.input(name) {
		text, err := c.in.display(c.at, v, true)
		if err != nil {
			return nil, err
		}
		all = append(all, text...)
	}
	return all, nil
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

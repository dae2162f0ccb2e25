package powershell

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
)

func nop(*call) error { return nil }

func init() {
	addStream("ForEach-Object", "Process@0+ Begin End MemberName InputObject| ArgumentList", forEach)
	cmdlets["foreach-object"].ends = true
	addStream("Where-Object", "FilterScript=Property@0 Value@2 InputObject| EQ! NE! GT! GE! LT! LE! Like! NotLike! Match! NotMatch! Contains! NotContains! In! NotIn! CEQ! CNE! CMatch! CLike! Is! IsNot!", whereObject)
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

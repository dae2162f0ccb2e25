package powershell

import (
	"maps"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/mullion/mullion/internal/nt"
)

func trimSet(c *methodCall) string {
	set := ""
	for _, a := range c.args {
		for _, item := range items(a) {
			set += toString(item)
		}
	}
	if set == "" {
		return " \t\r\n\v\f\u00a0\ufeff"
	}
	return set
}

func ordinal(c *methodCall) bool {
	return len(c.args) > 1 && strings.Contains(strings.ToLower(toString(c.args[len(c.args)-1])), "ignorecase") || len(c.args) > 1 && c.args[1] == true
}

var stringMethods map[string]method

func init() {
	stringMethods = map[string]method{
		"trim":             func(c *methodCall) (any, error) { return strings.Trim(c.on.(string), trimSet(c)), nil },
		"trimstart":        func(c *methodCall) (any, error) { return strings.TrimLeft(c.on.(string), trimSet(c)), nil },
		"trimend":          func(c *methodCall) (any, error) { return strings.TrimRight(c.on.(string), trimSet(c)), nil },
		"tolower":          func(c *methodCall) (any, error) { return strings.ToLower(c.on.(string)), nil },
		"toupper":          func(c *methodCall) (any, error) { return strings.ToUpper(c.on.(string)), nil },
		"tolowerinvariant": func(c *methodCall) (any, error) { return strings.ToLower(c.on.(string)), nil },
		"toupperinvariant": func(c *methodCall) (any, error) { return strings.ToUpper(c.on.(string)), nil },
		"startswith":       func(c *methodCall) (any, error) { return strings.HasPrefix(folded(c)), nil },
		"endswith":         func(c *methodCall) (any, error) { return strings.HasSuffix(folded(c)), nil },
		"contains":         func(c *methodCall) (any, error) { return strings.Contains(folded(c)), nil },
		"indexof": func(c *methodCall) (any, error) {
			s, sub := folded(c)
			return units(s, strings.Index(s, sub)), nil
		},
		"lastindexof": func(c *methodCall) (any, error) {
			s, sub := folded(c)
			return units(s, strings.LastIndex(s, sub)), nil
		},
		"replace": func(c *methodCall) (any, error) {
			if c.str(0) == "" {
				return nil, c.fail("System.ArgumentException", "String cannot be of zero length. Parameter name: oldValue")
			}
			return strings.ReplaceAll(c.on.(string), c.str(0), c.str(1)), nil
		},
		"split": splitString,
		"substring": func(c *methodCall) (any, error) {
			u := nt.UTF16(c.on.(string))
			from, err := c.number(0)
			to := len(u)
			if err == nil && len(c.args) > 1 {
				to, err = c.number(1)
				to += from
			}
			if err != nil {
				return nil, err
			}
			if from < 0 || to < from || to > len(u) {
				return nil, c.fail(methodInvocation, "Exception calling \"Substring\": \"Index and length must refer to a location within the string.\"")
			}
			return nt.String(u[from:to]), nil
		},
		"remove": func(c *methodCall) (any, error) {
			u := nt.UTF16(c.on.(string))
			from, err := c.number(0)
			n := len(u) - from
			if err == nil && len(c.args) > 1 {
				n, err = c.number(1)
			}
			if err != nil {
				return nil, err
			}
			if from < 0 || n < 0 || from+n > len(u) {
				return nil, c.fail(methodInvocation, "Exception calling \"Remove\": \"Index and count must refer to a location within the string.\"")
			}
			return nt.String(slices.Concat(u[:from], u[from+n:])), nil
		},
		"insert": func(c *methodCall) (any, error) {
			u := nt.UTF16(c.on.(string))
			at, err := c.number(0)
			if err != nil {
				return nil, err
			}
			if at < 0 || at > len(u) {
				return nil, c.fail(methodInvocation, "Exception calling \"Insert\": \"Specified argument was out of the range of valid values.\"")
			}
			return nt.String(slices.Concat(u[:at], nt.UTF16(c.str(1)), u[at:])), nil
		},
		"padleft":  func(c *methodCall) (any, error) { return pad(c, true) },
		"padright": func(c *methodCall) (any, error) { return pad(c, false) },
		"tochararray": func(c *methodCall) (any, error) {
			l := newList()
			for _, r := range c.on.(string) {
				l.items = append(l.items, char(r))
			}
			return l, nil
		},
	}
}

// folded is the string and what to look for in it, in one case if the call asks so.
func folded(c *methodCall) (s, sub string) {
	s, sub = c.on.(string), c.str(0)
	if ordinal(c) {
		return nt.Fold(s), nt.Fold(sub)
	}
	return s, sub
}

// units turns an index in bytes into one in UTF-16 units.
func units(s string, i int) int64 {
	if i < 0 {
		return -1
	}
	return int64(len(nt.UTF16(s[:i])))
}

func pad(c *methodCall, left bool) (any, error) {
	n, err := c.number(0)
	if err != nil {
		return nil, err
	}
	with := " "
	if len(c.args) > 1 {
		with = c.str(1)
	}
	s := c.on.(string)
	missing := n - len(nt.UTF16(s))
	if missing <= 0 {
		return s, nil
	}
	if missing > maxSpan {
		return nil, c.in.unsupported(c.at, "Pad", "the string is longer than 10,000,000 characters")
	}
	if left {
		return strings.Repeat(with, missing) + s, nil
	}
	return s + strings.Repeat(with, missing), nil
}

// splitString is String.Split: each character of a separator separates in Windows
// PowerShell, the whole string in 7.
func splitString(c *methodCall) (any, error) {
	s := c.on.(string)
	var separators []string
	limit, skipEmpty := -1, false
	for i, a := range c.args {
		if i == 0 {
			for _, item := range items(a) {
				separators = append(separators, toString(item))
			}
			continue
		}
		if text := strings.ToLower(toString(a)); text == "removeemptyentries" || text == "1" && i == 2 {
			skipEmpty = true
		} else if text == "none" {
		} else if n, ok := toInt(a); ok && len(c.args) < 3 && i == 1 {
			limit = int(n)
		} else {
			return nil, c.in.unsupported(c.at, ".Split()", "this way of calling it is not known without Windows")
		}
	}
	_, array := first(c.args).(*list)
	if !c.in.core && !array && len(separators) == 1 {
		var chars []string
		for _, r := range separators[0] {
			chars = append(chars, string(r))
		}
		separators = chars
	}
	if len(separators) == 0 {
		separators = []string{" ", "\t", "\n", "\r"}
	}
	quoted := make([]string, len(separators))
	for i, s := range separators {
		quoted[i] = regexp.QuoteMeta(s)
	}
	l := newList()
	for _, part := range regexp.MustCompile(strings.Join(quoted, "|")).Split(s, limit) {
		if part != "" || !skipEmpty {
			l.items = append(l.items, part)
		}
	}
	return l, nil
}

var listMethods map[string]method

func init() {
	listMethods = map[string]method{
		"add": func(c *methodCall) (any, error) {
			l := c.on.(*list)
			if !l.dynamic {
				return nil, c.fail(methodInvocation, "Exception calling \"Add\" with \"1\" argument(s): \"Collection was of a fixed size.\"")
			}
			l.items = append(l.items, first(c.args))
			if l.generic {
				return nothing{}, nil
			}
			return int64(len(l.items) - 1), nil
		},
		"addrange": func(c *methodCall) (any, error) {
			l := c.on.(*list)
			if !l.dynamic {
				return nil, c.fail(methodInvocation, "Method invocation failed because [System.Object[]] does not contain a method named 'AddRange'.")
			}
			l.items = append(l.items, items(first(c.args))...)
			return nothing{}, nil
		},
		"insert": func(c *methodCall) (any, error) {
			l := c.on.(*list)
			i, err := c.number(0)
			if err != nil || !l.dynamic || i < 0 || i > len(l.items) || len(c.args) < 2 {
				return nil, c.fail(methodInvocation, "Exception calling \"Insert\": \"Collection was of a fixed size, or the index is out of range.\"")
			}
			l.items = slices.Insert(l.items, i, c.args[1])
			return nothing{}, nil
		},
		"remove": func(c *methodCall) (any, error) {
			l := c.on.(*list)
			if !l.dynamic {
				return nil, c.fail(methodInvocation, "Exception calling \"Remove\" with \"1\" argument(s): \"Collection was of a fixed size.\"")
			}
			i := slices.IndexFunc(l.items, func(v any) bool { return c.in.equal(v, first(c.args), true) })
			if i >= 0 {
				l.items = slices.Delete(l.items, i, i+1)
			}
			if l.generic {
				return i >= 0, nil
			}
			return nothing{}, nil
		},
		"removeat": func(c *methodCall) (any, error) {
			l := c.on.(*list)
			i, err := c.number(0)
			if err != nil || !l.dynamic || i < 0 || i >= len(l.items) {
				return nil, c.fail(methodInvocation, "Exception calling \"RemoveAt\": \"Index was out of range, or the collection has a fixed size.\"")
			}
			l.items = slices.Delete(l.items, i, i+1)
			return nothing{}, nil
		},
		"clear": func(c *methodCall) (any, error) {
			if l := c.on.(*list); l.dynamic {
				l.items = nil
			}
			return nothing{}, nil
		},
		"contains": func(c *methodCall) (any, error) {
			return slices.ContainsFunc(c.on.(*list).items, func(v any) bool { return c.in.equal(v, first(c.args), true) }), nil
		},
		"indexof": func(c *methodCall) (any, error) {
			return int64(slices.IndexFunc(c.on.(*list).items, func(v any) bool { return c.in.equal(v, first(c.args), true) })), nil
		},
		"toarray": func(c *methodCall) (any, error) { return newList(slices.Clone(c.on.(*list).items)...), nil },
		"clone":   func(c *methodCall) (any, error) { return newList(slices.Clone(c.on.(*list).items)...), nil },
		"reverse": func(c *methodCall) (any, error) { slices.Reverse(c.on.(*list).items); return nothing{}, nil },
		"sort": func(c *methodCall) (any, error) {
			l := c.on.(*list)
			sort.SliceStable(l.items, func(i, j int) bool {
				n, err := c.in.order(c.at, l.items[i], l.items[j], false)
				return err == nil && n < 0
			})
			return nothing{}, nil
		},
		"getenumerator": func(c *methodCall) (any, error) { return c.on, nil },
		"getlength":     func(c *methodCall) (any, error) { return int64(len(c.on.(*list).items)), nil },
	}
}

var hashMethods = map[string]method{
	"add": func(c *methodCall) (any, error) {
		h := c.on.(*hashtable)
		if len(c.args) != 2 {
			return nil, c.fail("System.Management.Automation.MethodException", "Cannot find an overload for \"Add\" and the argument count: \"%d\".", len(c.args))
		}
		if _, ok := h.get(c.args[0]); ok {
			return nil, c.fail(methodInvocation, "Exception calling \"Add\" with \"2\" argument(s): \"Item has already been added. Key in dictionary: '%s'\"", c.str(0))
		}
		h.set(c.args[0], c.args[1])
		return nothing{}, nil
	},
	"contains":    func(c *methodCall) (any, error) { _, ok := c.on.(*hashtable).get(first(c.args)); return ok, nil },
	"containskey": func(c *methodCall) (any, error) { _, ok := c.on.(*hashtable).get(first(c.args)); return ok, nil },
	"containsvalue": func(c *methodCall) (any, error) {
		return slices.ContainsFunc(c.on.(*hashtable).values, func(v any) bool { return c.in.equal(v, first(c.args), true) }), nil
	},
	"remove": func(c *methodCall) (any, error) { c.on.(*hashtable).remove(first(c.args)); return nothing{}, nil },
	"clear": func(c *methodCall) (any, error) {
		h := c.on.(*hashtable)
		h.keys, h.values, h.at = nil, nil, map[any]int{}
		return nothing{}, nil
	},
	"clone": func(c *methodCall) (any, error) {
		h := c.on.(*hashtable)
		return &hashtable{keys: slices.Clone(h.keys), values: slices.Clone(h.values), at: maps.Clone(h.at), ordered: h.ordered}, nil
	},
	"getenumerator": func(c *methodCall) (any, error) { return entries(c.on.(*hashtable)), nil },
}

// entries are the pairs of a hashtable as objects.
func entries(h *hashtable) *list {
	l := newList()
	for _, i := range h.order() {
		l.items = append(l.items, newObject("System.Collections.DictionaryEntry", "Name", h.keys[i], "Key", h.keys[i], "Value", h.values[i]))
	}
	return l
}

func addTime(unit time.Duration) method {
	return func(c *methodCall) (any, error) {
		f, ok := toFloat(first(c.args))
		if !ok {
			return nil, castError(first(c.args), "System.Double")
		}
		return c.on.(time.Time).Add(time.Duration(f * float64(unit))), nil
	}
}

var timeMethods = map[string]method{
	"addmilliseconds": addTime(time.Millisecond), "addseconds": addTime(time.Second), "addminutes": addTime(time.Minute),
	"addhours": addTime(time.Hour), "adddays": addTime(24 * time.Hour),
	"addmonths": func(c *methodCall) (any, error) {
		n, err := c.number(0)
		return c.on.(time.Time).AddDate(0, n, 0), err
	},
	"addyears": func(c *methodCall) (any, error) {
		n, err := c.number(0)
		return c.on.(time.Time).AddDate(n, 0, 0), err
	},
	"touniversaltime":   func(c *methodCall) (any, error) { return c.on, nil },
	"tolocaltime":       func(c *methodCall) (any, error) { return c.on, nil },
	"toshortdatestring": func(c *methodCall) (any, error) { return c.on.(time.Time).Format("1/2/2006"), nil },
	"tofiletime":        func(c *methodCall) (any, error) { return int64(nt.FiletimeOf(c.on.(time.Time))), nil },
	"tofiletimeutc":     func(c *methodCall) (any, error) { return int64(nt.FiletimeOf(c.on.(time.Time))), nil },
	"subtract":          func(c *methodCall) (any, error) { return c.in.apply(c.at, "-", c.on, first(c.args)) },
}

var regexMethods = map[string]method{
	"ismatch": func(c *methodCall) (any, error) { return c.on.(*regex).re.MatchString(c.str(0)), nil },
	"match":   func(c *methodCall) (any, error) { return findMatch(c.on.(*regex), c.str(0)), nil },
	"matches": func(c *methodCall) (any, error) { return findMatches(c.on.(*regex), c.str(0)), nil },
	"replace": func(c *methodCall) (any, error) {
		return c.on.(*regex).re.ReplaceAllString(c.str(0), replacement(c.str(1))), nil
	},
	"split": func(c *methodCall) (any, error) { return texts(c.on.(*regex).re.Split(c.str(0), -1)), nil },
}

func texts(all []string) *list {
	l := newList()
	for _, s := range all {
		l.items = append(l.items, s)
	}
	return l
}

func newMatch(r *regex, s string, at []int) *match {
	m := &match{index: -1, names: r.re.SubexpNames()}
	if at == nil {
		return m
	}
	m.text, m.index = s[at[0]:at[1]], int(units(s, at[0]))
	for i := 0; i+1 < len(at); i += 2 {
		group := ""
		if at[i] >= 0 {
			group = s[at[i]:at[i+1]]
		}
		m.groups = append(m.groups, group)
	}
	return m
}

func findMatch(r *regex, s string) any { return newMatch(r, s, r.re.FindStringSubmatchIndex(s)) }

func findMatches(r *regex, s string) any {
	all := &matches{}
	for _, at := range r.re.FindAllStringSubmatchIndex(s, -1) {
		all.all = append(all.all, newMatch(r, s, at))
	}
	return all
}

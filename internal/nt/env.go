package nt

import "strings"

// Env is a set of environment variables. Case does not matter in their names; the
// first spelling and the order of first setting are kept. It is not safe for
// concurrent use.
type Env struct {
	vars  []variable
	index map[string]int // folded name -> position in vars
}

type variable struct {
	name, value string
	gone        bool
}

// NewEnv makes an Env from entries NAME=VALUE, later ones winning. Entries without a
// name are ignored; a name may begin with "=", as those of cmd's drives do.
func NewEnv(kv ...string) *Env {
	e := &Env{index: make(map[string]int, len(kv))}
	for _, s := range kv {
		if i := strings.IndexByte(s[min(1, len(s)):], '='); i >= 0 && s != "" {
			e.Set(s[:i+1], s[i+2:])
		}
	}
	return e
}

// Get returns the value of a variable.
func (e *Env) Get(name string) (string, bool) {
	i, ok := e.index[Fold(name)]
	if !ok || e.vars[i].gone {
		return "", false
	}
	return e.vars[i].value, true
}

// Set sets a variable.
func (e *Env) Set(name, value string) {
	key := Fold(name)
	if i, ok := e.index[key]; ok && !e.vars[i].gone {
		e.vars[i].value = value
		return
	}
	e.index[key] = len(e.vars)
	e.vars = append(e.vars, variable{name: name, value: value})
}

// Unset removes a variable, which need not exist.
func (e *Env) Unset(name string) {
	if i, ok := e.index[Fold(name)]; ok {
		e.vars[i].gone = true
	}
}

// List returns the variables as NAME=VALUE in the order in which they were first set.
func (e *Env) List() []string {
	list := make([]string, 0, len(e.vars))
	for _, v := range e.vars {
		if !v.gone {
			list = append(list, v.name+"="+v.value)
		}
	}
	return list
}

// Expand replaces every %NAME% by the variable's value, once. Names that are not set
// and single percent signs stay as they are.
func (e *Env) Expand(s string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		s = s[i:]
		end := strings.IndexByte(s[1:], '%')
		if end < 0 {
			break
		}
		if v, ok := e.Get(s[1 : 1+end]); ok && end > 0 {
			b.WriteString(v)
			s = s[end+2:]
			continue
		}
		b.WriteString(s[:end+1]) // the second sign may open the next name
		s = s[end+1:]
	}
	b.WriteString(s)
	return b.String()
}

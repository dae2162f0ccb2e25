package cmdexe

import (
	"strconv"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// late puts in what a piece of the tree gets each time it runs: the variables of
// the loops around it, then those between exclamation marks.
func (s *shell) late(text string) (string, error) {
	text, err := s.loopVariables(text)
	if err != nil || !s.delayed || !strings.Contains(text, "!") {
		return text, err
	}
	return s.exclamations(text)
}

func (s *shell) loopVariables(text string) (string, error) {
	if len(s.loops) == 0 || !strings.Contains(text, "%") {
		return text, nil
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		value, n, err := s.loopVariable(text[i:])
		if err != nil {
			return "", err
		}
		if n == 0 {
			b.WriteByte(text[i])
			continue
		}
		b.WriteString(value)
		i += n - 1
		if b.Len() > maxLine {
			return "", tooLong
		}
	}
	return b.String(), nil
}

// loopVariable reads %v or %~modifiers v at the start of text; n is 0 if it is
// neither.
func (s *shell) loopVariable(text string) (value string, n int, err error) {
	if len(text) < 2 || text[0] != '%' {
		return "", 0, nil
	}
	if value, ok := s.loops[text[1]]; ok {
		return value, 2, nil
	}
	if text[1] != '~' {
		return "", 0, nil
	}
	return s.modified(text, func(c byte) (string, bool) { v, ok := s.loops[c]; return v, ok })
}

// modified reads "%~modifiers c" where c names a value. A letter that could be
// either is a modifier if a name follows.
func (s *shell) modified(text string, value func(c byte) (string, bool)) (string, int, error) {
	end, path := 2, ""
	for end < len(text) {
		c := text[end] | 0x20
		if text[end] == '$' {
			i := strings.IndexByte(text[end:], ':')
			if i < 0 {
				break
			}
			path = text[end+1 : end+i]
			end += i + 1
			continue
		}
		if strings.IndexByte("fdpnxsatz", c) < 0 {
			break
		}
		end++
	}
	for ; end >= 2; end-- {
		if end == len(text) {
			continue
		}
		if v, ok := value(text[end]); ok {
			v, err := s.modify(unquote(v), strings.ToLower(text[2:end]), path)
			return v, end + 1, err
		}
		if path != "" {
			break
		}
	}
	return "", 0, nil
}

// modify takes apart a value as the modifiers say: f the full path, d its drive, p
// its directory, n its name, x its ending, z the file's size.
func (s *shell) modify(v, modifiers, searchVariable string) (string, error) {
	if i := strings.IndexByte(modifiers, '$'); i >= 0 {
		dirs, _ := s.p.Env.Get(searchVariable)
		found := s.p.SearchIn(dirs, v, []string{""})
		if found == "" {
			return "", nil
		}
		v, modifiers = nt.Win(found), modifiers[strings.IndexByte(modifiers, ':')+1:]
		if modifiers == "" {
			return v, nil
		}
	}
	if modifiers == "" {
		return v, nil
	}
	if i := strings.IndexAny(modifiers, "sat"); i >= 0 {
		return "", &proc.Unsupported{Command: "%~" + modifiers, Why: "short names, attributes and times of files are not told without Windows"}
	}
	cpath, err := s.p.Path(v)
	if err != nil {
		return "", &proc.Unsupported{Command: "%~" + modifiers, Why: err.Error()}
	}
	full := nt.Win(cpath)
	if f, ok := s.p.Find(v); ok {
		full = nt.Win(f.Path) // as it is spelled on disk
	}
	slash := strings.LastIndexByte(full, '\\')
	dir, name, ext := full[2:slash+1], full[slash+1:], ""
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		name, ext = name[:i], name[i:]
	}
	var parts []string
	if strings.Contains(modifiers, "z") {
		size := ""
		if f, ok := s.p.Find(v); ok {
			size = strconv.FormatInt(f.Entry.Size, 10)
		}
		parts = append(parts, size)
	}
	path := ""
	for _, part := range []struct{ letter, text string }{{"d", full[:2]}, {"p", dir}, {"n", name}, {"x", ext}} {
		if strings.Contains(modifiers, part.letter) {
			path += part.text
		}
	}
	if strings.Contains(modifiers, "f") {
		path = full
	}
	if path != "" {
		parts = append(parts, path)
	}
	return strings.Join(parts, " "), nil
}

// exclamations replaces !NAME! and its forms with modifiers. In a text that has
// any, a caret hides the next character once more.
func (s *shell) exclamations(text string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '^' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
			continue
		case text[i] != '!':
			b.WriteByte(text[i])
			continue
		}
		end := strings.IndexByte(text[i+1:], '!')
		if end < 0 {
			continue // a lone mark is dropped
		}
		value, _, err := s.reference(text[i+1 : i+1+end])
		if err != nil {
			return "", err
		}
		b.WriteString(value)
		i += end + 1
		if b.Len() > maxLine {
			return "", tooLong
		}
	}
	return b.String(), nil
}

// reference is the value of NAME, NAME:old=new or NAME:~start,length.
func (s *shell) reference(text string) (value string, ok bool, err error) {
	name, modifier, modified := strings.Cut(text, ":")
	value, ok, err = s.lookup(name)
	if err != nil || !ok || !modified {
		return value, ok, err
	}
	value, ok = modify(value, modifier)
	return value, ok, nil
}

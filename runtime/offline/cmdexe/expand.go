package cmdexe

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mullion/mullion/runtime/offline/proc"
)

// maxLine is how long a command line may be, before and after expansion, as in
// Windows (8191 characters, of at most 3 bytes each here).
const maxLine = 3 * 8191

// tooLong is the error for a line that Windows would refuse too.
var tooLong = &proc.Unsupported{Command: "cmd", Why: "the command line is longer than 8191 characters"}

// expand replaces %NAME%, %NAME:old=new% and %NAME:~start,length%. In a batch
// file also %0 to %9, %* and %%, and there what is not set is empty.
func (s *shell) expand(line string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(line); {
		if line[i] != '%' {
			b.WriteByte(line[i])
			i++
			continue
		}
		value, n, err := s.variable(line[i:])
		if err != nil {
			return "", err
		}
		if n == 0 {
			if s.script == nil {
				b.WriteByte('%')
			}
			i++
			continue
		}
		b.WriteString(value)
		i += n
		if b.Len() > maxLine {
			return "", tooLong
		}
	}
	return b.String(), nil
}

// variable reads the reference that text starts with; n is its length, 0 if it
// is not one.
func (s *shell) variable(text string) (value string, n int, err error) {
	if s.script != nil {
		if value, n, err = s.parameter(text); n > 0 || err != nil {
			return value, n, err
		}
	}
	end := strings.IndexAny(text[1:], "%:") + 1
	if end <= 1 {
		return "", 0, nil
	}
	closing := strings.IndexByte(text[end:], '%')
	if closing < 0 {
		return "", 0, nil
	}
	value, ok, err := s.reference(text[1 : end+closing])
	switch {
	case err != nil:
		return "", 0, err
	case ok:
		return value, end + closing + 1, nil
	case s.script != nil && !s.defined(text[1:end]):
		return "", end + 1, nil
	}
	return "", 0, nil
}

// parameter reads what only batch files have.
func (s *shell) parameter(text string) (value string, n int, err error) {
	if len(text) < 2 {
		return "", 0, nil
	}
	switch c := text[1]; {
	case c == '%':
		return "%", 2, nil
	case c == '*':
		return s.script.all, 2, nil
	case c >= '0' && c <= '9':
		return s.script.arg(int(c - '0')), 2, nil
	case c == '~':
		script := s.script
		return s.modified(text, func(c byte) (string, bool) {
			if c < '0' || c > '9' {
				return "", false
			}
			if c == '0' && len(text) > 2 && text[2] != '0' {
				return script.path, true // its parts are those of the file's path
			}
			return script.arg(int(c - '0')), true
		})
	}
	return "", 0, nil
}

func (s *shell) defined(name string) bool {
	_, ok := s.p.Env.Get(name)
	return ok
}

// lookup finds a variable, set or computed.
func (s *shell) lookup(name string) (string, bool, error) {
	if v, ok := s.p.Env.Get(name); ok {
		return v, true, nil
	}
	switch strings.ToUpper(name) {
	case "CD":
		return s.p.Cwd, true, nil
	case "ERRORLEVEL":
		return strconv.Itoa(int(int32(s.errorlevel))), true, nil
	case "CMDEXTVERSION":
		return "2", true, nil
	case "DATE", "TIME", "RANDOM", "COMPUTERNAME", "CMDCMDLINE", "PROCESSOR_IDENTIFIER", "PROCESSOR_LEVEL", "PROCESSOR_REVISION", "NUMBER_OF_PROCESSORS":
		return "", false, &proc.Unsupported{Command: "%" + name + "%", Why: "its value depends on the machine or the time and would differ from build to build"}
	}
	return "", false, nil
}

// modify applies what follows the colon of a reference.
func modify(value, m string) (string, bool) {
	if rest, ok := strings.CutPrefix(m, "~"); ok {
		return substring(value, rest)
	}
	old, repl, ok := strings.Cut(m, "=")
	if !ok || old == "" {
		return "", false
	}
	if after, ok := strings.CutPrefix(old, "*"); ok {
		i := indexFold(value, after)
		if i < 0 {
			return value, true
		}
		return repl + value[i+len(after):], true
	}
	var b strings.Builder
	for {
		i := indexFold(value, old)
		if i < 0 {
			break
		}
		b.WriteString(value[:i] + repl)
		value = value[i+len(old):]
		if b.Len() > maxLine {
			break
		}
	}
	return b.String() + value, true
}

// indexFold is strings.Index without regard to the case of ASCII letters.
func indexFold(s, sub string) int {
	for i := 0; i+len(sub) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(sub)], sub) {
			return i
		}
	}
	return -1
}

// substring is the ~start,length modifier; negative numbers count from the end.
func substring(value, spec string) (string, bool) {
	r := []rune(value)
	first, second, both := strings.Cut(spec, ",")
	start, ok := number(first)
	if !ok {
		return "", false
	}
	if start < 0 {
		start = max(0, len(r)+start)
	}
	start = min(start, len(r))
	end := len(r)
	if both {
		n, ok := number(second)
		if !ok {
			return "", false
		}
		if n < 0 {
			end = max(start, len(r)+n)
		} else {
			end = min(len(r), start+n)
		}
	}
	return string(r[start:end]), true
}

// number reads an integer of a modifier; nothing is 0.
func number(s string) (int, bool) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(s, 0, 32)
	return int(n), err == nil
}

// syntaxError is what cmd prints for a line it cannot parse; the line's exit code
// is then 1 and nothing of it runs.
type syntaxError struct{ near string }

func (e *syntaxError) Error() string {
	if e.near == "" {
		return "The syntax of the command is incorrect."
	}
	return fmt.Sprintf("%s was unexpected at this time.", e.near)
}

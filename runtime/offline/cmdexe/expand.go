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

// expand replaces %NAME%, %NAME:old=new% and %NAME:~start,length%.
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
			b.WriteByte('%')
			i++
			continue
		}
		b.WriteString(value)
		i += n
		if b.Len() > maxLine {
			break
		}
	}
	if b.Len() > maxLine {
		return "", &proc.Unsupported{Command: "cmd", Why: "the command line is longer than 8191 characters"}
	}
	return b.String(), nil
}

// variable reads the reference that text starts with; n is its length, 0 if it
// is not one and the percent sign stands for itself.
func (s *shell) variable(text string) (value string, n int, err error) {
	end := strings.IndexAny(text[1:], "%:") + 1
	if end <= 1 {
		return "", 0, nil
	}
	// A colon straight before the closing percent sign belongs to the name.
	if text[end] == ':' && strings.HasPrefix(text[end:], ":%") {
		end++
	}
	name := text[1:end]
	value, ok, err := s.lookup(name)
	if err != nil || !ok {
		return "", 0, err
	}
	if text[end] == '%' {
		return value, end + 1, nil
	}
	closing := strings.IndexByte(text[end:], '%')
	if closing < 0 {
		return "", 0, nil
	}
	value, ok = modify(value, text[end+1:end+closing])
	if !ok {
		return "", 0, nil
	}
	return value, end + closing + 1, nil
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

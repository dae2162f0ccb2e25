package tools

import (
	"context"
	"io"
	"regexp"
	"strings"

	"github.com/mullion/mullion/runtime/offline/proc"
)

// findstr prints the lines that match one of several patterns.
func findstr(_ context.Context, p *proc.Process, args []string) (uint32, error) {
	var literal, regex, fold, not, number, names, begin, end, exact, below bool
	var patterns, files []string
	given := false
	for _, a := range args {
		if !strings.HasPrefix(a, "/") || len(a) < 2 {
			if given {
				files = append(files, a)
			} else {
				patterns, given = strings.Fields(a), true
			}
			continue
		}
		if len(a) > 2 && a[2] == ':' {
			switch a[1] | 0x20 {
			case 'c':
				patterns, given, literal = append(patterns, a[3:]), true, !regex
				continue
			}
			return unknown("findstr", args, a+" is not known without Windows")
		}
		for _, o := range strings.ToLower(a[1:]) {
			switch o {
			case '/':
			case 'l':
				literal = true
			case 'r':
				regex, literal = true, false
			case 'i':
				fold = true
			case 'v':
				not = true
			case 'n':
				number = true
			case 'm':
				names = true
			case 'b':
				begin = true
			case 'e':
				end = true
			case 'x':
				exact = true
			case 's':
				below = true
			default:
				return unknown("findstr", args, "/"+string(o)+" is not known without Windows")
			}
		}
	}
	if len(patterns) == 0 {
		p.Complain("FINDSTR: Bad command line")
		return 2, nil
	}
	if below {
		return unknown("findstr", args, "/S is not known without Windows")
	}
	var list []*regexp.Regexp
	for _, pattern := range patterns {
		text := regexp.QuoteMeta(pattern)
		if !literal && (regex || strings.ContainsAny(pattern, `.*[]^$\<>`)) {
			text = findstrPattern(pattern)
		}
		if begin || exact {
			text = "^(?:" + text + ")"
		}
		if end || exact {
			text = "(?:" + text + ")$"
		}
		if fold {
			text = "(?i)" + text
		}
		re, err := regexp.Compile(text)
		if err != nil {
			return unknown("findstr", args, pattern+" is not an expression that is known without Windows")
		}
		list = append(list, re)
	}
	found := false
	search := func(name string, r io.Reader) error {
		lines, err := readLines(r)
		if err != nil {
			return err
		}
		prefix := ""
		if name != "" && (len(files) > 1 || strings.ContainsAny(strings.Join(files, ""), "*?")) {
			prefix = name + ":"
		}
		for i, line := range lines {
			if anyMatch(list, line) == not {
				continue
			}
			found = true
			switch {
			case names:
				p.Println("%s", name)
				return nil
			case number:
				p.Println("%s%d:%s", prefix, i+1, line)
			default:
				p.Println("%s%s", prefix, line)
			}
		}
		return nil
	}
	if err := eachInput(p, files, "FINDSTR: Cannot open %s", search); err != nil {
		return 0, err
	}
	if !found {
		return 1, nil
	}
	return 0, nil
}

func anyMatch(list []*regexp.Regexp, line string) bool {
	for _, re := range list {
		if re.MatchString(line) {
			return true
		}
	}
	return false
}

// findstrPattern turns findstr's expression into Go's: of the special characters
// it has only . * ^ $ [ ] \< and \>.
func findstrPattern(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '.', '*', '^', '$':
			b.WriteByte(c)
		case '[':
			end := strings.IndexByte(pattern[i:], ']')
			if end < 0 {
				b.WriteString(`\[`)
				continue
			}
			b.WriteString(pattern[i : i+end+1])
			i += end
		case '\\':
			if i+1 < len(pattern) {
				i++
				if pattern[i] == '<' || pattern[i] == '>' {
					b.WriteString(`\b`)
				} else {
					b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
				}
			}
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return b.String()
}

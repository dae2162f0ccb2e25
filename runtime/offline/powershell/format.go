package powershell

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// format is -f and [string]::Format: {index,width:format}.
func (in *interp) format(at pos, text string, args []any) (any, error) {
	var b strings.Builder
	bad := func() (any, error) {
		return nil, in.raise(at, "System.FormatException", "Error formatting a string: Input string was not in a correct format.")
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		if (c == '{' || c == '}') && i+1 < len(text) && text[i+1] == c {
			b.WriteByte(c)
			i++
			continue
		}
		if c == '}' {
			return bad()
		}
		if c != '{' {
			b.WriteByte(c)
			continue
		}
		end := strings.IndexByte(text[i:], '}')
		if end < 0 {
			return bad()
		}
		item := text[i+1 : i+end]
		i += end
		item, how, _ := strings.Cut(item, ":")
		item, width, _ := strings.Cut(item, ",")
		n, err := strconv.Atoi(strings.TrimSpace(item))
		if err != nil || n < 0 {
			return bad()
		}
		if n >= len(args) {
			return nil, in.raise(at, "System.FormatException", "Error formatting a string: Index (zero based) must be greater than or equal to zero and less than the size of the argument list..")
		}
		one := toString(args[n])
		if how != "" {
			if one, err = in.formatValue(at, args[n], how); err != nil {
				return nil, err
			}
		}
		w, err := strconv.Atoi(strings.TrimSpace(width))
		if width != "" && (err != nil || w > 1<<20 || w < -1<<20) {
			return bad()
		}
		left := strings.Repeat(" ", max(0, w-len([]rune(one))))
		right := strings.Repeat(" ", max(0, -w-len([]rune(one))))
		b.WriteString(left + one + right)
	}
	return b.String(), nil
}

// formatValue is a value as text in one of .NET's formats.
func (in *interp) formatValue(at pos, v any, how string) (string, error) {
	switch v := v.(type) {
	case time.Time:
		return in.formatTime(at, v, how)
	case int64, float64:
		if s, ok := formatNumber(v, how); ok {
			return s, nil
		}
		return "", in.unsupported(at, how, "this format of a number is not known without Windows")
	}
	return toString(v), nil
}

func formatNumber(v any, how string) (string, bool) {
	f, _ := toFloat(v)
	n, whole := v.(int64)
	kind := how[0] | 0x20
	digits, err := -1, error(nil)
	if len(how) > 1 {
		if digits, err = strconv.Atoi(how[1:]); err != nil || digits < 0 || digits > 99 {
			kind = 0
		}
	}
	precision := digits
	if precision < 0 {
		precision = 2
	}
	switch kind {
	case 'd':
		if !whole {
			return "", false
		}
		s := strconv.FormatUint(uint64(max(n, -n)), 10)
		s = strings.Repeat("0", max(0, digits-len(s))) + s
		if n < 0 {
			s = "-" + s
		}
		return s, true
	case 'x':
		if !whole {
			return "", false
		}
		u := uint64(n)
		if n < 0 && n >= math.MinInt32 {
			u = uint64(uint32(n))
		}
		s := strconv.FormatUint(u, 16)
		if how[0] == 'X' {
			s = strings.ToUpper(s)
		}
		return strings.Repeat("0", max(0, digits-len(s))) + s, true
	case 'f':
		return strconv.FormatFloat(f, 'f', precision, 64), true
	case 'n':
		return grouped(strconv.FormatFloat(f, 'f', precision, 64)), true
	case 'p':
		return grouped(strconv.FormatFloat(f*100, 'f', precision, 64)) + "%", true
	case 'g':
		if digits <= 0 {
			return toString(v), true
		}
	}
	return customNumber(f, how)
}

// grouped puts commas between thousands.
func grouped(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, rest, dot := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if dot {
		whole += "." + rest
	}
	return sign + whole
}

// customNumber is a format of 0, # and one point.
func customNumber(f float64, how string) (string, bool) {
	if strings.Trim(how, "0#.") != "" {
		return "", false
	}
	whole, fraction, _ := strings.Cut(how, ".")
	if strings.Contains(fraction, ".") {
		return "", false
	}
	s := strconv.FormatFloat(math.Abs(f), 'f', len(fraction), 64)
	left, right, _ := strings.Cut(s, ".")
	left = strings.TrimLeft(left, "0")
	left = strings.Repeat("0", max(0, strings.Count(whole, "0")-len(left))) + left
	for right != "" && fraction[len(right)-1] == '#' && right[len(right)-1] == '0' {
		right = right[:len(right)-1]
	}
	if right != "" {
		left += "." + right
	}
	if f < 0 && strings.Trim(left, "0.") != "" {
		left = "-" + left
	}
	return left, true
}

// formatTime is a date in one of .NET's formats, in the invariant culture.
func (in *interp) formatTime(at pos, t time.Time, how string) (string, error) {
	switch how {
	case "d":
		how = "MM/dd/yyyy"
	case "s":
		how = "yyyy-MM-ddTHH:mm:ss"
	case "u":
		how = "yyyy-MM-dd HH:mm:ssZ"
	case "o", "O":
		how = "yyyy-MM-ddTHH:mm:ss.fffffffZ"
	case "g", "G", "f", "F", "D", "t", "T", "r", "R", "m", "M", "y", "Y", "U":
		return "", in.unsupported(at, how, "this format of a date is not known without Windows")
	}
	var b strings.Builder
	for i := 0; i < len(how); {
		c := how[i]
		n := 1
		for i+n < len(how) && how[i+n] == c {
			n++
		}
		switch c {
		case 'y':
			if n == 2 {
				b.WriteString(t.Format("06"))
			} else {
				b.WriteString(t.Format("2006"))
			}
		case 'M':
			b.WriteString(t.Format([]string{"1", "01", "Jan", "January"}[min(n, 4)-1]))
		case 'd':
			b.WriteString(t.Format([]string{"2", "02", "Mon", "Monday"}[min(n, 4)-1]))
		case 'H':
			s := strconv.Itoa(t.Hour())
			b.WriteString(strings.Repeat("0", max(0, min(n, 2)-len(s))) + s)
		case 'h':
			b.WriteString(t.Format([]string{"3", "03"}[min(n, 2)-1]))
		case 'm':
			b.WriteString(t.Format([]string{"4", "04"}[min(n, 2)-1]))
		case 's':
			b.WriteString(t.Format([]string{"5", "05"}[min(n, 2)-1]))
		case 't':
			b.WriteString(t.Format("PM")[:min(n, 2)])
		case 'f':
			b.WriteString((t.Format(".000000000")[1:])[:min(n, 9)])
		case 'z':
			b.WriteString("+00:00")
		case 'K':
			b.WriteString("Z")
		case '\'', '"':
			end := strings.IndexByte(how[i+1:], c)
			if end < 0 {
				return "", in.raise(at, "System.FormatException", "Input string was not in a correct format.")
			}
			b.WriteString(how[i+1 : i+1+end])
			i += end + 2
			continue
		case '\\':
			n = min(2, len(how)-i)
			b.WriteString(how[i+1 : i+n])
		default:
			b.WriteString(how[i : i+n])
		}
		i += n
	}
	return b.String(), nil
}

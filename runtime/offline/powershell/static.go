package powershell

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/tools"
)

// statics are the static methods and properties of types, by "type::member" in
// lower case without "system.".
var statics map[string]method

// Statics lists them, sorted by the caller.
func Statics() []string {
	var names []string
	for name := range statics {
		names = append(names, name)
	}
	return names
}

func constant(v any) method { return func(*methodCall) (any, error) { return v, nil } }

// enumerations are types whose members stand for their names.
var enumerations = map[string]bool{
	"net.securityprotocoltype": true, "environmentvariabletarget": true, "io.compression.compressionlevel": true, "io.compression.zipfileextensions": false,
	"microsoft.win32.registryvaluekind": true, "consolecolor": true, "stringcomparison": true, "io.searchoption": true, "io.fileattributes": true,
	"stringsplitoptions": true, "io.compression.ziparchivemode": true, "io.filemode": true, "text.regularexpressions.regexoptions": true,
	"security.accesscontrol.filesystemrights": true, "security.accesscontrol.accesscontroltype": true, "security.accesscontrol.inheritanceflags": true,
	"security.accesscontrol.propagationflags": true, "management.automation.actionpreference": true, "io.fileaccess": true, "io.fileshare": true,
}

// static is [type]::name and [type]::name(...).
func (in *interp) static(e *memberExpr, t typeRef, name string, args []any) (any, error) {
	lower := strings.ToLower(name)
	if enumerations[t.name] && !e.call {
		return name, nil
	}
	kind := t.name
	switch kind {
	case "net.servicepointmanager":
		if lower == "securityprotocol" {
			return "Tls12, Tls13", nil
		}
		return nil, nil
	case "int32":
		kind = "int"
	case "int64":
		kind = "long"
	case "text.regularexpressions.regex":
		kind = "regex"
	}
	if m := statics[kind+"::"+lower]; m != nil {
		return m(&methodCall{in: in, at: e.pos, on: t, args: args})
	}
	switch lower {
	case "new":
		return in.newObject(e.pos, t.name, args)
	case "parse":
		if len(args) == 1 {
			if _, ok := ranges[t.name]; ok || t.name == "version" || t.name == "datetime" || t.name == "timespan" || t.name == "bool" || t.name == "double" {
				return in.cast(args[0], &typeName{pos: e.pos, name: t.name, text: t.name})
			}
		}
	case "maxvalue", "minvalue":
		if r, ok := ranges[t.name]; ok {
			if lower == "minvalue" {
				return int64(r[0]), nil
			}
			if r[1] >= math.MaxInt64 {
				return int64(math.MaxInt64), nil
			}
			return int64(r[1]), nil
		}
	}
	return nil, in.unsupported(e.pos, "["+t.name+"]::"+name, "this is not known without Windows")
}

// file opens a file for reading by the rules of .NET.
func (c *methodCall) file(i int) (io.ReadCloser, error) {
	cpath, err := c.in.path(c.at, c.str(i))
	if err != nil {
		return nil, err
	}
	f, err := c.in.p.Files.Resolve(cpath)
	if err != nil || f.IsDir() {
		return nil, c.fail("System.IO.FileNotFoundException", "Could not find file '%s'.", nt.Win(cpath))
	}
	return c.in.p.Files.Open(f)
}

func (c *methodCall) read(i int) ([]byte, error) {
	r, err := c.file(i)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err == nil && len(b) > maxText {
		err = c.in.unsupported(c.at, c.str(i), "the file is larger than 256 MiB")
	}
	return b, err
}

// write puts text into a file. Its folder must be there.
func (c *methodCall) write(content []byte, appending bool) (any, error) {
	cpath, err := c.in.path(c.at, c.str(0))
	if err != nil {
		return nil, err
	}
	if i := strings.LastIndexByte(cpath, '/'); i > 0 {
		if d, err := c.in.p.Files.Resolve(cpath[:i]); err != nil || !d.IsDir() {
			return nil, c.fail("System.IO.DirectoryNotFoundException", "Could not find a part of the path '%s'.", nt.Win(cpath))
		}
	}
	if appending {
		return nothing{}, c.in.p.Files.Append(cpath, strings.NewReader(string(content)))
	}
	return nothing{}, c.in.p.Files.WriteFile(cpath, strings.NewReader(string(content)))
}

// encodingOf is the encoding that an argument names; .NET's default is UTF-8 without
// a mark.
func (c *methodCall) encodingOf(i int) string {
	if i < len(c.args) {
		if o, ok := c.args[i].(*object); ok {
			name, _ := o.props.get("WebName")
			return toString(name)
		}
	}
	return "utf8nobom"
}

func (c *methodCall) text(i, encoding int) (string, error) {
	b, err := c.read(i)
	if err != nil {
		return "", err
	}
	return decode(b, c.encodingOf(encoding)), nil
}

func environmentKey() string {
	return `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`
}

// pathCombine joins paths as .NET does: a rooted one starts afresh.
func pathCombine(parts []string) string {
	joined := ""
	for _, p := range parts {
		switch {
		case p == "":
		case joined == "" || strings.HasPrefix(p, `\`) || strings.HasPrefix(p, "/") || len(p) > 1 && p[1] == ':':
			joined = p
		case strings.HasSuffix(joined, `\`) || strings.HasSuffix(joined, "/") || strings.HasSuffix(joined, ":"):
			joined += p
		default:
			joined += `\` + p
		}
	}
	return joined
}

func lastSlash(s string) int { return strings.LastIndexAny(s, `\/`) }

func fileName(s string) string { return s[lastSlash(s)+1:] }

func extension(s string) string {
	name := fileName(s)
	if i := strings.LastIndexByte(name, '.'); i >= 0 && i+1 < len(name) {
		return name[i:]
	}
	return ""
}

func mathOne(f func(float64) float64) method {
	return func(c *methodCall) (any, error) {
		if n, ok := first(c.args).(int64); ok {
			return wholeOr(f(float64(n)), true), nil
		}
		v, ok := toFloat(first(c.args))
		if !ok {
			return nil, castError(first(c.args), "System.Double")
		}
		return f(v), nil
	}
}

func wholeOr(f float64, whole bool) any {
	if whole && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f)
	}
	return f
}

func mathTwo(pick func(a, b float64) bool) method {
	return func(c *methodCall) (any, error) {
		if len(c.args) != 2 {
			return nil, c.fail("System.Management.Automation.MethodException", "Cannot find an overload and the argument count: \"%d\".", len(c.args))
		}
		a, ok := toFloat(c.args[0])
		b, ok2 := toFloat(c.args[1])
		if !ok || !ok2 {
			return nil, castError(c.args[1], "System.Double")
		}
		v := c.args[1]
		if pick(a, b) {
			v = c.args[0]
		}
		n, _ := toNumber(v)
		return n, nil
	}
}

func encodingObject(name string) *object {
	return newObject("System.Text.Encoding", "WebName", name, "EncodingName", name)
}

func init() {
	statics = map[string]method{
		"environment::newline":                constant("\r\n"),
		"environment::is64bitoperatingsystem": constant(true), "environment::is64bitprocess": constant(true),
		"environment::systemdirectory":  constant(`C:\Windows\system32`),
		"environment::currentdirectory": func(c *methodCall) (any, error) { return c.in.p.Cwd, nil },
		"environment::exit": func(c *methodCall) (any, error) {
			n, err := c.number(0)
			if err != nil {
				return nil, err
			}
			return nil, &exitError{uint32(n)}
		},
		"environment::expandenvironmentvariables": func(c *methodCall) (any, error) { return c.in.p.Env.Expand(c.str(0)), nil },
		"environment::getenvironmentvariable": func(c *methodCall) (any, error) {
			if len(c.args) > 1 && !strings.EqualFold(c.str(1), "Process") {
				key, err := c.in.environment(c.at, c.str(1))
				if err != nil {
					return nil, err
				}
				k, err := c.in.p.Files.Registry().Key(key)
				if err != nil {
					return nil, notThere(err)
				}
				v, err := k.Value(c.str(0))
				if err != nil {
					return nil, notThere(err)
				}
				if v.Type == hives.ExpandSZ {
					return c.in.p.Env.Expand(v.Text()), nil
				}
				return v.Text(), nil
			}
			if v, ok := c.in.p.Env.Get(c.str(0)); ok {
				return v, nil
			}
			return nil, nil
		},
		"environment::setenvironmentvariable": func(c *methodCall) (any, error) {
			name := c.str(0)
			if name == "" || strings.Contains(name, "=") {
				return nil, c.fail(methodInvocation, "Exception calling \"SetEnvironmentVariable\": \"Environment variable name cannot contain equal character, and cannot be empty.\"")
			}
			if len(c.args) < 3 || strings.EqualFold(c.str(2), "Process") {
				if c.str(1) == "" {
					c.in.p.Env.Unset(name)
				} else {
					c.in.p.Env.Set(name, c.str(1))
				}
				return nothing{}, nil
			}
			key, err := c.in.environment(c.at, c.str(2))
			if err != nil {
				return nil, err
			}
			if err := c.in.mayWrite(c.at, key); err != nil {
				return nil, err
			}
			r := c.in.p.Files.Registry()
			if c.str(1) == "" {
				return nothing{}, notThere(r.DeleteValue(key, name))
			}
			if k, err := r.Key(key); err == nil {
				if old, err := k.Value(name); err == nil {
					name = old.Name
				}
			}
			if err := r.SetValue(key, hives.StringValue(name, c.str(1))); err != nil {
				return nil, err
			}
			return nothing{}, c.in.savedRegistry(key)
		},
		"environment::getfolderpath": func(c *methodCall) (any, error) {
			names := map[string]string{"programfiles": "ProgramFiles", "programfilesx86": "ProgramFiles(x86)", "commonapplicationdata": "ProgramData", "applicationdata": "APPDATA",
				"localapplicationdata": "LOCALAPPDATA", "userprofile": "USERPROFILE", "windows": "SystemRoot"}
			if name, ok := names[strings.ToLower(c.str(0))]; ok {
				v, _ := c.in.p.Env.Get(name)
				return v, nil
			}
			if strings.EqualFold(c.str(0), "System") {
				return `C:\Windows\system32`, nil
			}
			return nil, c.in.unsupported(c.at, "GetFolderPath", c.str(0)+" is not known without Windows")
		},

		"io.path::combine": func(c *methodCall) (any, error) {
			var parts []string
			for _, a := range c.args {
				for _, item := range items(a) {
					parts = append(parts, toString(item))
				}
			}
			return pathCombine(parts), nil
		},
		"io.path::getfilename": func(c *methodCall) (any, error) { return fileName(c.str(0)), nil },
		"io.path::getfilenamewithoutextension": func(c *methodCall) (any, error) {
			name := fileName(c.str(0))
			if i := strings.LastIndexByte(name, '.'); i >= 0 {
				name = name[:i]
			}
			return name, nil
		},
		"io.path::getextension": func(c *methodCall) (any, error) { return extension(c.str(0)), nil },
		"io.path::getdirectoryname": func(c *methodCall) (any, error) {
			s := strings.ReplaceAll(c.str(0), "/", `\`)
			i := lastSlash(s)
			switch {
			case i < 0:
				return "", nil
			case i == 2 && s[1] == ':':
				if len(s) == 3 {
					return nil, nil
				}
				return s[:3], nil
			}
			return s[:i], nil
		},
		"io.path::changeextension": func(c *methodCall) (any, error) {
			s, ext := c.str(0), c.str(1)
			s = strings.TrimSuffix(s, extension(s))
			if ext != "" && !strings.HasPrefix(ext, ".") {
				ext = "." + ext
			}
			return s + ext, nil
		},
		"io.path::getfullpath": func(c *methodCall) (any, error) {
			cpath, err := nt.Rel(c.in.p.Cwd, c.str(0))
			if err != nil {
				return nil, c.fail("System.ArgumentException", "%v", err)
			}
			return nt.Win(cpath), nil
		},
		"io.path::ispathrooted": func(c *methodCall) (any, error) {
			s := c.str(0)
			return strings.HasPrefix(s, `\`) || strings.HasPrefix(s, "/") || len(s) > 1 && s[1] == ':', nil
		},
		"io.path::gettemppath": func(c *methodCall) (any, error) {
			v, _ := c.in.p.Env.Get("TEMP")
			return strings.TrimSuffix(v, `\`) + `\`, nil
		},
		"io.path::directoryseparatorchar": constant(char('\\')), "io.path::pathseparator": constant(char(';')),

		"io.file::exists": func(c *methodCall) (any, error) {
			f, ok := c.in.p.Find(c.str(0))
			return ok && !f.IsDir() && c.str(0) != "", nil
		},
		"io.file::readalltext":  func(c *methodCall) (any, error) { return result(c.text(0, 1)) },
		"io.file::readallbytes": func(c *methodCall) (any, error) { b, err := c.read(0); return byteArray(b), err },
		"io.file::readalllines": func(c *methodCall) (any, error) {
			s, err := c.text(0, 1)
			return texts(lines(s)), err
		},
		"io.file::writealltext": func(c *methodCall) (any, error) {
			b, err := c.in.encode(c.at, c.str(1), c.encodingOf(2))
			if err != nil {
				return nil, err
			}
			return c.write(b, false)
		},
		"io.file::appendalltext": func(c *methodCall) (any, error) {
			b, err := c.in.encode(c.at, c.str(1), c.encodingOf(2))
			if err != nil {
				return nil, err
			}
			return c.write(b, true)
		},
		"io.file::writealllines": func(c *methodCall) (any, error) {
			var b strings.Builder
			if len(c.args) > 1 {
				for _, item := range items(c.args[1]) {
					b.WriteString(toString(item) + "\r\n")
				}
			}
			data, err := c.in.encode(c.at, b.String(), c.encodingOf(2))
			if err != nil {
				return nil, err
			}
			return c.write(data, false)
		},
		"io.file::writeallbytes": func(c *methodCall) (any, error) {
			var v any
			if len(c.args) > 1 {
				v = c.args[1]
			}
			b, err := toBytes(v)
			if err != nil {
				return nil, err
			}
			data, _ := b.(byteArray)
			return c.write(data, false)
		},
		"io.file::delete": func(c *methodCall) (any, error) {
			if f, ok := c.in.p.Find(c.str(0)); ok && !f.IsDir() {
				cpath, err := c.in.path(c.at, c.str(0))
				if err != nil {
					return nil, err
				}
				return nothing{}, c.in.p.Files.Remove(cpath)
			}
			return nothing{}, nil
		},
		"io.file::copy": func(c *methodCall) (any, error) {
			f, ok := c.in.p.Find(c.str(0))
			if !ok || f.IsDir() {
				return nil, c.fail("System.IO.FileNotFoundException", "Could not find file '%s'.", c.str(0))
			}
			to, err := c.in.path(c.at, c.str(1))
			if err != nil {
				return nil, err
			}
			if _, ok := c.in.p.Find(c.str(1)); ok && (len(c.args) < 3 || !truth(c.args[2])) {
				return nil, c.fail("System.IO.IOException", "The file '%s' already exists.", nt.Win(to))
			}
			return nothing{}, c.in.p.CopyFile(f, to)
		},
		"io.file::move": func(c *methodCall) (any, error) {
			from, err := c.in.path(c.at, c.str(0))
			if err != nil {
				return nil, err
			}
			to, err := c.in.path(c.at, c.str(1))
			if err != nil {
				return nil, err
			}
			if f, ok := c.in.p.Find(c.str(0)); !ok || f.IsDir() {
				return nil, c.fail("System.IO.FileNotFoundException", "Could not find file '%s'.", nt.Win(from))
			}
			return nothing{}, c.in.p.Files.Rename(from, to)
		},
		"io.directory::exists": func(c *methodCall) (any, error) {
			f, ok := c.in.p.Find(c.str(0))
			return ok && f.IsDir() && c.str(0) != "", nil
		},
		"io.directory::createdirectory": func(c *methodCall) (any, error) {
			cpath, err := c.in.path(c.at, c.str(0))
			if err != nil {
				return nil, err
			}
			if err := c.in.p.Files.MkdirAll(cpath); err != nil {
				return nil, err
			}
			f, err := c.in.p.Files.Resolve(cpath)
			return fileItem{f}, err
		},
		"io.directory::delete": func(c *methodCall) (any, error) {
			cpath, err := c.in.path(c.at, c.str(0))
			if err != nil {
				return nil, err
			}
			if f, ok := c.in.p.Find(c.str(0)); !ok || !f.IsDir() {
				return nil, c.fail("System.IO.DirectoryNotFoundException", "Could not find a part of the path '%s'.", nt.Win(cpath))
			}
			if len(c.args) > 1 && truth(c.args[1]) {
				return nothing{}, c.in.p.Files.RemoveAll(cpath)
			}
			if err := c.in.p.Files.Remove(cpath); err != nil {
				return nil, c.fail("System.IO.IOException", "The directory is not empty.")
			}
			return nothing{}, nil
		},
		"io.directory::move": func(c *methodCall) (any, error) {
			from, err := c.in.path(c.at, c.str(0))
			if err != nil {
				return nil, err
			}
			to, err := c.in.path(c.at, c.str(1))
			if err != nil {
				return nil, err
			}
			if f, ok := c.in.p.Find(c.str(0)); !ok || !f.IsDir() {
				return nil, c.fail("System.IO.DirectoryNotFoundException", "Could not find a part of the path '%s'.", nt.Win(from))
			}
			return nothing{}, c.in.p.Files.Rename(from, to)
		},
		"io.directory::getfiles":       func(c *methodCall) (any, error) { return listing(c, false) },
		"io.directory::getdirectories": func(c *methodCall) (any, error) { return listing(c, true) },

		"io.compression.zipfile::extracttodirectory": func(c *methodCall) (any, error) {
			overwrite := len(c.args) > 2 && c.args[len(c.args)-1] == true
			return nothing{}, c.in.unzip(c.at, c.str(0), c.str(1), overwrite)
		},
		"io.compression.zipfile::createfromdirectory": func(c *methodCall) (any, error) {
			f, ok := c.in.p.Find(c.str(0))
			if !ok || !f.IsDir() {
				return nil, c.fail("System.IO.DirectoryNotFoundException", "Could not find a part of the path '%s'.", c.str(0))
			}
			return nothing{}, c.in.zip(c.at, c.str(1), []zipRoot{{f, ""}})
		},

		"convert::tobase64string": func(c *methodCall) (any, error) {
			b, err := toBytes(first(c.args))
			if err != nil {
				return nil, err
			}
			data, _ := b.(byteArray)
			return base64.StdEncoding.EncodeToString(data), nil
		},
		"convert::frombase64string": func(c *methodCall) (any, error) {
			b, err := base64.StdEncoding.DecodeString(strings.Map(func(r rune) rune {
				if strings.ContainsRune(" \t\r\n", r) {
					return -1
				}
				return r
			}, c.str(0)))
			if err != nil {
				return nil, c.fail("System.FormatException", "The input is not a valid Base-64 string as it contains a non-base 64 character.")
			}
			return byteArray(b), nil
		},
		"convert::toint32": func(c *methodCall) (any, error) {
			if len(c.args) == 2 {
				base, err := c.number(1)
				if err != nil {
					return nil, err
				}
				return parseBase(c, base)
			}
			return c.in.cast(first(c.args), &typeName{pos: c.at, name: "int32", text: "Int32"})
		},
		"convert::tostring": func(c *methodCall) (any, error) {
			if len(c.args) == 2 {
				base, err := c.number(1)
				n, ok := toInt(first(c.args))
				if err != nil || !ok || base != 2 && base != 8 && base != 10 && base != 16 {
					return nil, c.fail("System.ArgumentException", "Invalid Base.")
				}
				return fmt.Sprintf(map[int]string{2: "%b", 8: "%o", 10: "%d", 16: "%x"}[base], n), nil
			}
			return toString(first(c.args)), nil
		},
		"convert::toboolean": func(c *methodCall) (any, error) {
			if s, ok := first(c.args).(string); ok {
				switch strings.ToLower(strings.TrimSpace(s)) {
				case "true":
					return true, nil
				case "false":
					return false, nil
				}
				return nil, c.fail("System.FormatException", "String was not recognized as a valid Boolean.")
			}
			return truth(first(c.args)), nil
		},
		"bitconverter::tostring": func(c *methodCall) (any, error) {
			b, err := toBytes(first(c.args))
			if err != nil {
				return nil, err
			}
			var parts []string
			data, _ := b.(byteArray)
			for _, x := range data {
				parts = append(parts, strings.ToUpper(hex.EncodeToString([]byte{x})))
			}
			return strings.Join(parts, "-"), nil
		},

		"text.encoding::utf8": constant(encodingObject("utf8")), "text.encoding::ascii": constant(encodingObject("ascii")),
		"text.encoding::unicode": constant(encodingObject("unicode")), "text.encoding::bigendianunicode": constant(encodingObject("bigendianunicode")),
		"text.encoding::default": constant(encodingObject("default")),

		"math::abs": mathOne(math.Abs), "math::floor": mathOne(math.Floor), "math::ceiling": mathOne(math.Ceil), "math::truncate": mathOne(math.Trunc), "math::sqrt": mathOne(math.Sqrt),
		"math::max": mathTwo(func(a, b float64) bool { return a >= b }), "math::min": mathTwo(func(a, b float64) bool { return a <= b }),
		"math::pi": constant(math.Pi),
		"math::pow": func(c *methodCall) (any, error) {
			a, ok := toFloat(first(c.args))
			b, ok2 := toFloat(c.args[len(c.args)-1])
			if !ok || !ok2 || len(c.args) != 2 {
				return nil, castError(first(c.args), "System.Double")
			}
			return math.Pow(a, b), nil
		},
		"math::round": func(c *methodCall) (any, error) {
			f, ok := toFloat(first(c.args))
			if !ok {
				return nil, castError(first(c.args), "System.Double")
			}
			scale := 1.0
			if len(c.args) > 1 {
				n, err := c.number(1)
				if err != nil || n < 0 || n > 15 {
					return nil, c.fail("System.ArgumentOutOfRangeException", "Rounding digits must be between 0 and 15, inclusive.")
				}
				scale = math.Pow(10, float64(n))
			}
			return math.RoundToEven(f*scale) / scale, nil
		},

		"string::isnullorempty":      func(c *methodCall) (any, error) { return c.str(0) == "", nil },
		"string::isnullorwhitespace": func(c *methodCall) (any, error) { return strings.TrimSpace(c.str(0)) == "", nil },
		"string::empty":              constant(""),
		"string::join": func(c *methodCall) (any, error) {
			if len(c.args) == 2 {
				return join(items(c.args[1]), c.str(0)), nil
			}
			return join(c.args[min(1, len(c.args)):], c.str(0)), nil
		},
		"string::concat": func(c *methodCall) (any, error) { return join(c.args, ""), nil },
		"string::format": func(c *methodCall) (any, error) {
			args := c.args[min(1, len(c.args)):]
			if len(args) == 1 {
				args = items(args[0])
			}
			return c.in.format(c.at, c.str(0), args)
		},
		"string::compare": func(c *methodCall) (any, error) {
			n, err := c.in.order(c.at, c.str(0), c.str(1), len(c.args) < 3 || !truth(c.args[2]))
			return int64(n), err
		},
		"string::equals": func(c *methodCall) (any, error) {
			if len(c.args) > 2 {
				return nt.EqualFold(c.str(0), c.str(1)), nil
			}
			return c.str(0) == c.str(1), nil
		},

		"datetime::now": now, "datetime::utcnow": now,
		"datetime::today": func(c *methodCall) (any, error) {
			t := c.in.now()
			return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location()), nil
		},
		"datetime::maxvalue":    constant(time.Date(9999, 12, 31, 23, 59, 59, 999999900, time.UTC)),
		"timespan::fromseconds": fromUnit(time.Second), "timespan::fromminutes": fromUnit(time.Minute), "timespan::fromhours": fromUnit(time.Hour),
		"timespan::frommilliseconds": fromUnit(time.Millisecond), "timespan::fromdays": fromUnit(24 * time.Hour),

		"regex::escape": func(c *methodCall) (any, error) { return escapeRegex(c.str(0)), nil },
		"regex::ismatch": func(c *methodCall) (any, error) {
			return withRegex(c, func(r *regex) any { return r.re.MatchString(c.str(0)) })
		},
		"regex::match": func(c *methodCall) (any, error) {
			return withRegex(c, func(r *regex) any { return findMatch(r, c.str(0)) })
		},
		"regex::matches": func(c *methodCall) (any, error) {
			return withRegex(c, func(r *regex) any { return findMatches(r, c.str(0)) })
		},
		"regex::split": func(c *methodCall) (any, error) {
			return withRegex(c, func(r *regex) any { return texts(r.re.Split(c.str(0), -1)) })
		},
		"regex::replace": func(c *methodCall) (any, error) {
			if len(c.args) < 3 {
				return nil, c.fail("System.Management.Automation.MethodException", "Cannot find an overload for \"Replace\" and the argument count: \"%d\".", len(c.args))
			}
			if _, ok := c.args[2].(*scriptBlock); ok {
				return nil, c.in.unsupported(c.at, "[regex]::Replace", "a block as the replacement is not known without Windows")
			}
			r, err := newRegex(c.str(1), len(c.args) < 4 || !strings.Contains(strings.ToLower(c.str(3)), "ignorecase"))
			if err != nil {
				return nil, err
			}
			return r.re.ReplaceAllString(c.str(0), replacement(c.str(2))), nil
		},

		"uri::escapedatastring": func(c *methodCall) (any, error) {
			return strings.ReplaceAll(url.QueryEscape(c.str(0)), "+", "%20"), nil
		},
		"uri::unescapedatastring": func(c *methodCall) (any, error) {
			s, err := url.PathUnescape(c.str(0))
			if err != nil {
				s = c.str(0)
			}
			return s, nil
		},
		"security.cryptography.sha256::create": constantObject("System.Security.Cryptography.SHA256", "SHA256"),
		"security.cryptography.sha1::create":   constantObject("System.Security.Cryptography.SHA1", "SHA1"),
		"security.cryptography.sha512::create": constantObject("System.Security.Cryptography.SHA512", "SHA512"),
		"security.cryptography.md5::create":    constantObject("System.Security.Cryptography.MD5", "MD5"),
		"security.cryptography.hashalgorithm::create": func(c *methodCall) (any, error) {
			name := strings.ToUpper(strings.ReplaceAll(c.str(0), "-", ""))
			if tools.NewHash(name) == nil {
				return nil, c.in.unsupported(c.at, "HashAlgorithm", c.str(0)+" is not known without Windows")
			}
			return newObject("System.Security.Cryptography."+name, "\x00hash", name), nil
		},
		"console::writeline": func(c *methodCall) (any, error) { return nothing{}, c.in.write(c.str(0)) },
		"console::write": func(c *methodCall) (any, error) {
			_, err := io.WriteString(c.in.p.Stdout, c.str(0))
			return nothing{}, err
		},
		"console::outputencoding": constant(nil), "console::inputencoding": constant(nil),
		"char::isdigit": func(c *methodCall) (any, error) { s := c.str(0); return len(s) == 1 && s[0] >= '0' && s[0] <= '9', nil },
		"scriptblock::create": func(c *methodCall) (any, error) {
			b, err := parse(c.str(0))
			if err != nil {
				return nil, c.in.unsupported(c.at, "[scriptblock]::Create", err.Error())
			}
			return &scriptBlock{b, &source{text: c.str(0)}}, nil
		},
	}
}

func constantObject(kind, hash string) method {
	return func(*methodCall) (any, error) { return newObject(kind, "\x00hash", hash), nil }
}

func result(s string, err error) (any, error) { return s, err }

func parseBase(c *methodCall, base int) (any, error) {
	var n int64
	s := strings.ToLower(c.str(0))
	if base == 16 {
		s = strings.TrimPrefix(s, "0x")
	}
	if s == "" || len(s) > 32 || base != 2 && base != 8 && base != 10 && base != 16 {
		return nil, c.fail("System.ArgumentException", "Invalid Base.")
	}
	for _, r := range s {
		d := strings.IndexRune("0123456789abcdef"[:base], r)
		if d < 0 {
			return nil, c.fail("System.FormatException", "Could not find any recognizable digits.")
		}
		n = n*int64(base) + int64(d)
	}
	return int64(int32(n)), nil
}

func withRegex(c *methodCall, f func(*regex) any) (any, error) {
	strict := len(c.args) < 3 || !strings.Contains(strings.ToLower(c.str(2)), "ignorecase")
	r, err := newRegex(c.str(1), strict)
	if err != nil {
		return nil, err
	}
	return f(r), nil
}

// escapeRegex quotes what has a meaning in a .NET expression.
func escapeRegex(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '\\', '*', '+', '?', '|', '{', '[', '(', ')', '^', '$', '.', '#', ' ':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\t':
			b.WriteString(`\t`)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func fromUnit(unit time.Duration) method {
	return func(c *methodCall) (any, error) {
		f, ok := toFloat(first(c.args))
		if !ok {
			return nil, castError(first(c.args), "System.Double")
		}
		return time.Duration(f * float64(unit)), nil
	}
}

func now(c *methodCall) (any, error) { return c.in.now(), nil }

// now is the script's clock: it starts at the time that the build gives new files,
// and Start-Sleep moves it, so that a script does the same in every build.
func (in *interp) now() time.Time {
	in.clock.passed += time.Millisecond
	return in.p.Files.Time().Time().UTC().Add(in.clock.passed)
}

// clock is how much time has passed for a script and what it starts.
type clock struct{ passed time.Duration }

// listing is Directory.GetFiles and GetDirectories.
func listing(c *methodCall, dirs bool) (any, error) {
	pattern := "*"
	if len(c.args) > 1 {
		pattern = c.str(1)
	}
	below := len(c.args) > 2 && strings.EqualFold(c.str(2), "AllDirectories")
	base, err := c.in.path(c.at, c.str(0))
	if err != nil {
		return nil, err
	}
	if f, err := c.in.p.Files.Resolve(base); err != nil || !f.IsDir() {
		return nil, c.fail("System.IO.DirectoryNotFoundException", "Could not find a part of the path '%s'.", nt.Win(base))
	}
	found, err := c.in.p.Tree(nt.Win(base)+`\`+pattern, below)
	if err != nil {
		return nil, err
	}
	l := newList()
	for _, f := range found {
		if f.IsDir() == dirs {
			l.items = append(l.items, strings.TrimSuffix(c.str(0), `\`)+strings.TrimPrefix(nt.Win(f.Path), strings.TrimSuffix(nt.Win(base), `\`)))
		}
	}
	return l, nil
}

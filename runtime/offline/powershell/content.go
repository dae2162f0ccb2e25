package powershell

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime/offline/tools"
	"github.com/mullion/mullion/runtime/offline/unpack"
)

// windows1252 are the characters 0x80 to 0x9f of code page 1252, which Windows calls
// ANSI in the images that Microsoft makes.
var windows1252 = []rune("\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178")

// encode writes text in one of PowerShell's encodings. Those with "nobom" have no
// mark at the start.
func (in *interp) encode(at pos, s, encoding string) ([]byte, error) {
	switch strings.ToLower(encoding) {
	case "utf8nobom":
		return []byte(s), nil
	case "utf8", "utf-8":
		if in.core && encoding != "utf-8" {
			return []byte(s), nil
		}
		return []byte("\ufeff" + s), nil
	case "utf8bom":
		return []byte("\ufeff" + s), nil
	case "unicode", "utf16", "string", "unknown":
		return nt.UTF16Bytes("\ufeff" + s), nil
	case "unicodenobom":
		return nt.UTF16Bytes(s), nil
	case "bigendianunicode", "bigendianunicodenobom":
		if !strings.HasSuffix(strings.ToLower(encoding), "nobom") {
			s = "\ufeff" + s
		}
		b := nt.UTF16Bytes(s)
		for i := 0; i+1 < len(b); i += 2 {
			b[i], b[i+1] = b[i+1], b[i]
		}
		return b, nil
	case "ascii":
		return narrow(s, func(r rune) (byte, bool) { return byte(r), r < 0x80 }), nil
	case "default", "ansi":
		return narrow(s, func(r rune) (byte, bool) {
			if r < 0x80 || r >= 0xa0 && r < 0x100 {
				return byte(r), true
			}
			i := slices.Index(windows1252, r)
			return byte(0x80 + i), i >= 0
		}), nil
	}
	return nil, in.unsupported(at, "-Encoding "+encoding, "this encoding is not known without Windows")
}

func narrow(s string, one func(rune) (byte, bool)) []byte {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		c, ok := one(r)
		if !ok {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

// decode reads text. A mark at the start says more than the encoding.
func decode(b []byte, encoding string) string {
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		return string(b[3:])
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		return nt.FromUTF16Bytes(b[2 : len(b)&^1])
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		return bigEndian(b[2 : len(b)&^1])
	}
	switch strings.ToLower(encoding) {
	case "unicode", "unicodenobom":
		return nt.FromUTF16Bytes(b[:len(b)&^1])
	case "bigendianunicode":
		return bigEndian(b[:len(b)&^1])
	case "default", "ansi":
		if !utf8.Valid(b) || !isASCII(b) {
			var s strings.Builder
			for _, c := range b {
				if c >= 0x80 && c < 0xa0 {
					s.WriteRune(windows1252[c-0x80])
				} else {
					s.WriteRune(rune(c))
				}
			}
			return s.String()
		}
	}
	return string(b)
}

func isASCII(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c >= 0x80 }) }

func bigEndian(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return nt.String(u)
}

// lines splits text as Get-Content does.
func lines(s string) []string {
	if s == "" {
		return nil
	}
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// textEncoding is that of the cmdlets about content when none is given.
func (in *interp) textEncoding() string {
	if in.core {
		return "utf8nobom"
	}
	return "default"
}

// outFile is where > and >> lead.
type outFile struct {
	in        *interp
	at        pos
	path      string
	appending bool
	lines     []string
}

func (o *outFile) add(v any) error {
	text, err := o.in.display(o.at, v, true)
	o.lines = append(o.lines, text...)
	return err
}

func (o *outFile) close() error {
	return o.in.writeLines(o.at, o.path, o.lines, "", o.appending, false)
}

// writeLines is Out-File: in Windows PowerShell it writes UTF-16 unless told
// otherwise.
func (in *interp) writeLines(at pos, file string, all []string, encoding string, appending, bare bool) error {
	if encoding == "" {
		if encoding = "unicode"; in.core {
			encoding = "utf8nobom"
		}
	}
	text := strings.Join(all, "\r\n")
	if len(all) > 0 && !bare {
		text += "\r\n"
	}
	return in.store(at, file, text, encoding, appending)
}

// store writes text into a file, whose directory must be there.
func (in *interp) store(at pos, file, text, encoding string, appending bool) error {
	loc, err := in.locate(at, file)
	if err != nil {
		return err
	}
	if loc.drive != "" {
		return in.unsupported(at, file, "content is known of files only")
	}
	if i := strings.LastIndexByte(loc.path, '/'); i > 0 {
		if f, err := in.p.Files.Resolve(loc.path[:i]); err != nil || !f.IsDir() {
			return in.raise(at, "System.IO.DirectoryNotFoundException", "Could not find a part of the path '%s'.", nt.Win(loc.path))
		}
	}
	f, err := in.p.Files.Resolve(loc.path)
	there := err == nil
	if there && f.IsDir() {
		return in.raise(at, "System.UnauthorizedAccessException", "Access to the path '%s' is denied.", nt.Win(loc.path))
	}
	data, err := in.encode(at, text, encoding)
	if err != nil {
		return err
	}
	if appending && there && f.Size() > 0 {
		data = bytes.TrimPrefix(data, []byte("\ufeff"))
		if strings.HasPrefix(strings.ToLower(encoding), "unicode") || strings.HasPrefix(strings.ToLower(encoding), "bigendian") {
			data = bytes.TrimPrefix(bytes.TrimPrefix(data, []byte("\xff\xfe")), []byte("\xfe\xff"))
		}
		return in.p.Files.Append(loc.path, bytes.NewReader(data))
	}
	return in.p.Files.WriteFile(loc.path, bytes.NewReader(data))
}

// load reads a file as a whole.
func (in *interp) load(f *view.File) ([]byte, error) {
	f, err := in.p.Files.Resolve(f.Path)
	if err != nil {
		return nil, err
	}
	if f.Size() > maxText {
		return nil, fmt.Errorf("%s is larger than 256 MiB", nt.Win(f.Path))
	}
	r, err := in.p.Files.Open(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func init() {
	add("Get-Content", "Path@0| LiteralPath=PSPath Raw! Encoding TotalCount=First,Head Tail=Last ReadCount- Force! Filter Include Exclude Delimiter AsByteStream! Wait!", getContent)
	add("Set-Content", "Path@0 LiteralPath=PSPath Value@1| Encoding Force! NoNewline! PassThru! AsByteStream!", func(c *call) error { return setContent(c, false) })
	add("Add-Content", "Path@0 LiteralPath=PSPath Value@1| Encoding Force! NoNewline! PassThru! AsByteStream!", func(c *call) error { return setContent(c, true) })
	add("Clear-Content", "Path@0 LiteralPath=PSPath Force!", func(c *call) error {
		return c.eachFile(func(f *view.File) error { return c.in.p.Files.WriteFile(f.Path, strings.NewReader("")) })
	})
	add("Out-File", "FilePath=Path,LiteralPath@0 Encoding@1 InputObject| Append! Force! NoNewline! NoClobber! Width", func(c *call) error {
		all, err := c.lines("InputObject")
		if err != nil {
			return err
		}
		if _, there := c.in.p.Find(c.str("FilePath")); there && c.flag("NoClobber") {
			return c.fail(ioException, "The file '%s' already exists.", c.str("FilePath"))
		}
		if c.flag("NoNewline") {
			all = []string{strings.Join(all, "")}
		}
		return c.in.writeLines(c.at, c.str("FilePath"), all, c.encoding(""), c.flag("Append"), c.flag("NoNewline"))
	})
	add("Get-FileHash", "Path@0| LiteralPath=PSPath Algorithm InputStream", func(c *call) error {
		algorithm := "SHA256"
		if c.has("Algorithm") {
			algorithm = strings.ToUpper(c.str("Algorithm"))
		}
		if c.has("InputStream") || tools.NewHash(algorithm) == nil {
			return c.unknown("Get-FileHash of a stream or by %s is not known without Windows", algorithm)
		}
		return c.eachFile(func(f *view.File) error {
			f, err := c.in.p.Files.Resolve(f.Path)
			if err != nil || f.IsDir() {
				return err
			}
			r, err := c.in.p.Files.Open(f)
			if err != nil {
				return err
			}
			defer r.Close()
			h := tools.NewHash(algorithm)
			if _, err := io.Copy(h, r); err != nil {
				return err
			}
			return c.out(newObject("Microsoft.Powershell.Utility.FileHash", "Algorithm", algorithm, "Hash", fmt.Sprintf("%X", h.Sum(nil)), "Path", nt.Win(f.Path)))
		})
	})
	add("Expand-Archive", "Path@0| LiteralPath=PSPath DestinationPath@1 Force! PassThru!", func(c *call) error {
		paths, literal := c.paths()
		found, err := c.find(paths, literal, true, false)
		if err != nil {
			return err
		}
		for _, v := range found {
			to := c.str("DestinationPath")
			if to == "" {
				name := nameOf(v)
				to = strings.TrimSuffix(name, extension(name))
			}
			if !strings.EqualFold(extension(nameOf(v)), ".zip") && !c.in.core {
				return c.fail(ioException, "%s is not a supported archive file format. .zip is the only supported archive file format.", extension(nameOf(v)))
			}
			if err := c.in.unzip(c.at, pathOf(v), to, c.flag("Force")); err != nil {
				return err
			}
		}
		return nil
	})
	add("Compress-Archive", "Path@0| LiteralPath=PSPath DestinationPath@1 CompressionLevel- Force! Update!", func(c *call) error {
		paths, literal := c.paths()
		found, err := c.find(paths, literal, true, false)
		if err != nil || len(found) == 0 {
			return err
		}
		to := c.str("DestinationPath")
		if extension(to) == "" {
			to += ".zip"
		}
		if c.flag("Update") {
			return c.unknown("-Update is not known without Windows")
		}
		if _, there := c.in.p.Find(to); there && !c.flag("Force") {
			return c.complain(ioException, "The archive file %s already exists. If you want to overwrite it, use the -Force parameter.", to)
		}
		var roots []zipRoot
		for _, v := range found {
			f, ok := v.(fileItem)
			if !ok {
				return c.unknown("only files can be compressed")
			}
			roots = append(roots, zipRoot{f.f, f.f.Name()})
		}
		return c.in.zip(c.at, to, roots)
	})
}

// encoding is -Encoding, or what holds without it.
func (c *call) encoding(unset string) string {
	if !c.has("Encoding") {
		return unset
	}
	if o, ok := c.args["Encoding"].(*object); ok {
		name, _ := o.props.get("WebName")
		return toString(name)
	}
	return c.str("Encoding")
}

func getContent(c *call) error {
	if c.has("Delimiter") || c.flag("Wait") {
		return c.unknown("-Delimiter and -Wait are not known without Windows")
	}
	head, err := c.number("TotalCount", -1)
	if err != nil {
		return err
	}
	tail, err := c.number("Tail", -1)
	if err != nil {
		return err
	}
	paths, literal := c.paths()
	found, err := c.find(paths, literal, true, false)
	if err != nil {
		return err
	}
	encoding := c.encoding(c.in.textEncoding())
	for _, v := range found {
		f, ok := v.(fileItem)
		if !ok {
			return c.unknown("only files have content")
		}
		if r, err := c.in.p.Files.Resolve(f.f.Path); err != nil || r.IsDir() {
			if err := c.complain("System.UnauthorizedAccessException", "Access to the path '%s' is denied.", nt.Win(f.f.Path)); err != nil {
				return err
			}
			continue
		}
		b, err := c.in.load(f.f)
		if err != nil {
			return err
		}
		if strings.EqualFold(encoding, "byte") || c.flag("AsByteStream") {
			if err := emit(byteArray(b), c.out); err != nil {
				return err
			}
			continue
		}
		text := decode(b, encoding)
		if c.flag("Raw") {
			if text == "" {
				continue
			}
			if err := c.out(text); err != nil {
				return err
			}
			continue
		}
		list := lines(text)
		if head >= 0 {
			list = list[:min(head, len(list))]
		}
		if tail >= 0 {
			list = list[max(0, len(list)-tail):]
		}
		for _, l := range list {
			if err := c.out(l); err != nil {
				return err
			}
		}
	}
	return nil
}

func setContent(c *call, appending bool) error {
	paths := c.strs("Path")
	if c.has("LiteralPath") {
		paths = c.strs("LiteralPath")
	}
	if len(paths) == 0 {
		return c.fail("System.Management.Automation.ParameterBindingException", "Cannot process command because of one or more missing mandatory parameters: Path.")
	}
	values := c.input("Value")
	encoding := c.encoding(c.in.textEncoding())
	var text strings.Builder
	if strings.EqualFold(encoding, "byte") || c.flag("AsByteStream") {
		b, err := toBytes(newList(values...))
		if err != nil {
			return err
		}
		for _, x := range items(b) {
			text.WriteByte(byte(x.(int64)))
		}
		encoding = "utf8nobom" // the bytes as they are
	} else {
		for _, v := range values {
			text.WriteString(toString(v))
			if !c.flag("NoNewline") {
				text.WriteString("\r\n")
			}
		}
	}
	for _, p := range paths {
		if hasWildcard(p) && !c.has("LiteralPath") {
			return c.unknown("a wildcard in the path is not known without Windows")
		}
		if c.flag("Force") {
			if loc, err := c.in.locate(c.at, p); err == nil && loc.drive == "" {
				if f, err := c.in.p.Files.Resolve(loc.path); err == nil && !f.IsDir() {
					if err := c.in.setFileProperty(c.at, fileItem{f}, "isreadonly", false); err != nil {
						return err
					}
				}
			}
		}
		if err := c.in.store(c.at, p, text.String(), encoding, appending); err != nil {
			return err
		}
	}
	return nil
}

// unzip unpacks a zip into a directory, which it makes.
func (in *interp) unzip(at pos, archive, into string, overwrite bool) error {
	f, ok := in.p.Find(archive)
	if !ok || f.IsDir() {
		return in.raise(at, "System.IO.FileNotFoundException", "Could not find file '%s'.", archive)
	}
	to, err := in.path(at, into)
	if err != nil {
		return err
	}
	if err := in.p.Files.MkdirAll(to); err != nil {
		return err
	}
	there := ""
	o := unpack.Options{Into: to}
	if !overwrite {
		o.Want = func(name string) bool {
			if there != "" {
				return false
			}
			name = strings.ReplaceAll(name, `\`, "/")
			if old, err := in.p.Files.Resolve(path.Join(to, name)); err == nil && !old.IsDir() && !strings.HasSuffix(name, "/") {
				there = nt.Win(path.Join(to, name))
				return false
			}
			return true
		}
	}
	if err := tools.Unpack(in.ctx, in.p.Files, f, o); err != nil {
		if in.ctx.Err() != nil {
			return in.ctx.Err()
		}
		return in.raise(at, "System.IO.InvalidDataException", "%s: %v", archive, err)
	}
	if there != "" {
		return in.raise(at, ioException, "The file '%s' already exists.", there)
	}
	return nil
}

// zipRoot is what goes into a zip, and under which name.
type zipRoot struct {
	f    *view.File
	name string
}

// zip packs files. Their times in the archive are those of the files, in UTC.
func (in *interp) zip(at pos, archive string, roots []zipRoot) error {
	to, err := in.path(at, archive)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp("", "mullion-zip-")
	if err != nil {
		return err
	}
	defer tmp.Close()
	defer os.Remove(tmp.Name())
	z := zip.NewWriter(tmp)
	for _, r := range roots {
		if err := in.zipped(in.ctx, z, r.f, r.name); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return in.p.Files.WriteFile(to, tmp)
}

func (in *interp) zipped(ctx context.Context, z *zip.Writer, f *view.File, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := in.p.Files.Resolve(f.Path)
	if err != nil {
		return err
	}
	if f.IsDir() {
		list, err := in.p.Files.ReadDir(f.Path)
		if err != nil {
			return err
		}
		if len(list) == 0 && name != "" {
			_, err := z.Create(name + "/")
			return err
		}
		for _, sub := range list {
			if err := in.zipped(ctx, z, sub, strings.TrimPrefix(name+"/"+sub.Name(), "/")); err != nil {
				return err
			}
		}
		return nil
	}
	w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: f.Entry.Modified.Time().UTC()})
	if err != nil {
		return err
	}
	r, err := in.p.Files.Open(f)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}

package tools

import (
	"context"
	"io"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// xcopy copies files and directories.
func xcopy(ctx context.Context, p *proc.Process, args []string) (uint32, error) {
	options := map[string]bool{}
	var words []string
	for _, a := range args {
		if !strings.HasPrefix(a, "/") {
			words = append(words, a)
			continue
		}
		for o := range strings.SplitSeq(strings.ToLower(a[1:]), "/") {
			if !strings.Contains(" s e i y q f h r k c v g j b z -y l t ", " "+o+" ") || o == "l" || o == "t" {
				return unknown("xcopy", args, "/"+o+" is not known without Windows")
			}
			options[o] = true
		}
	}
	if len(words) == 0 || len(words) > 2 {
		p.Complain("Invalid number of parameters")
		return 4, nil
	}
	dest := "."
	if len(words) == 2 {
		dest = words[1]
	}
	c := &treeCopy{ctx: ctx, p: p, deep: options["s"] || options["e"], empty: options["e"], hidden: options["h"], quiet: options["q"]}
	from := strings.TrimRight(words[0], `\/`)
	pattern := "*"
	src, ok := p.Find(from)
	if !ok || !src.IsDir() {
		i := strings.LastIndexAny(from, `\/:`) + 1
		parent := from[:i]
		if pattern = from[i:]; parent == "" {
			parent = "."
		}
		src, ok = p.Find(parent)
	}
	if !ok || !src.IsDir() {
		p.Complain("File not found - %s", words[0])
		return 4, nil
	}
	c.pattern = pattern
	to, err := p.Path(dest)
	if err != nil {
		p.Complain("Invalid path")
		return 4, nil
	}
	if d, ok := p.Find(dest); !ok || !d.IsDir() {
		one := !strings.ContainsAny(pattern, "*?")
		switch {
		case one && !options["i"] && !strings.HasSuffix(dest, `\`):
			// xcopy would ask whether the destination is a file or a directory.
			question, err := proc.ReadLine(p.Stdin)
			if err != nil {
				return 0, err
			}
			switch strings.ToLower(strings.TrimSpace(question)) {
			case "f":
				return c.single(src, to)
			case "d":
			default:
				return unknown("xcopy", args, "it would ask whether "+dest+" is a file or a directory; add /I, or copy the file with copy")
			}
		case !one && !options["i"] && !strings.HasSuffix(dest, `\`) && !options["s"] && !options["e"]:
			return unknown("xcopy", args, "it would ask whether "+dest+" is a file or a directory; add /I")
		}
	}
	if err := c.dir(src, to, 0); err != nil {
		return 0, err
	}
	if c.files == 0 && !c.deep && pattern != "*" {
		p.Complain("File not found - %s", pattern)
		p.Println("0 File(s) copied")
		return 4, nil
	}
	p.Println("%d File(s) copied", c.files)
	return 0, nil
}

// single copies the one file that the pattern names to a name.
func (c *treeCopy) single(src *view.File, to string) (uint32, error) {
	f, ok := c.p.Find(nt.Win(src.Path) + `\` + c.pattern)
	if !ok {
		c.p.Complain("File not found - %s", c.pattern)
		return 4, nil
	}
	if err := c.p.CopyFile(f, to); err != nil {
		return 0, err
	}
	c.p.Println("1 File(s) copied")
	return 0, nil
}

// treeCopy is a copy of a directory, with what is counted.
type treeCopy struct {
	ctx                        context.Context
	p                          *proc.Process
	pattern                    string
	deep, empty, hidden, quiet bool
	without, withoutDir        []string // patterns of files and directories that are left out
	files, extras              int
	purge, move                bool
}

const maxDepth = 256

func (c *treeCopy) dir(src *view.File, to string, depth int) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if depth > maxDepth {
		_, err := unknown("copy", []string{nt.Win(src.Path)}, "directories are too deep within each other; does a link lead to one above it?")
		return err
	}
	list, err := c.p.Files.ReadDir(src.Path)
	if err != nil {
		return err
	}
	if depth == 0 || c.empty {
		if err := c.mkdir(to); err != nil {
			return err
		}
	}
	for _, f := range list {
		if f.Entry.Attributes&(layers.AttrHidden|layers.AttrSystem) != 0 && !c.hidden {
			continue
		}
		target := strings.TrimPrefix(to+"/"+f.Name(), "/")
		switch {
		case f.IsDir() && (!c.deep || matches(c.withoutDir, f)):
		case f.IsDir():
			if err := c.dir(f, target, depth+1); err != nil {
				return err
			}
		case proc.Match(c.pattern, f.Name()) && !matches(c.without, f):
			if err := c.mkdir(to); err != nil {
				return err
			}
			if err := c.file(f, target); err != nil {
				return err
			}
		}
	}
	if c.purge {
		return c.removeExtras(src, to)
	}
	return nil
}

func (c *treeCopy) mkdir(to string) error {
	if f, err := c.p.Files.Resolve(to); err == nil && f.IsDir() {
		return nil
	}
	return c.p.Files.MkdirAll(to)
}

func (c *treeCopy) file(f *view.File, to string) error {
	c.files++
	if !c.quiet {
		c.p.Println("%s", nt.Win(f.Path))
	}
	if err := c.p.CopyFile(f, to); err != nil {
		return err
	}
	if c.move {
		return c.p.Files.Remove(f.Path)
	}
	return nil
}

// matches holds a file against patterns of names or whole paths.
func matches(patterns []string, f *view.File) bool {
	for _, pattern := range patterns {
		if proc.Match(pattern, f.Name()) || proc.Match(strings.TrimRight(pattern, `\`), nt.Win(f.Path)) {
			return true
		}
	}
	return false
}

// removeExtras removes what the destination has beyond the source.
func (c *treeCopy) removeExtras(src *view.File, to string) error {
	list, err := c.p.Files.ReadDir(to)
	if err != nil {
		return err
	}
	for _, f := range list {
		if _, err := c.p.Files.Lookup(strings.TrimPrefix(src.Path+"/"+f.Name(), "/")); err == nil {
			continue
		}
		c.extras++
		if err := c.p.Files.RemoveAll(f.Path); err != nil {
			return err
		}
	}
	return nil
}

// robocopy copies directories. Its exit code has bits: 1 files were copied, 2
// there was more in the destination, 16 it could not begin.
func robocopy(ctx context.Context, p *proc.Process, args []string) (uint32, error) {
	c := &treeCopy{ctx: ctx, p: p, hidden: true, quiet: true}
	var words []string
	var list *[]string // the list that an option began
	for _, a := range args {
		if !strings.HasPrefix(a, "/") {
			if list != nil {
				*list = append(*list, a)
			} else {
				words = append(words, a)
			}
			continue
		}
		list = nil
		name, _, _ := strings.Cut(strings.ToLower(a[1:]), ":")
		switch name {
		case "s":
			c.deep = true
		case "e":
			c.deep, c.empty = true, true
		case "mir":
			c.deep, c.empty, c.purge = true, true, true
		case "purge":
			c.purge = true
		case "mov":
			c.move = true
		case "xf":
			list = &c.without
		case "xd":
			list = &c.withoutDir
		case "nfl", "ndl", "njh", "njs", "np", "nc", "ns", "v", "eta", "r", "w", "mt", "copy", "dcopy", "copyall", "sec", "z", "b", "zb", "j", "unilog", "nooffload", "compress", "is", "it", "fft":
		default:
			return unknown("robocopy", args, a+" is not known without Windows")
		}
	}
	if len(words) < 2 {
		p.Println("ERROR : Invalid Parameter: a source and a destination are needed")
		return 16, nil
	}
	src, ok := p.Find(words[0])
	if !ok || !src.IsDir() {
		p.Println("ERROR 2 (0x00000002) Accessing Source Directory %s", words[0])
		p.Println("The system cannot find the file specified.")
		return 16, nil
	}
	to, err := p.Path(words[1])
	if err != nil {
		return unknown("robocopy", args, err.Error())
	}
	patterns := words[2:]
	if len(patterns) == 0 {
		patterns = []string{"*"}
	}
	for _, c.pattern = range patterns {
		if err := c.dir(src, to, 0); err != nil {
			return 0, err
		}
	}
	code := uint32(0)
	if c.files > 0 {
		code |= 1
	}
	if c.extras > 0 {
		code |= 2
	}
	return code, nil
}

// find prints the lines that have a text, or with /c their number.
func find(_ context.Context, p *proc.Process, args []string) (uint32, error) {
	var fold, not, count, number bool
	var words []string
	for _, a := range args {
		switch strings.ToLower(a) {
		case "/i":
			fold = true
		case "/v":
			not = true
		case "/c":
			count = true
		case "/n":
			number = true
		default:
			if strings.HasPrefix(a, "/") {
				return unknown("find", args, a+" is not known without Windows")
			}
			words = append(words, a)
		}
	}
	if len(words) == 0 {
		p.Complain("FIND: Parameter format not correct")
		return 2, nil
	}
	text := words[0]
	if fold {
		text = nt.Fold(text)
	}
	match := func(line string) bool {
		if fold {
			line = nt.Fold(line)
		}
		return (text != "" && strings.Contains(line, text)) != not
	}
	total := 0
	search := func(name string, r io.Reader) error {
		lines, err := readLines(r)
		if err != nil {
			return err
		}
		n := 0
		if name != "" && !count {
			p.Println("\r\n---------- %s", strings.ToUpper(name))
		}
		for i, line := range lines {
			switch {
			case !match(line):
				continue
			case count:
			case number:
				p.Println("[%d]%s", i+1, line)
			default:
				p.Println("%s", line)
			}
			n++
		}
		total += n
		switch {
		case count && name != "":
			p.Println("\r\n---------- %s: %d", strings.ToUpper(name), n)
		case count:
			p.Println("%d", n)
		}
		return nil
	}
	if err := eachInput(p, words[1:], "File not found - %s", search); err != nil {
		return 0, err
	}
	if total == 0 {
		return 1, nil
	}
	return 0, nil
}

// eachInput opens the files that patterns name, or the input if there are none.
func eachInput(p *proc.Process, patterns []string, missing string, do func(name string, r io.Reader) error) error {
	if len(patterns) == 0 {
		return do("", p.Stdin)
	}
	for _, pattern := range patterns {
		files, err := p.Tree(pattern, false)
		if err != nil {
			return err
		}
		if len(files) == 0 {
			p.Complain(missing, pattern)
		}
		for _, f := range files {
			if f.IsDir() {
				continue
			}
			r, err := p.Files.Open(f)
			if err != nil {
				return err
			}
			name := pattern[:strings.LastIndexAny(pattern, `\/:`)+1] + f.Name()
			err = do(name, r)
			if cerr := r.Close(); err == nil {
				err = cerr
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// maxText bounds a file that is read as text.
const maxText = 256 << 20

// readLines reads a text; the ends of lines are dropped.
func readLines(r io.Reader) ([]string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxText))
	if err != nil || len(b) == 0 {
		return nil, err
	}
	text := strings.TrimSuffix(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")
	return strings.Split(text, "\n"), nil
}

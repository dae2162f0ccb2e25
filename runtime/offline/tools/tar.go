package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime/offline/proc"
	"github.com/mullion/mullion/runtime/offline/unpack"
)

// tarCall is a call of tar.
type tarCall struct {
	extract, verbose, keep bool
	file, dir              string
	strip                  int
	members, exclude       []string
}

// tar unpacks archives, zip files among them, as the bsdtar of Windows does.
func tar(ctx context.Context, p *proc.Process, args []string) (uint32, error) {
	c, why := parseTar(args)
	if why != "" {
		return 0, &proc.Unsupported{Command: "tar " + strings.Join(args, " "), Why: why}
	}
	o := unpack.Options{Strip: c.strip, Keep: c.keep, Want: c.want}
	if c.verbose {
		o.Each = func(name string) { fmt.Fprintf(p.Stderr, "x %s\r\n", name) }
	}
	dir, ok := p.Find(c.dir)
	if !ok || !dir.IsDir() {
		p.Complain("tar: could not chdir to '%s'", c.dir)
		return 1, nil
	}
	o.Into = dir.Path
	f, ok := p.Find(c.file)
	if c.file != "-" && (!ok || f.IsDir()) {
		p.Complain("tar: Error opening archive: Failed to open '%s'", c.file)
		return 1, nil
	}
	var err error
	if c.file == "-" {
		err = unpack.Tar(ctx, p.Files, p.Stdin, o)
	} else {
		err = Unpack(ctx, p.Files, f, o)
	}
	if err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		p.Complain("tar: %v", err)
		p.Complain("tar: Error exit delayed from previous errors.")
		return 1, nil
	}
	return 0, nil
}

// Unpack unpacks a file of the Scratch, a tar or a zip by what it holds.
func Unpack(ctx context.Context, sc *view.Scratch, f *view.File, o unpack.Options) error {
	r, err := sc.Open(f)
	if err != nil {
		return err
	}
	defer r.Close()
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	rest := io.MultiReader(strings.NewReader(string(head[:n])), r)
	if string(head) != "PK\x03\x04" && string(head) != "PK\x05\x06" {
		return unpack.Tar(ctx, sc, rest, o)
	}
	// A zip is read from its end, and a file of an image only from its start.
	tmp, err := os.CreateTemp("", "mullion-zip-")
	if err != nil {
		return err
	}
	defer tmp.Close()
	defer os.Remove(tmp.Name())
	size, err := io.Copy(tmp, rest)
	if err != nil {
		return err
	}
	return unpack.Zip(ctx, sc, tmp, size, o)
}

// parseTar reads tar's arguments; why says what is not known.
func parseTar(args []string) (c tarCall, why string) {
	c.dir, c.file = ".", "-"
	next := func(rest string, i *int) string {
		if rest != "" {
			return rest
		}
		if *i++; *i < len(args) {
			return args[*i]
		}
		why = "an option has no value"
		return ""
	}
	for i := 0; i < len(args) && why == ""; i++ {
		a := args[i]
		switch {
		case strings.HasPrefix(a, "--"):
			name, value, has := strings.Cut(a[2:], "=")
			if !has && (name == "file" || name == "directory" || name == "strip-components" || name == "exclude") {
				value = next("", &i)
			}
			switch name {
			case "extract", "get":
				c.extract = true
			case "verbose":
				c.verbose = true
			case "file":
				c.file = value
			case "directory":
				c.dir = value
			case "strip-components":
				c.strip = atoi(value, &why)
			case "exclude":
				c.exclude = append(c.exclude, value)
			case "gzip", "gunzip", "bzip2", "no-same-owner", "no-same-permissions", "force-local":
			case "keep-old-files":
				c.keep = true
			default:
				why = "--" + name + " is not known without Windows"
			}
		case strings.HasPrefix(a, "-") && len(a) > 1, i == 0:
			letters := strings.TrimPrefix(a, "-")
			bundled := i == 0 && !strings.HasPrefix(a, "-") // old style: values follow in order
			for k := 0; k < len(letters) && why == ""; k++ {
				rest := letters[k+1:]
				if bundled {
					rest = ""
				}
				switch letters[k] {
				case 'x':
					c.extract = true
				case 'v':
					c.verbose = true
				case 'z', 'j', 'o', 'm', 'p':
				case 'k':
					c.keep = true
				case 'f', 'C':
					value := next(rest, &i)
					if letters[k] == 'f' {
						c.file = value
					} else {
						c.dir = value
					}
					if !bundled {
						k = len(letters)
					}
				default:
					why = "-" + letters[k:k+1] + " is not known without Windows"
				}
			}
		default:
			c.members = append(c.members, a)
		}
	}
	if why == "" && !c.extract {
		why = "only unpacking (-x) is known without Windows"
	}
	return c, why
}

func atoi(s string, why *string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		*why = s + " is not a number"
	}
	return n
}

// want tells whether a member is asked for: itself or a folder above it.
func (c *tarCall) want(name string) bool {
	name = strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
	for _, pattern := range c.exclude {
		if covers(pattern, name) {
			return false
		}
	}
	for _, pattern := range c.members {
		if covers(strings.TrimSuffix(strings.ReplaceAll(pattern, `\`, "/"), "/"), name) {
			return true
		}
	}
	return len(c.members) == 0
}

func covers(pattern, name string) bool {
	for ; name != "." && name != "/" && name != ""; name = path.Dir(name) {
		if ok, err := path.Match(pattern, name); err == nil && ok || pattern == name {
			return true
		}
	}
	return false
}

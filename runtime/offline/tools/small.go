package tools

import (
	"context"
	"strconv"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// unknown is the error for a way of calling a tool that is not known.
func unknown(name string, args []string, why string) (uint32, error) {
	return 0, &proc.Unsupported{Command: strings.TrimSpace(name + " " + strings.Join(args, " ")), Why: why}
}

// where prints the files that a name stands for in the search for programs.
func where(_ context.Context, p *proc.Process, args []string) (uint32, error) {
	quiet, found := false, false
	var names []string
	for _, a := range args {
		switch {
		case strings.EqualFold(a, "/q"):
			quiet = true
		case strings.HasPrefix(a, "/") || strings.HasPrefix(a, "$") || strings.Contains(a, ":"):
			return unknown("where", args, a+" is not known without Windows")
		default:
			names = append(names, a)
		}
	}
	for _, name := range names {
		for _, f := range p.SearchAll(name) {
			found = true
			if !quiet {
				p.Println("%s", nt.Win(f))
			}
		}
	}
	if !found {
		if !quiet {
			p.Complain("INFO: Could not find files for the given pattern(s).")
		}
		return 1, nil
	}
	return 0, nil
}

// timeout waits, which a build need not do.
func timeout(_ context.Context, p *proc.Process, args []string) (uint32, error) {
	seconds := ""
	for _, a := range args {
		if !strings.EqualFold(a, "/t") && !strings.EqualFold(a, "/nobreak") {
			seconds = a
		}
	}
	if n, err := strconv.Atoi(seconds); err != nil || n < -1 || n > 99999 {
		p.Complain("ERROR: Invalid value for timeout specified. Valid range is 0-99999 seconds.")
		return 1, nil
	}
	return 0, nil
}

// ping is known as what people wait with: an address of this machine.
func ping(_ context.Context, _ *proc.Process, args []string) (uint32, error) {
	for _, a := range args {
		switch strings.ToLower(a) {
		case "127.0.0.1", "localhost", "::1":
			return 0, nil
		}
	}
	return unknown("ping", args, "only addresses of this machine are known, as a way to wait")
}

// whoami prints the account.
func whoami(_ context.Context, p *proc.Process, args []string) (uint32, error) {
	if len(args) > 0 {
		return unknown("whoami", args, "its options are not known without Windows")
	}
	name, _ := p.Env.Get("USERNAME")
	p.Println(`user manager\%s`, strings.ToLower(name))
	return 0, nil
}

// attributeLetters are attrib's, in the order in which it shows them.
var attributeLetters = []struct {
	letter byte
	bit    uint32
}{{'A', layers.AttrArchive}, {'S', layers.AttrSystem}, {'H', layers.AttrHidden}, {'R', layers.AttrReadOnly}, {'I', layers.AttrNotIndexed}}

// attrib shows or changes the attributes of files.
func attrib(_ context.Context, p *proc.Process, args []string) (uint32, error) {
	var set, clear uint32
	tree, directories, pattern := false, false, "*.*"
	for _, a := range args {
		switch {
		case strings.EqualFold(a, "/s"):
			tree = true
		case strings.EqualFold(a, "/d"):
			directories = true
		case len(a) == 2 && (a[0] == '+' || a[0] == '-') && attributeBit(a[1]) != 0:
			if a[0] == '+' {
				set |= attributeBit(a[1])
			} else {
				clear |= attributeBit(a[1])
			}
		case strings.HasPrefix(a, "/") || strings.HasPrefix(a, "+") || strings.HasPrefix(a, "-"):
			return unknown("attrib", args, a+" is not known without Windows")
		default:
			pattern = a
		}
	}
	files, err := p.Tree(pattern, tree)
	if err != nil {
		return 0, err
	}
	found := false
	for _, f := range files {
		if f.IsDir() && !directories && strings.ContainsAny(pattern, "*?") {
			continue
		}
		found = true
		if set|clear == 0 {
			p.Println("%s%s", attributeText(f), nt.Win(f.Path))
			continue
		}
		if err := p.Files.SetAttributes(f.Path, f.Entry.Attributes&^clear|set); err != nil {
			return 0, err
		}
	}
	if !found {
		p.Println("File not found - %s", pattern)
	}
	return 0, nil
}

func attributeBit(letter byte) uint32 {
	for _, a := range attributeLetters {
		if a.letter|0x20 == letter|0x20 {
			return a.bit
		}
	}
	return 0
}

func attributeText(f *view.File) string {
	column := map[byte]int{'A': 0, 'S': 3, 'H': 4, 'R': 5, 'I': 8}
	text := []byte(strings.Repeat(" ", 21))
	for _, a := range attributeLetters {
		if f.Entry.Attributes&a.bit != 0 {
			text[column[a.letter]] = a.letter
		}
	}
	return string(text)
}

package tools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/regfile"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// regImport is reg import FILE.
func regImport(p *proc.Process, text string, args []string) (uint32, error) {
	wow := len(args) == 2 && strings.EqualFold(args[1], "/reg:32")
	if len(args) == 0 || len(args) > 2 || len(args) == 2 && !wow && !strings.EqualFold(args[1], "/reg:64") {
		return complain(p, "Invalid syntax."), nil
	}
	problem, err := importText(p, text, args[0], wow)
	if err != nil || problem != "" {
		return complained(p, problem, err)
	}
	p.Complain("The operation completed successfully.") // reg says this one on its error output
	return 0, nil
}

func complained(p *proc.Process, problem string, err error) (uint32, error) {
	if err != nil {
		return 0, err
	}
	return complain(p, problem), nil
}

// importText makes the changes of a .reg file; problem is what reg complains about.
func importText(p *proc.Process, text, name string, wow bool) (problem string, err error) {
	f, ok := p.Find(name)
	if !ok || f.IsDir() {
		return "Error opening the file. There may be a disk or file system error.", nil
	}
	r, err := p.Files.Open(f)
	if err != nil {
		return "", err
	}
	defer r.Close()
	sections, err := regfile.Parse(r)
	if err != nil {
		return "", &proc.Unsupported{Command: text, Why: fmt.Sprintf("%s: %v", nt.Win(f.Path), err)}
	}
	users := false
	for i, s := range sections {
		if !strings.Contains(s.Path, `\`) && len(s.Values) == 0 && !s.Delete {
			continue // a root above the hives, which is there
		}
		short, _, why := Key(s.Path)
		if why == "" && short == "" {
			why = "there is no such key"
		}
		if why != "" {
			return "", &proc.Unsupported{Command: text, Why: s.Path + ": " + why}
		}
		user, own := OfUser(short)
		if !p.Admin && !own {
			return "Access is denied.", nil
		}
		users = users || user
		if sections[i].Path = short; wow {
			sections[i].Path = hives.WOW64(short)
		}
	}
	if users {
		UseUsers(p)
	}
	sections = slices.DeleteFunc(sections, func(s regfile.Section) bool { return !strings.Contains(s.Path, `\`) })
	if err := regfile.Apply(p.Files.Registry(), sections); err != nil {
		return "", fmt.Errorf("%s: %w", text, err)
	}
	if users {
		return "", p.Files.SaveUsers()
	}
	return "", nil
}

// regExport is reg export KEY FILE.
func regExport(p *proc.Process, text string, args []string) (uint32, error) {
	if len(args) < 2 {
		return complain(p, "Invalid syntax."), nil
	}
	yes, wow := false, false
	for _, a := range args[2:] {
		switch strings.ToLower(a) {
		case "/y":
			yes = true
		case "/reg:32":
			wow = true
		case "/reg:64":
		default:
			return complain(p, "Invalid syntax."), nil
		}
	}
	short, long, why := Key(args[0])
	if why != "" {
		return 0, &proc.Unsupported{Command: text, Why: why}
	}
	if short == "" {
		return complain(p, "Invalid key name."), nil
	}
	if user, _ := OfUser(short); user {
		UseUsers(p)
	}
	if wow {
		short = hives.WOW64(short)
	}
	key, err := p.Files.Registry().Key(short)
	if errors.Is(err, fs.ErrNotExist) {
		return complain(p, notFound), nil
	}
	if err != nil {
		return 0, err
	}
	to, err := p.Path(args[1])
	if err != nil {
		return complain(p, "The system cannot find the path specified."), nil
	}
	if _, there := p.Find(args[1]); there && !yes {
		fmt.Fprintf(p.Stdout, "File %s already exists. Overwrite (Yes/No)? ", args[1])
		if !p.Confirm() {
			p.Println("")
			p.Println("The operation was canceled by the user.")
			return 1, nil
		}
	}
	var b bytes.Buffer
	if err := regfile.Write(&b, regfile.Version5, regfile.Root{Path: long, Key: key}); err != nil {
		return 0, fmt.Errorf("%s: %w", text, err)
	}
	if err := p.Files.WriteFile(to, &b); err != nil {
		return complain(p, err.Error()), nil
	}
	return done(p)
}

// regedit imports files without asking, which is the only thing it does without a
// screen.
func regedit(_ context.Context, p *proc.Process, args []string) (uint32, error) {
	text := "regedit " + strings.Join(args, " ")
	silent := false
	var files []string
	for _, a := range args {
		switch {
		case isOption(a) && strings.EqualFold(a[1:], "s"):
			silent = true
		case isOption(a):
			return 0, &proc.Unsupported{Command: text, Why: a + " is not known without Windows"}
		default:
			files = append(files, a)
		}
	}
	if !silent || len(files) == 0 {
		return 0, &proc.Unsupported{Command: text, Why: "without /S and a file it would wait for a person"}
	}
	for _, f := range files {
		problem, err := importText(p, text, f, false)
		if err != nil {
			return 0, err
		}
		if problem != "" {
			return 1, nil
		}
	}
	return 0, nil
}

package reg

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
)

// Diff prints how b differs from a in a key and all below it: for people a line for each
// key and value, beginning with + (only in b), - (only in a) or ~ (a key in both); or a
// JSON object for each key, one a line.
func Diff(ctx context.Context, w io.Writer, a, b *Registry, key string, json bool) error {
	out := bufio.NewWriter(w)
	print := printDifference
	if json {
		print = printDifferenceJSON
	}
	if err := compare(ctx, a, b, key, func(d *difference) error { return print(out, d) }); err != nil {
		return err
	}
	return out.Flush()
}

// kind is + - or ~, and its name in JSON.
func (d *difference) kind() (mark byte, name string) {
	switch {
	case d.before == nil:
		return '+', "added"
	case d.after == nil:
		return '-', "deleted"
	}
	return '~', "changed"
}

// node is the key where it is.
func (d *difference) node() (*Node, hives.Info) {
	if d.after == nil {
		return d.before, d.info[0]
	}
	return d.after, d.info[1]
}

func printDifference(w *bufio.Writer, d *difference) error {
	mark, _ := d.kind()
	n, info := d.node()
	fmt.Fprintf(w, "%c %s\n", mark, keyLine(n, info))
	if mark == '~' {
		printOwn(w, "class", Printable(d.info[0].Class), Printable(d.info[1].Class))
		printOwn(w, "security", sddl(d.info[0].SD), sddl(d.info[1].SD))
		printOwn(w, "link", fmt.Sprint(d.info[0].Symlink), fmt.Sprint(d.info[1].Symlink))
		printOwn(w, "flags", flags(d.info[0]), flags(d.info[1]))
	}
	for _, v := range d.values {
		if v.before != nil {
			fmt.Fprintf(w, "- %s\n", valueLine(v.before.Value))
		}
		if v.after != nil {
			fmt.Fprintf(w, "+ %s\n", valueLine(v.after.Value))
		}
	}
	return nil // a bufio.Writer remembers its failure
}

// printOwn prints what is stored beside a key's content, if it differs.
func printOwn(w io.Writer, what, before, after string) {
	if before != after {
		fmt.Fprintf(w, "-     (%s)    %s\n+     (%s)    %s\n", what, before, what, after)
	}
}

// flags are the numbers that a key carries along.
func flags(i hives.Info) string { return fmt.Sprintf("0x%x 0x%x", i.Flags, i.User) }

// sddl writes a security descriptor as text, "" if there is none that can be read.
func sddl(b []byte) string {
	sd, err := nt.ParseSD(b)
	if err != nil {
		return ""
	}
	return sd.SDDL()
}

func printDifferenceJSON(w *bufio.Writer, d *difference) error {
	n, _ := d.node()
	_, name := d.kind()
	line := struct {
		Path   text     `json:"path"`
		Change string   `json:"change"`
		Before *keyJSON `json:"before"`
		After  *keyJSON `json:"after"`
	}{Path: text(n.Path), Change: name}
	var before, after []Value
	for _, v := range d.values {
		if v.before != nil {
			before = append(before, *v.before)
		}
		if v.after != nil {
			after = append(after, *v.after)
		}
	}
	var err error
	if line.Before, err = side(d.before, before); err != nil {
		return err
	}
	if line.After, err = side(d.after, after); err != nil {
		return err
	}
	return printJSON(w, line)
}

// side describes a key on one side, nil if it is not there.
func side(n *Node, values []Value) (*keyJSON, error) {
	if n == nil {
		return nil, nil
	}
	k, err := jsonKey(n, values)
	return &k, err
}

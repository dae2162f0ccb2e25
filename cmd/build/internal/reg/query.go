package reg

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/mullion/mullion/hives/regfile"
)

// Query says what to print of a key.
type Query struct {
	Value *string // only the value of that name, "" being the default value
	Deep  bool    // with all keys below
	JSON  bool    // a JSON object for each key, one a line
}

// Run prints a key of r. A value that no key has is a [*NotFoundError].
func (q Query) Run(ctx context.Context, w io.Writer, r *Registry, key string) (err error) {
	n, err := r.Find(key)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	found := q.Value == nil
	print := func(n *Node) error {
		hit, err := q.print(out, n)
		found = found || hit
		return err
	}
	if q.Deep {
		err = Walk(ctx, n, print)
	} else if err = print(n); err == nil && !q.JSON && q.Value == nil {
		err = listKeys(out, n)
	}
	if err == nil {
		err = out.Flush()
	}
	if err == nil && !found {
		err = r.notFound("value %s of %s", shown(*q.Value), keyName(key))
	}
	return err
}

// print prints one key, or nothing if it lacks the value that is asked for.
func (q Query) print(w io.Writer, n *Node) (bool, error) {
	values, err := q.values(n)
	if err != nil || q.Value != nil && len(values) == 0 {
		return false, err
	}
	if q.JSON {
		return true, printKey(w, n, values)
	}
	info, err := n.Key.Info()
	if err != nil {
		return false, err
	}
	fmt.Fprintf(w, "\n%s\n", keyLine(n, info))
	for _, v := range values {
		fmt.Fprintln(w, valueLine(v.Value))
	}
	return true, nil
}

func (q Query) values(n *Node) ([]Value, error) {
	if q.Value == nil {
		return n.Values()
	}
	v, ok, err := n.value(*q.Value)
	if !ok {
		return nil, err
	}
	return []Value{v}, nil
}

// listKeys prints the paths of the subkeys.
func listKeys(w io.Writer, n *Node) error {
	lead := "\n"
	for c, err := range n.Subkeys() {
		if err != nil {
			return err
		}
		info, err := c.Key.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s%s\n", lead, keyLine(c, info))
		lead = ""
	}
	return nil
}

// ExportJSON prints a key of r and all below it, a JSON object for each, one a line.
func ExportJSON(ctx context.Context, w io.Writer, r *Registry, key string) error {
	return Query{Deep: true, JSON: true}.Run(ctx, w, r, key)
}

// ExportReg writes a key of r and all below it as a .reg file of version 5. Keys of a
// hive file, which belong nowhere, begin with a backslash.
func ExportReg(w io.Writer, r *Registry, key string) error {
	if r.IsDelta() {
		return fmt.Errorf("%s is a delta hive, whose deletions a .reg file cannot hold as they are: export the image, or use --format json", r.target)
	}
	n, err := r.Find(key)
	if err != nil {
		return err
	}
	if r.IsImage() && n.Path == "" {
		return exportAll(w, n)
	}
	path := n.Path
	if !r.IsImage() {
		path = `\` + path
	}
	return regfile.Write(w, path, n.Key)
}

// head is the first line of a .reg file; in UTF-16 a byte order mark stands before it.
const head = "Windows Registry Editor Version 5.00\r\n"

// exportAll writes all roots of an image into one file.
func exportAll(w io.Writer, all *Node) error {
	skip := 0
	for n, err := range all.Subkeys() {
		if err != nil {
			return err
		}
		if err := regfile.Write(&skipper{w, skip}, n.Path, n.Key); err != nil {
			return err
		}
		skip = 2 * (1 + len(head))
	}
	return nil
}

// skipper drops the first bytes written to it: the head that a file has only once.
type skipper struct {
	w    io.Writer
	skip int
}

func (s *skipper) Write(p []byte) (int, error) {
	n := min(s.skip, len(p))
	s.skip -= n
	m, err := s.w.Write(p[n:])
	return n + m, err
}

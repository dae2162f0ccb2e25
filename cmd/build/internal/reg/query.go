package reg

import (
	"bufio"
	"context"
	"fmt"
	"io"
)

// Query says what to print of a key.
type Query struct {
	Value *string // only the value of that name, "" being the default value
	Deep  bool    // with all keys below
	JSON  bool    // a JSON object for each key, one a line
	// Terminal is for a person: columns are aligned and long data is cut. Otherwise a line
	// holds all data, as reg.exe prints it.
	Terminal bool
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
		err = &NotFoundError{What: fmt.Sprintf("value %s of %s", shown(*q.Value), keyName(key)), Target: r.target}
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
	if q.Terminal {
		return true, printColumns(w, values)
	}
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

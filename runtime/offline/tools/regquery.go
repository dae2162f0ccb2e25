package tools

import (
	"errors"
	"io/fs"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/runtime/offline/proc"
)

// regQuery prints a value, or the values and subkeys of a key.
func regQuery(p *proc.Process, c *regCall) (uint32, error) {
	name, one := c.value()
	if one && c.has("s") {
		return 0, &proc.Unsupported{Command: c.text, Why: "searching below a key is not known without Windows"}
	}
	k, err := p.Files.Registry().Key(c.key)
	if errors.Is(err, fs.ErrNotExist) {
		return complain(p, notFound), nil
	}
	if err != nil {
		return 0, err
	}
	if one {
		return queryOne(p, c, k, name)
	}
	if err := queryKey(p, k, c.long, c.has("s"), 0); err != nil {
		return 0, err
	}
	p.Println("")
	return 0, nil
}

func queryOne(p *proc.Process, c *regCall, k hives.Key, name string) (uint32, error) {
	v, err := k.Value(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && name == "":
		p.Println("")
		p.Println("%s", c.long)
		p.Println("    (Default)    REG_SZ    (value not set)")
		p.Println("")
		return 0, nil
	case errors.Is(err, fs.ErrNotExist):
		return complain(p, notFound), nil
	case err != nil:
		return 0, err
	}
	p.Println("")
	p.Println("%s", c.long)
	printValue(p, v)
	p.Println("")
	return 0, nil
}

func printValue(p *proc.Process, v hives.Value) {
	p.Println("    %s    %s    %s", shown(v.Name), v.Type, data(v))
}

// maxKeyDepth is how deep keys can be nested on Windows.
const maxKeyDepth = 512

// queryKey prints a key's values under its name and then its subkeys: their
// names, or with deep all that is in them.
func queryKey(p *proc.Process, k hives.Key, long string, deep bool, depth int) error {
	if depth > maxKeyDepth {
		return errors.New("the registry is nested too deeply")
	}
	head := false
	for v, err := range k.Values() {
		if err != nil {
			return err
		}
		if !head {
			p.Println("")
			p.Println("%s", long)
			head = true
		}
		printValue(p, v)
	}
	if !head && depth == 0 {
		p.Println("")
	} else if head && !deep {
		p.Println("")
	}
	for sub, err := range k.Subkeys() {
		if err != nil {
			return err
		}
		name := long + `\` + sub.Name()
		if !deep {
			p.Println("%s", name)
			continue
		}
		if err := queryKey(p, sub, name, deep, depth+1); err != nil {
			return err
		}
	}
	return nil
}

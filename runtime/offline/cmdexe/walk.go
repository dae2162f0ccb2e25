package cmdexe

import "strings"

// Commands lists the commands of cmd's command line, rest being what stands after
// the program's name: those of all branches and loops, in the order in which they
// are written, without running any. Variables stand in them as written.
func Commands(rest string) ([]string, error) {
	line, err := commandText(rest)
	if err != nil {
		return nil, err
	}
	n, err := parse(line)
	if err != nil || n == nil {
		return nil, err
	}
	return commandsOf(n), nil
}

func commandsOf(n node) []string {
	switch n := n.(type) {
	case *seq:
		return append(commandsOf(n.left), commandsOf(n.right)...)
	case *block:
		return commandsOf(n.body)
	case *condition:
		list := commandsOf(n.then)
		if n.other != nil {
			list = append(list, commandsOf(n.other)...)
		}
		return list
	case *loop:
		return commandsOf(n.body)
	case *simple:
		return []string{strings.TrimSpace(n.text)}
	}
	return nil
}

// Builtin tells whether a command is one of cmd's own, and whether it is known.
func Builtin(command string) (own, known bool) {
	name, _ := SplitProgram(command)
	head, _ := builtinName(name, "")
	for _, b := range Builtins() {
		if head == b {
			return true, true
		}
	}
	_, own = builtin(head)
	return own, false
}

package cmdexe

// node is a piece of a parsed line: one of seq, block, condition, loop or simple.
// Its texts are as written, after the percent signs of the line and its carets
// but before the variables of loops and those between exclamation marks: those
// are put in each time the piece is run.
type node interface{}

// seq is two commands joined by an operator, which may be a line end.
type seq struct {
	op          string
	left, right node
}

// block is a list in parentheses.
type block struct {
	body   node
	redirs []redirect
}

// condition is an if.
type condition struct {
	not, fold   bool
	test        string // "exist", "defined", "errorlevel", "==", "EQU" ...
	left, right string
	then, other node // other is nil without else
}

// loop is a for.
type loop struct {
	kind     byte   // 'd', 'r', 'l' or 'f' of the option; 0 without
	option   string // what stands between the option and the variable: /R's root, /F's "tokens=..."
	variable byte
	set      string // what is in the parentheses
	body     node
}

// simple is a command with all that follows its name.
type simple struct {
	text   string
	redirs []redirect
}

// redirect is one redirection, in the order written.
type redirect struct {
	handle int    // 0, 1 or 2
	op     string // "<", ">", ">>" or ">&"
	target string // a file name, or a handle for ">&"
}

package powershell

// The tree of a script. Each piece knows where it stands, for errors.

// pos is an offset into the text of a script.
type pos int

// statement is one of the *Stmt types below or a *pipeline.
type statement interface{ at() pos }

// expression is one of the *Expr types below.
type expression interface{ at() pos }

func (p pos) at() pos { return p }

// block is a list of statements with what may stand before it.
type block struct {
	pos
	text   string // as written, for a script block turned into a string
	params []*parameter
	begin  []statement
	body   []statement // or of process, where that is written
	end    []statement
	named  bool // whether begin, process or end are written
	inEach bool // whether body is that of process
	traps  []*trapStmt
	strict bool // [CmdletBinding()] is written: unknown parameters are errors
}

// parameter is one of param(...) or of a function's parentheses.
type parameter struct {
	pos
	name      string
	kind      *typeName  // nil without
	value     expression // the default; nil without
	mandatory bool
	pipeline  bool // ValueFromPipeline
	aliases   []string
	set       []expression // of ValidateSet
}

type (
	ifStmt struct {
		pos
		clauses []clause
		other   []statement
	}
	clause struct {
		test statement
		body []statement
	}
	whileStmt struct { // also do ... while and do ... until
		pos
		label       string
		test        statement
		body        []statement
		after, till bool // the test comes after the body; it ends the loop
	}
	forStmt struct {
		pos
		label            string
		init, test, step statement // nil without
		body             []statement
	}
	foreachStmt struct {
		pos
		label string
		name  *variableExpr
		over  statement
		body  []statement
	}
	switchStmt struct {
		pos
		label                   string
		regex, wildcard, strict bool
		over                    statement
		cases                   []switchCase
		other                   []statement
	}
	switchCase struct {
		test expression
		body []statement
	}
	functionStmt struct {
		pos
		name   string
		filter bool
		body   *block
	}
	tryStmt struct {
		pos
		body    []statement
		catches []catchClause
		finally []statement
	}
	catchClause struct {
		types []*typeName
		body  []statement
	}
	trapStmt struct {
		pos
		kind *typeName
		body []statement
	}
	flowStmt struct { // return, throw, exit, break, continue
		pos
		word  string
		value statement // nil without; of break and continue a label
	}
	assignStmt struct {
		pos
		target expression
		op     string // "=", "+=" ...
		value  statement
	}
	// pipeline is commands joined by |, of which the first may be an expression.
	pipeline struct {
		pos
		elements []element
	}
	// chain is two pipelines joined by && or ||.
	chain struct {
		pos
		op          string
		left, right statement
	}
)

// element is a part of a pipeline: an *expressionElement or a *command.
type element interface{ at() pos }

type expressionElement struct {
	pos
	expr   expression
	redirs []redirection
}

// command is the call of a cmdlet, function, script or program.
type command struct {
	pos
	operator string     // "", "&" or "."
	name     expression // a constant for a bare word
	args     []argument
	redirs   []redirection
	text     string // as written
}

// argument is one of a command's arguments.
type argument struct {
	pos
	name  string     // of a parameter, without its dash; "" for a value
	value expression // nil for a parameter alone
	splat bool       // @name
	bare  bool       // a word without quotes
}

type redirection struct {
	pos
	stream string // "1" to "6", or "*"
	op     string // ">", ">>" or ">&1"
	target expression
}

type (
	constantExpr struct {
		pos
		value any
	}
	// expandExpr is a string with variables and expressions in it.
	expandExpr struct {
		pos
		parts []expression
	}
	variableExpr struct {
		pos
		scope string // "env", "script" ...; "" without
		name  string
	}
	typeExpr struct {
		pos
		kind *typeName
	}
	castExpr struct {
		pos
		kind  *typeName
		value expression
	}
	unaryExpr struct {
		pos
		op    string
		value expression
	}
	postfixExpr struct { // ++ and --
		pos
		op     string
		value  expression
		before bool
	}
	binaryExpr struct {
		pos
		op          string
		left, right expression
	}
	arrayExpr struct { // a, b
		pos
		items []expression
	}
	memberExpr struct {
		pos
		on     expression
		static bool
		name   expression
		call   bool
		args   []expression
	}
	indexExpr struct {
		pos
		on, index expression
	}
	parenExpr struct { // (...)
		pos
		body statement
	}
	subExpr struct { // $(...) and, with array, @(...)
		pos
		body  []statement
		array bool
	}
	hashExpr struct {
		pos
		keys   []expression
		values []statement
		order  bool // [ordered]
	}
	blockExpr struct {
		pos
		body *block
	}
)

// typeName is what stands in brackets.
type typeName struct {
	pos
	name string // without the namespace System, in lower case
	text string
	list bool // []
}

package layers

import "fmt"

// Severity grades a Finding.
type Severity uint8

// The severities.
const (
	Warning Severity = iota // Windows accepts it, but not as its author will expect
	Error                   // Windows refuses it, or drops or changes something
)

// String returns "warning" or "error".
func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// Finding is one thing that is wrong with a layer.
type Finding struct {
	Severity Severity
	Rule     string // a short stable name, such as "missing-parent"
	Entry    string // the tar name of the entry, empty if the layer as a whole is meant
	Problem  string // what is wrong, in lower case
	Remedy   string // what to do about it
}

// String returns the finding as one line.
func (f Finding) String() string {
	where := f.Entry
	if where == "" {
		where = "layer"
	}
	return fmt.Sprintf("%s: %s: %s (%s): %s", f.Severity, where, f.Problem, f.Rule, f.Remedy)
}

package hives

import "fmt"

// Finding is one thing that is wrong with a hive.
type Finding struct {
	Offset  int64  // in the file
	Rule    string // short and stable, such as "parent" or "order"
	Message string
}

func (f Finding) String() string {
	return fmt.Sprintf("%#x: %s: %s", f.Offset, f.Rule, f.Message)
}

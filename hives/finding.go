package hives

import "fmt"

// Finding is one thing that is wrong with a hive.
type Finding struct {
	// Offset is where in the file: of the cell's header if the finding is about a cell.
	Offset int64
	// Key is the path of the key that the finding is about, `\` for the root; it is empty
	// if the finding is about no key. Of a very long path it is the end.
	Key  string
	Rule Rule
	// Warning is set for what the mode of the check tolerates.
	Warning bool
	Message string
}

func (f Finding) String() string {
	if f.Key != "" {
		return fmt.Sprintf("%#x: %s: key %s: %s", f.Offset, f.Rule, f.Key, f.Message)
	}
	return fmt.Sprintf("%#x: %s: %s", f.Offset, f.Rule, f.Message)
}

// Rule names what a finding breaks. The names do not change; docs/formats/hive.md says what
// each demands.
type Rule string

// The rules of the base block, the bins and the references between cells.
const (
	ruleEmpty     Rule = "empty"
	ruleSignature Rule = "signature"
	ruleChecksum  Rule = "checksum"
	ruleVersion   Rule = "version"
	ruleType      Rule = "type"
	ruleSize      Rule = "size"
	ruleSequence  Rule = "sequence"
	ruleTail      Rule = "tail"
	ruleBin       Rule = "bin"
	ruleCell      Rule = "cell"
	ruleOffset    Rule = "offset"
	ruleOverlap   Rule = "overlap"
	ruleLeak      Rule = "leak"
)

// The rules of keys, their lists and values, security and layers.
const (
	ruleRoot      Rule = "root"
	ruleKey       Rule = "key"
	ruleFlags     Rule = "flags"
	ruleName      Rule = "name"
	ruleSpelling  Rule = "spelling"
	ruleParent    Rule = "parent"
	ruleDepth     Rule = "depth"
	ruleList      Rule = "list"
	ruleForm      Rule = "form"
	ruleOrder     Rule = "order"
	ruleHash      Rule = "hash"
	ruleHint      Rule = "hint"
	ruleCount     Rule = "count"
	ruleMaximum   Rule = "maximum"
	ruleClass     Rule = "class"
	ruleValue     Rule = "value"
	ruleRepeat    Rule = "repeat"
	ruleData      Rule = "data"
	ruleSecurity  Rule = "security"
	ruleRing      Rule = "ring"
	ruleRefcount  Rule = "refcount"
	ruleOvercount Rule = "overcount"
	ruleTwin      Rule = "twin"
	ruleLayer     Rule = "layer"
)

// Mode says how a check takes what Windows writes itself, mends while it loads a hive, or
// never looks at.
type Mode uint8

const (
	// Strict tolerates nothing: what a program writes should be like this.
	Strict Mode = iota
	// Tolerant makes warnings of what real hives have and Windows lives with: files of no
	// length and bytes behind the last bin; cells that nothing refers to; hints of lf lists,
	// counts and maxima that are off; second values of one name; use counts of security
	// cells that are too high, and equal ones; lists of another version; odd names and
	// flags; and what the layer bytes of a delta leave open.
	Tolerant
)

// tolerates tells the rules whose breach harms nobody who reads the hive.
func (m Mode) tolerates(r Rule) bool {
	if m == Strict {
		return false
	}
	switch r {
	case ruleEmpty, ruleTail, ruleLeak, ruleFlags, ruleSpelling, ruleForm, ruleHint, ruleCount, ruleMaximum,
		ruleRepeat, ruleOvercount, ruleTwin, ruleLayer:
		return true
	}
	return false
}

// maxOfRule is how many findings of one rule are told one by one. The rest are counted.
const maxOfRule = 16

// report collects findings.
type report struct {
	mode Mode
	list []Finding
	more map[Rule]int
}

// wants reports whether a finding of a rule is still told, and counts it.
func (r *report) wants(rule Rule) bool {
	if r.more == nil {
		r.more = map[Rule]int{}
	}
	r.more[rule]++
	return r.more[rule] <= maxOfRule
}

func (r *report) add(f Finding) {
	f.Warning = r.mode.tolerates(f.Rule)
	r.list = append(r.list, f)
}

// done returns the findings. The last of each rule says how many it stands for.
func (r *report) done() []Finding {
	for i := len(r.list) - 1; i >= 0; i-- {
		f := &r.list[i]
		if n := r.more[f.Rule]; n > maxOfRule {
			f.Message = fmt.Sprintf("%s (and %d more of the kind)", f.Message, n-maxOfRule)
			r.more[f.Rule] = 0
		}
	}
	return r.list
}

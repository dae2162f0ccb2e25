package offline_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mullion/mullion/runtime/offline/cmdexe"
	"github.com/mullion/mullion/runtime/offline/powershell"
	"github.com/mullion/mullion/runtime/offline/tools"
)

var update = flag.Bool("update", false, "write the tables of docs/run.md anew")

// TestRunDocument holds docs/run.md against the tables that drive the shells.
func TestRunDocument(t *testing.T) {
	const file, mark = "../../docs/run.md", "<!-- tables -->\n"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(b), mark)
	if !ok {
		t.Fatalf("%s has no %s", file, mark)
	}
	want := head + mark + tables()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(b) != want {
		t.Errorf("%s does not list what is known; write it anew: go test ./runtime/offline -run TestRunDocument -update", file)
	}
}

func tables() string {
	var b strings.Builder
	words := func(title string, list []string) {
		fmt.Fprintf(&b, "\n### %s\n\n", title)
		line := ""
		for i, w := range list {
			if w = "`" + w + "`"; i < len(list)-1 {
				w += ","
			}
			if line != "" && len(line)+1+len(w) > 118 {
				b.WriteString(line + "\n")
				line = ""
			}
			line = strings.TrimSpace(line + " " + w)
		}
		b.WriteString(line + "\n")
	}
	words("Commands of cmd", cmdexe.Builtins())
	words("Programs of System32", tools.Names())
	fmt.Fprint(&b, "\n### Cmdlets and their parameters\n\nA star marks parameters that are accepted and have no effect.\n\n| cmdlet | parameters |\n|---|---|\n")
	for _, name := range powershell.Cmdlets() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, strings.Join(powershell.Parameters(name), " "))
	}
	statics := powershell.Statics()
	slices.Sort(statics)
	words("Static members of .NET types", statics)
	words("Methods", powershell.Methods())
	return b.String()
}

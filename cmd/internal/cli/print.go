package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// Format is the value of a verb's --format flag: "table" or "json".
type Format string

// The formats of every verb that prints facts.
const (
	Table Format = "table"
	JSON  Format = "json"
)

// AddFlag registers --format on a verb.
func (f *Format) AddFlag(cmd *cobra.Command) {
	if *f == "" {
		*f = Table
	}
	cmd.Flags().Var(f, "format", "output as `table|json`")
}

// String, Set and Type make Format a flag value.
func (f *Format) String() string { return string(*f) }

// Set accepts the names of the formats, and Docker's "{{json .}}".
func (f *Format) Set(s string) error {
	switch s {
	case "table", "json":
		*f = Format(s)
	case "{{json .}}":
		*f = JSON
	default:
		return fmt.Errorf("unknown format %q, want table or json", s)
	}
	return nil
}

// Type names the flag's value in the help.
func (f *Format) Type() string { return "format" }

// PrintJSON writes v as indented JSON with stable keys and a final newline,
// leaving <, > and & as they are.
func PrintJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// PrintTable writes rows under upper-case column heads, in aligned columns with
// no space at the ends of lines.
func PrintTable(w io.Writer, head []string, rows [][]string) error {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 8, 3, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := io.WriteString(w, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// Size writes a number of bytes for people, in powers of 1000 as registries do.
func Size(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/1000, 0
	for v >= 999.95 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	return fmt.Sprintf("%.1f %cB", v, units[i])
}

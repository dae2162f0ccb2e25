package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/spf13/cobra"

	"github.com/mullion/mullion/cmd/internal/cli"
)

func TestExecute(t *testing.T) {
	tests := []struct {
		args []string
		err  error // of the verb
		code int
		text string
	}{
		{args: []string{"verb"}, code: 0},
		{args: []string{"verb"}, err: errors.New("a: \nb"), code: 1, text: "prog: a:; b\n"},
		{args: []string{"verb"}, err: fmt.Errorf("x: %w", cli.Usagef("bad %d", 1)), code: 2, text: "prog: x: bad 1\n"},
		{args: []string{"verb"}, err: &cli.ExitError{Code: 42}, code: 42},
		{args: []string{"verb"}, err: &cli.ExitError{Code: 127, Err: errors.New("gone")}, code: 127, text: "prog: gone\n"},
		{args: []string{"verb"}, err: fmt.Errorf("pull: %w", context.Canceled), code: 1, text: "prog: interrupted\n"},
		{args: []string{"verb", "extra"}, code: 2, text: "prog: 'prog verb' takes no arguments, 1 given (see 'prog verb --help')\n"},
		{args: []string{"verb", "--nope"}, code: 2, text: "prog: unknown flag: --nope (see 'prog verb --help')\n"},
		{args: []string{"verb", "--format", "xml"}, code: 2,
			text: "prog: invalid argument \"xml\" for \"--format\" flag: unknown format \"xml\", want table or json (see 'prog verb --help')\n"},
	}
	for _, test := range tests {
		var stderr bytes.Buffer
		env := &cli.Env{Stdin: bytes.NewReader(nil), Stdout: io.Discard, Stderr: &stderr}
		root := &cobra.Command{Use: "prog", Args: cli.Exactly("X")}
		var format cli.Format
		verb := &cobra.Command{Use: "verb", Args: cli.Exactly(), RunE: func(*cobra.Command, []string) error { return test.err }}
		format.AddFlag(verb)
		root.AddCommand(verb)
		code := cli.Execute(context.Background(), root, test.args, env, cli.Codes{Failure: 1, Usage: 2})
		if code != test.code || stderr.String() != test.text {
			t.Errorf("%q, %v: code %d, %q; want %d, %q", test.args, test.err, code, &stderr, test.code, test.text)
		}
	}
}

func TestPrinters(t *testing.T) {
	var b bytes.Buffer
	if err := cli.PrintTable(&b, []string{"NAME", "SIZE"}, [][]string{{"a", "1 B"}, {"longer", ""}}); err != nil {
		t.Fatal(err)
	}
	if want := "NAME     SIZE\na        1 B\nlonger\n"; b.String() != want {
		t.Errorf("table %q, want %q", &b, want)
	}
	b.Reset()
	if err := cli.PrintJSON(&b, map[string]string{"b": "<&>", "a": ""}); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"a\": \"\",\n  \"b\": \"<&>\"\n}\n"; b.String() != want {
		t.Errorf("JSON %q, want %q", &b, want)
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_960: "1.0 MB", 1 << 62: "4.6 EB"} {
		if got := cli.Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestEnv(t *testing.T) {
	e := &cli.Env{Environ: []string{"A=1", "B=", "A=2", "odd"}}
	if v := e.Getenv("A"); v != "2" {
		t.Errorf("A=%q", v)
	}
	if _, ok := e.Lookup("B"); !ok {
		t.Error("B is not set")
	}
	if _, ok := e.Lookup("C"); ok {
		t.Error("C is set")
	}
}

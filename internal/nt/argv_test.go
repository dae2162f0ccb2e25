package nt

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestEscapeArg(t *testing.T) {
	for in, want := range map[string]string{
		"": `""`, "a": "a", "a b": `"a b"`, `a\`: `a\`, `a b\`: `"a b\\"`, `a"b`: `a\"b`, `a\"b`: `a\\\"b`, `\\srv\x y`: `"\\srv\x y"`, "a\tb": "\"a\tb\"",
	} {
		if got := EscapeArg(in); got != want {
			t.Errorf("EscapeArg(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestSplitCommandLine(t *testing.T) {
	tests := []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"  ", nil},
		{"a b", []string{"a", "b"}},
		{`"C:\a b\x.exe" "c d" e`, []string{`C:\a b\x.exe`, "c d", "e"}},
		{`C:\x\"y z" w`, []string{`C:\x\y z`, "w"}},
		{`x a\\b d"e f"g h`, []string{"x", `a\\b`, "de fg", "h"}},
		{`x a\\\"b c d`, []string{"x", `a\"b`, "c", "d"}},
		{`x a\\\\"b c" d e`, []string{"x", `a\\b c`, "d", "e"}},
		{`x "a""b" c`, []string{"x", `a"b`, "c"}},
		{`x "" y`, []string{"x", "", "y"}},
		{`x "open \`, []string{"x", `open \`}},
	}
	for _, tt := range tests {
		if got := SplitCommandLine(tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("SplitCommandLine(%s) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestCommandLineRoundTrip(t *testing.T) {
	arg := rapid.StringOf(rapid.SampledFrom([]rune(`a \"	é`)))
	rapid.Check(t, func(t *rapid.T) {
		args := append([]string{"x.exe"}, rapid.SliceOfN(arg, 0, 6).Draw(t, "args")...)
		if got := SplitCommandLine(CommandLine(args)); !slices.Equal(got, args) {
			t.Fatalf("%q became %q by way of %s", args, got, CommandLine(args))
		}
	})
}

func TestEnv(t *testing.T) {
	e := NewEnv("Path=a", "x=1", "PATH=b", "=C:=C:\\w", "broken", "", "=", "empty=")
	if v, ok := e.Get("pAtH"); v != "b" || !ok {
		t.Errorf("Path = %q, %v", v, ok)
	}
	e.Unset("X")
	e.Unset("none")
	if _, ok := e.Get("x"); ok {
		t.Error("x is still set")
	}
	e.Set("X", "2")
	want := []string{"Path=b", `=C:=C:\w`, "empty=", "X=2"}
	if got := e.List(); !slices.Equal(got, want) {
		t.Errorf("List = %q, want %q", got, want)
	}
	for in, want := range map[string]string{
		"%path%;%x%": "b;2", "100%": "100%", "%none%": "%none%", "%none%x%": "%none2", "%%": "%%", "": "", "%empty%.": ".",
	} {
		if got := e.Expand(in); got != want {
			t.Errorf("Expand(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFiletime(t *testing.T) {
	day := time.Date(1980, 1, 1, 0, 0, 0, 199, time.UTC)
	if got := FiletimeOf(day); got != 119600064000000001 {
		t.Errorf("1980 = %d", got)
	}
	if got := FiletimeOf(day).Time(); !got.Equal(day.Truncate(100)) {
		t.Errorf("back = %v", got)
	}
	if got := FiletimeOf(time.Time{}); got != 0 {
		t.Errorf("year 1 = %d, want 0", got)
	}
	if got := FiletimeOf(time.Date(60000, 1, 1, 0, 0, 0, 0, time.UTC)); got != filetimeMax {
		t.Errorf("year 60000 = %d", got)
	}
	if got := Filetime(0).Time(); got.Year() != 1601 {
		t.Errorf("0 = %v", got)
	}
	if got := Filetime(1<<64 - 1).Time(); got.Year() != 30828 {
		t.Errorf("max = %v", got)
	}
}

package offline_test

import (
	"strings"
	"testing"

	"github.com/mullion/mullion/layers/view"
)

// write puts files into a Scratch; the lines of batch files end as on Windows.
func write(t testing.TB, s *view.Scratch, files map[string]string) {
	t.Helper()
	for path, text := range files {
		if i := strings.LastIndexByte(path, '/'); i > 0 {
			if err := s.MkdirAll(path[:i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.WriteFile(path, strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n"))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFor(t *testing.T) {
	files := map[string]string{
		"d/a.txt": "one two three\n; a remark\n\nfour\n", "d/b.log": "x\n", "d/sub/c.txt": "y\n", "e/x y.txt": "z\n",
	}
	for line, want := range map[string]string{
		`for %i in (a "b c",d;e) do @echo %i`:                                     "a|\"b c\"|d|e",
		`for %i in (d\*.txt) do @echo %i`:                                         `d\a.txt`,
		`for %i in (d\*) do @echo %~ni %~xi`:                                      "a .txt|b .log",
		`for %i in (d\*.none) do @echo %i`:                                        "",
		`for /d %i in (*d*) do @echo %i`:                                          "d|Windows",
		`for /d %i in (d\*) do @echo %i`:                                          `d\sub`,
		`for /r d %i in (*.txt) do @echo %i`:                                      `C:\d\a.txt|C:\d\sub\c.txt`,
		`for /r d %i in (.) do @echo %i`:                                          `C:\d\.|C:\d\sub\.`,
		`for /l %i in (1,2,5) do @echo %i`:                                        "1|3|5",
		`for /l %i in (3,-1,1) do @echo %i`:                                       "3|2|1",
		`for /l %i in (2,1,1) do @echo %i`:                                        "",
		`for /f %i in (d\a.txt) do @echo %i`:                                      "one|four",
		`for /f "tokens=1,2*" %i in (d\a.txt) do @echo %i-%j-%k.`:                 "one-two-three.|four--.",
		`for /f "tokens=2" %i in (d\a.txt) do @echo %i`:                           "two",
		`for /f "tokens=2-3 delims=," %a in ("1,2,3,4") do @echo %b%a`:            "32",
		`for /f "tokens=*" %a in ("  x  y ") do @echo [%a]`:                       "[x  y ]",
		`for /f "delims=" %a in ("  x  y ") do @echo [%a]`:                        "[  x  y ]",
		`for /f "skip=1 eol=" %i in (d\a.txt) do @echo %i`:                        ";|four",
		`for /f %i in ('echo out^& echo put') do @echo %i`:                        "out|put",
		`for /f "usebackq" %i in ("e\x y.txt") do @echo %i`:                       "z",
		"for /f \"usebackq tokens=2 delims==\" %i in (`set SystemD`) do @echo %i": "C:",
		`for /f "usebackq" %i in ('a b') do @echo %i`:                             "a",
		`for %i in (a b) do @for %j in (1 2) do @echo %i%j`:                       "a1|a2|b1|b2",
		`for %i in ("C:\d\a.txt") do @echo %~i %~fi %~dpi %~nxi %~zi`:             `C:\d\a.txt C:\d\a.txt C:\d\ a.txt 35`,
		`for %i in (a.txt) do @echo %~$DIRS:i`:                                    `C:\d\a.txt`,
		`for %i in (a b) do @(if %i==b (echo yes) else echo no)`:                  "no|yes",
		`for %i in (a b) do @(set X=%i) & echo done`:                              "ambiguous",
		`for %i in (a b) do @set X=%i& set X`:                                     "X=a|X=b",
		`(for %i in (a b) do @echo %i) > out.txt & type out.txt`:                  "a|b",
		`for %i in (a b) do @echo %i>>o.%i & type o.%i`:                           "a|b",
		`for %i in a do echo`:                                                     "syntax",
		`for /x %i in (a) do echo`:                                                "syntax",
		`if exist d for %i in (1) do @echo %i`:                                    "1",
		`set /a 1+2*3`:                                                            "7|",
		`set /a (1+2)*3`:                                                          "9|",
		`set /a X=0x10, Y=X^<^<2, Y%3`:                                            "1|",
		`set /a -7/2`:                                                             "-3|",
		`set /a ~5^&0xff`:                                                         "250|",
		`set /a 2147483647+1`:                                                     "-2147483648|",
		`set /a X+=5 & set /a "X*=2"`:                                             "510|",
		`set /a 1/0`:                                                              "Divide by zero error.",
		`set /a 08`:                                                               "Invalid number.  Numeric constants are either decimal (17),|hexadecimal (0x11), or octal (021).",
		`set /a (1`:                                                               "Unbalanced parenthesis.",
		`set /a 1 2`:                                                              "Missing operator.",
		`set /a 1+`:                                                               "Missing operand.",
		`echo v&echo w| (set /p X=ask & set X)`:                                   "v|ask X=w",
		`for %i in (a b c) do @(if %i==b exit 0) & rem`:                           "ambiguous",
		`for /f "tokens=x" %i in ("a") do echo`:                                   "syntax",
	} {
		t.Run(line, func(t *testing.T) {
			s := newScratch(t)
			write(t, s, files)
			got, err := runLine(t, s, "cmd /S /C "+line, `DIRS=C:\e;C:\d`)
			if want == "ambiguous" {
				if err == nil || !strings.Contains(err.Error(), "parentheses") {
					t.Fatalf("%v, %+v", err, got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(got.out+got.err, " \r\n", "\r\n")
			if want == "syntax" {
				if got.exit != 1 || !strings.Contains(text, "unexpected at this time") {
					t.Errorf("%+v", got)
				}
				return
			}
			want := strings.TrimSuffix(strings.ReplaceAll(want+"|", "|", "\r\n"), "\r\n\r\n")
			if want == "\r\n" {
				want = ""
			}
			if text != want {
				t.Errorf("got %q, want %q", text, want)
			}
		})
	}
}

func TestBatch(t *testing.T) {
	tests := []struct {
		name, script, args string
		out                string
		exit               uint32
	}{
		{"echo off", "@echo off\necho a\nrem b\n:: c\necho d", "", "a|d|", 0},
		{"echo on", "echo a\n@echo b", "", `|C:\>echo a |a|b|`, 0},
		{"parameters", "@echo off\necho %0 %1 %~2 %3. %*\necho %~nx0 %~dp0", `x "y z"`, `run.bat x y z . x "y z"|run.bat C:\|`, 0},
		{"empty variables", "@echo off\necho [%NOPE%] 100%% %OS%", "", "[] 100% Windows_NT|", 0},
		{"goto", "@echo off\ngoto :next\necho skipped\n:next\necho here", "", "here|", 0},
		{"goto backwards", "@echo off\n:again\nset /a n+=1\necho %n%\nif %n% lss 3 goto again", "", "1|2|3|", 0},
		{"no label", "@echo off\ngoto nowhere\necho no", "", "The system cannot find the batch label specified - nowhere|", 1},
		{"goto eof", "@echo off\ngoto :eof\necho no", "", "", 0},
		{"exit /b", "@echo off\nexit /b 7\necho no", "", "", 7},
		{"exit", "@echo off\ncall :sub\necho no\n:sub\nexit 9", "", "", 9},
		{"subroutine", "@echo off\ncall :sub a b\ncall :sub c\nexit /b 0\n:sub\necho %0 %1%2\nexit /b", "", ":sub ab|:sub c|", 0},
		{"error level of a subroutine", "@echo off\ncall :sub\necho %errorlevel%\nexit /b 0\n:sub\nexit /b 5", "", "5|", 0},
		{"lines in parentheses", "@echo off\nif 1==1 (\n  echo a\n\n  rem b )\n  echo c\n) else (\n  echo d\n)\necho e", "", "a|c|e|", 0},
		{"else", "@echo off\nif 1==2 (\n  echo a\n) else if 2==2 (\n  echo b\n) else (\n  echo c\n)", "", "b|", 0},
		{"for over lines", "@echo off\nfor %%i in (a b) do (\n  echo %%i\n  echo %%~nxi\n)", "", "a|a|b|b|", 0},
		{"percent before the block", "@echo off\nset X=1\nif 1==1 (\nset X=2\necho %X%\n)\necho %X%", "", "1|2|", 0},
		{"delayed", "@echo off\nsetlocal enabledelayedexpansion\nset X=1\nif 1==1 (\nset X=2\necho !X! !X:2=two!\n)", "", "2 two|", 0},
		{"delayed in for", "@echo off\nsetlocal EnableDelayedExpansion\nset n=0\nfor %%i in (a b c) do set /a n+=1\necho !n! a^^!b", "", "3 a!b|", 0},
		{"setlocal", "@echo off\nset X=1\nsetlocal\nset X=2\ncd Windows\nendlocal\necho %X%\ncd", "", `1|C:\|`, 0},
		{"setlocal ends with the file", "@echo off\ncall inner.cmd\necho [%X%]", "", "inner 1|[]|", 0},
		{"without call it does not come back", "@echo off\ninner.cmd\necho no", "", "inner 1|", 0},
		{"caret at the end", "@echo off\necho a ^\nb", "", "a b|", 0},
		{"shift", "@echo off\n:next\nif \"%1\"==\"\" exit /b 0\necho %1\nshift\ngoto next", "a b c", "a|b|c|", 0},
		{"call expands twice", "@echo off\nset A=B\nset B=2\ncall echo %%%A%%%", "", "2|", 0},
		{"bad line", "@echo off\necho a\nif x\necho no", "", "a|The syntax of the command is incorrect.|", 1},
		{"error level at the end", "@echo off\ncmd /c exit 4", "", "", 4},
		{"pipe in a file", "@echo off\n(echo a& echo b) | (set /p X=& echo done)", "", "done|", 0},
		{"redirect", "@echo off\ncall :s > out.txt\ntype out.txt\ngoto :eof\n:s\necho captured", "", "captured|", 0},
		{"if defined and errorlevel", "@echo off\nset V=1\nif defined V echo yes\ncmd /c exit 2\nif errorlevel 2 if not errorlevel 3 echo two", "", "yes|two|", 2},
		{"set /a is silent", "@echo off\nset /a X=1+1\necho %X%", "", "2|", 0},
		{"%* and shift", "@echo off\nshift\necho %* %1", "a b", "a b b|", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newScratch(t)
			write(t, s, map[string]string{"run.bat": test.script, "inner.cmd": "@echo off\nsetlocal\nset X=1\necho inner %X%"})
			got, err := runLine(t, s, strings.TrimSpace("run.bat "+test.args))
			if err != nil {
				t.Fatal(err)
			}
			if text := strings.ReplaceAll(got.out+got.err, "\r\n", "|"); text != test.out || got.exit != test.exit {
				t.Errorf("exit code %d, want %d\ngot  %q\nwant %q", got.exit, test.exit, text, test.out)
			}
		})
	}
}

// A file that calls itself ends with an error, not with our stack.
func TestCallsHaveAnEnd(t *testing.T) {
	s := newScratch(t)
	for script, want := range map[string]string{"@call run.bat": "within each other", "@cmd /c run.bat": "started each other"} {
		write(t, s, map[string]string{"run.bat": script})
		if _, err := runLine(t, s, `cmd /c run.bat`); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

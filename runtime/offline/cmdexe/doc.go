// Package cmdexe is cmd.exe's language without cmd.exe: one command line, its
// expansion, parsing and built-in commands, over the files of a Scratch.
//
// The rules are those of "cmd /C", which reads a line as if it had been typed:
// a variable that is not set stays as written, percent signs are not doubled, and
// the line is expanded once, before any of it runs. The exit code is that of the
// last command that ran. Which built-in returns what, and which leave ERRORLEVEL
// alone, follows the results recorded from Windows in Wine's conformance tests
// (programs/cmd/tests/test_builtins.bat and .bat.exp).
package cmdexe

package containerfile

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/mullion/mullion/internal/nt"
)

// variables lets BuildKit's word processor see an environment whose names have
// no case, as on Windows. BuildKit itself goes by the machine it was built for.
type variables struct{ env *nt.Env }

func (v variables) Get(name string) (string, bool) { return v.env.Get(name) }

func (v variables) Keys() []string {
	var names []string
	for _, kv := range v.env.List() {
		name, _, _ := strings.Cut(kv, "=")
		names = append(names, name)
	}
	return names
}

// Expand replaces $NAME, ${NAME} and their modifiers in a word and removes quotes
// and escapes. unset lists the names that are not in env.
func (f *File) Expand(word string, env *nt.Env) (out string, unset map[string]struct{}, err error) {
	out, unset, err = shell.NewLex(f.escape).ProcessWord(word, variables{env})
	return out, unset, cause(err)
}

// ExpandWords is Expand that splits the result at blanks outside quotes.
func (f *File) ExpandWords(word string, env *nt.Env) ([]string, error) {
	words, err := shell.NewLex(f.escape).ProcessWords(word, variables{env})
	return words, cause(err)
}

// ExpandText replaces variables in the text of a heredoc and leaves its quotes.
// The escape character is always the backslash, as in the heredocs of a shell.
func ExpandText(text string, env *nt.Env) (string, error) {
	lex := shell.NewLex('\\')
	lex.SkipProcessQuotes = true
	out, _, err := lex.ProcessWord(text, variables{env})
	return out, cause(err)
}

// cause is the innermost error, whose text says what is wrong with the word.
func cause(err error) error {
	for err != nil {
		inner := errors.Unwrap(err)
		if inner == nil {
			break
		}
		err = inner
	}
	if err != nil && strings.ContainsRune(err.Error(), utf8.RuneError) {
		return errors.New("syntax error: missing '}'") // the end of the word taken for a modifier
	}
	return err
}

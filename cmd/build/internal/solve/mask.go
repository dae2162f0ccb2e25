package solve

import (
	"bytes"
	"io"
	"slices"
	"strings"
)

// minSecret is the least number of bytes of a secret, or of a line of one, that is hidden: what is shorter is found in any
// text.
const minSecret = 4

// masking is a writer that passes everything on but secrets, in place of which it writes three stars. It holds back what may
// be the beginning of one; Close writes that too.
type masking struct {
	w       io.Writer
	secrets map[byte][][]byte // by their first byte, the longest first
	held    []byte
}

// newMasking hides secrets, as wholes and line by line, in what goes to w.
func newMasking(w io.Writer, secrets map[string][]byte) *masking {
	m := &masking{w: w, secrets: map[byte][][]byte{}}
	for _, text := range secrets {
		m.add(bytes.TrimSpace(text))
		for line := range bytes.Lines(text) {
			m.add(bytes.TrimSpace(line))
		}
	}
	for _, list := range m.secrets {
		slices.SortFunc(list, func(a, b []byte) int { return len(b) - len(a) })
	}
	return m
}

func (m *masking) add(text []byte) {
	if len(text) < minSecret {
		return
	}
	same := func(s []byte) bool { return bytes.Equal(s, text) }
	if list := m.secrets[text[0]]; !slices.ContainsFunc(list, same) {
		m.secrets[text[0]] = append(list, text)
	}
}

func (m *masking) Write(b []byte) (int, error) {
	m.held = append(m.held, b...)
	return len(b), m.pass(false)
}

// Close passes on what is left. It does not close the writer below.
func (m *masking) Close() error { return m.pass(true) }

// pass writes what is held, up to what may be the beginning of a secret if there is more to come.
func (m *masking) pass(last bool) error {
	out := make([]byte, 0, len(m.held))
	at := 0
scan:
	for at < len(m.held) {
		rest := m.held[at:]
		for _, s := range m.secrets[rest[0]] {
			switch {
			case bytes.HasPrefix(rest, s):
				out = append(out, "***"...)
				at += len(s)
				continue scan
			case !last && bytes.HasPrefix(s, rest):
				break scan
			}
		}
		out = append(out, rest[0])
		at++
	}
	m.held = append(m.held[:0], m.held[at:]...)
	if len(out) == 0 {
		return nil
	}
	_, err := m.w.Write(out)
	return err
}

// maskedError is an error whose text had a secret in it.
type maskedError struct {
	text  string
	cause error
}

func (e *maskedError) Error() string { return e.text }
func (e *maskedError) Unwrap() error { return e.cause }

// hide takes secrets out of an error's text.
func hide(err error, secrets map[string][]byte) error {
	if err == nil {
		return nil
	}
	var text strings.Builder
	m := newMasking(&text, secrets)
	_, _ = m.Write([]byte(err.Error())) // a Builder does not fail
	_ = m.Close()
	if text.String() == err.Error() {
		return err
	}
	return &maskedError{text.String(), err}
}

package guest

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// What goes to a writer for both outputs comes in its order, from one goroutine: with two, pieces got lost.
func TestOneWriterForBothOutputs(t *testing.T) {
	var out bytes.Buffer
	s, err := NewStreams(nil, &out, &out)
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		for i, word := range []string{"out ", "err "} {
			if _, err := s.Child[i+1].WriteString(word); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.Carry()
	s.Finish()
	if want := strings.Repeat("out err ", 500); out.String() != want {
		t.Errorf("%d bytes came of %d, or not in their order", out.Len(), len(want))
	}
}

// sink is a writer that cannot be compared.
type sink []func(string)

func (s sink) Write(b []byte) (int, error) {
	s[0](string(b))
	return len(b), nil
}

func TestWritersThatCannotBeCompared(t *testing.T) {
	var got string
	w := io.Writer(sink{func(b string) { got += b }})
	s, err := NewStreams(nil, nil, w)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Child[2].WriteString("x"); err != nil {
		t.Fatal(err)
	}
	s.Carry()
	s.Finish()
	if got != "x" || same(w, w) {
		t.Errorf("%q came", got)
	}
}

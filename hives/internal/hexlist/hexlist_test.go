package hexlist

import (
	"bytes"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want []byte
		at   int // of the fault; -1 if there is none
	}{
		{"", nil, -1},
		{" \t", nil, -1},
		{"1", []byte{1}, -1},
		{"01,fF , 2,", []byte{1, 255, 2}, -1},
		{",", nil, 0},
		{"1,,2", []byte{1}, 2},
		{"1, 123", []byte{1}, 3},
		{"1,+2", []byte{1}, 2},
		{"1,0g", []byte{1}, 2},
	} {
		got, at, err := Parse(nil, c.text)
		if err == nil {
			at = -1
		}
		if !bytes.Equal(got, c.want) || at != c.at {
			t.Errorf("Parse(%q) = %x, at %d, %v", c.text, got, at, err)
		}
	}
}

// What Append writes keeps to the columns, and Parse reads it back.
func TestAppend(t *testing.T) {
	for column := range 90 {
		for n := range 120 {
			data := bytes.Repeat([]byte{0xA5}, n)
			lines := strings.Split(string(Append(bytes.Repeat([]byte{'x'}, column), column, data, "\n")), "\n")
			var got []byte
			for i, line := range lines {
				// Only a prefix that is too long by itself leads beyond them.
				if len(line) > max(maxColumns+3, column+4) {
					t.Fatalf("a line of %d characters", len(line))
				}
				if i == 0 {
					line = line[column:]
				}
				var err error
				if got, _, err = Parse(got, strings.TrimSuffix(line, `\`)); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, data) {
				t.Fatalf("%d bytes from column %d come back as %x", n, column, got)
			}
		}
	}
}

package wire

import (
	"bytes"
	"io"
	"testing"
)

// Two kinds of frame.
const out, hello Kind = 'o', 'h'

type pipe struct {
	io.Reader
	io.Writer
}

func TestFramesArriveAsSent(t *testing.T) {
	var wire bytes.Buffer
	c := NewConn(pipe{&wire, &wire})
	long := bytes.Repeat([]byte("0123456789"), Piece/5)
	w := c.Stream(out)
	if n, err := w.Write(long); n != len(long) || err != nil {
		t.Fatal(n, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.SendJSON(hello, map[string]int{"version": 1}); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for {
		k, content, err := c.Receive()
		if err != nil || k != out {
			t.Fatal(k, err)
		}
		if len(content) == 0 {
			break
		}
		if len(content) > Piece {
			t.Errorf("a piece of %d bytes", len(content))
		}
		got = append(got, content...)
	}
	if !bytes.Equal(got, long) {
		t.Error("the stream was changed on its way")
	}
	if k, content, err := c.Receive(); k != hello || string(content) != `{"version":1}` || err != nil {
		t.Errorf("got %q %q, %v", k, content, err)
	}
	if _, _, err := c.Receive(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestBrokenFrames(t *testing.T) {
	for name, wire := range map[string]string{
		"half a head":  "o\x01",
		"half content": "o\x05\x00\x00\x00abc",
		"no content":   "o\x05\x00\x00\x00",
		"too long":     "o\xff\xff\xff\xff",
	} {
		if _, _, err := NewConn(pipe{bytes.NewReader([]byte(wire)), nil}).Receive(); err == nil || err == io.EOF {
			t.Errorf("%s gives %v", name, err)
		}
	}
	if err := NewConn(pipe{nil, io.Discard}).Send(hello, make([]byte, MaxFrame+1)); err == nil {
		t.Error("a frame that no reader takes was sent")
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte("o\x03\x00\x00\x00abch\x00\x00\x00\x00"))
	f.Add([]byte("S\x00\x00\x10\x00"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		var again bytes.Buffer
		in, out := NewConn(pipe{bytes.NewReader(wire), nil}), NewConn(pipe{nil, &again})
		for {
			k, content, err := in.Receive()
			if err != nil {
				break
			}
			if err := out.Send(k, content); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(wire, again.Bytes()) {
			t.Error("what was read cannot be written again")
		}
	})
}

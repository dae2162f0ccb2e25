package microvm

import (
	"bytes"
	"strings"
	"testing"
)

func writeSample(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	c := &cpioWriter{w: &b}
	for _, err := range []error{
		c.file("init", []byte("hello")),
		c.dir("modules"),
		c.file("modules/list", nil),
		c.file("modules/long-name.ko", bytes.Repeat([]byte("x"), 4097)),
		c.close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestCpioBytes(t *testing.T) {
	got := writeSample(t)
	want := "070701" + "00000001" + "000081ed" + "00000000" + "00000000" + "00000001" + "00000000" + "00000005" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000005" + "00000000" + "init\x00" + "\x00" + "hello\x00\x00\x00" + "070701"
	if !strings.HasPrefix(string(got), want) {
		t.Errorf("it begins with %q", got[:len(want)])
	}
	if len(got)%4 != 0 || !bytes.Contains(got, []byte("TRAILER!!!")) {
		t.Errorf("%d bytes, which end with %q", len(got), got[len(got)-20:])
	}
}

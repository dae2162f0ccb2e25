package microvm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
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

func TestCpioIsWhatCpioReads(t *testing.T) {
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("cpio, which would be a second opinion, is not installed")
	}
	dir := t.TempDir()
	cmd := exec.Command(cpio, "-idm", "--quiet")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(writeSample(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, size := range map[string]int64{"init": 5, "modules/list": 0, "modules/long-name.ko": 4097} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() != size || info.Mode() != 0o755 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

package disk

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mullion/mullion/fixtures"
)

func TestFsckAcceptsIt(t *testing.T) {
	fsck := fixtures.Tool(t, "fsck.erofs", "erofs-utils")
	d := sample(t).build(t, nil)
	var args []string
	for _, data := range d.Data {
		args = append(args, "--device="+data)
	}
	if out, err := exec.Command(fsck, append(args, d.Meta)...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTheSameBytesEverywhere(t *testing.T) {
	first, second := sample(t).build(t, nil), sample(t).build(t, nil)
	if first.ID != second.ID {
		t.Error("the IDs differ")
	}
	files := append([]string{first.Meta}, first.Data...)
	for i, other := range append([]string{second.Meta}, second.Data...) {
		if a, b := read(t, files[i]), read(t, other); !bytes.Equal(a, b) {
			t.Errorf("%s differs", filepath.Base(other))
		}
	}
}

func TestBuildUsesWhatIsThereAndRepairsIt(t *testing.T) {
	im := sample(t)
	d := im.build(t, nil)
	old, err := os.Stat(d.Meta)
	if err != nil {
		t.Fatal(err)
	}
	again := im.build(t, nil)
	if now, err := os.Stat(again.Meta); err != nil || !os.SameFile(old, now) {
		t.Errorf("the image was made again: %v", err)
	}
	want := read(t, d.Data[0])
	for _, name := range []string{d.Meta, d.Data[0]} {
		if err := os.Truncate(name, 4096); err != nil {
			t.Fatal(err)
		}
		if err := d.Verify(); err == nil {
			t.Errorf("%s is cut off and Verify says nothing", filepath.Base(name))
		}
		if d = im.build(t, nil); d.Verify() != nil {
			t.Error(d.Verify())
		}
	}
	if !bytes.Equal(want, read(t, d.Data[0])) {
		t.Error("the data was not made again as it was")
	}
	d.Data[0], d.Data[1] = d.Data[1], d.Data[0]
	if d.Verify() == nil {
		t.Error("swapped data files pass")
	}
}

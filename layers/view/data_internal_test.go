package view

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/pack"
)

func TestLayOut(t *testing.T) {
	item := func(name string, off, size int64) pack.Item {
		return pack.Item{Entry: layers.Entry{Name: name, Kind: layers.File, Size: size}, Offset: off}
	}
	for _, items := range [][]pack.Item{
		{item("Files/a", 512, 100), item("Files/b", 600, 1)},
		{item("Files/a", 512, -1)},
		{item("Files/a", -512, 10)},
		{item("Files/a", 512, 1<<62)},
		{item("Files/a", 1024, 1), item("Files/b", 512, 1)},
	} {
		if _, err := layOut(&pack.TOC{Items: items}); err == nil {
			t.Errorf("%v was accepted", items)
		}
	}
	items := []pack.Item{item("Files/a", 512, 1), item("Files/empty", 1536, 0), item("Files/b", 2048, 4097),
		item("Hives/System_Delta", 8192, 10), item("UtilityVM/Files/x", 16384, 10)}
	d, err := layOut(&pack.TOC{Items: items})
	if err != nil || d.Size != 4*DataAlign {
		t.Fatalf("%+v, %v", d, err)
	}
	for i, want := range []int64{0, -1, DataAlign, 3 * DataAlign, -1} {
		at, ok := d.Offset(&items[i])
		if ok != (want >= 0) || ok && at != want {
			t.Errorf("%s is at %d, %v, want %d", items[i].Name, at, ok, want)
		}
	}
	var out bytes.Buffer
	if err := copyItems(context.Background(), &out, bytes.NewReader(make([]byte, 2000)), d); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a tar that is too short gives %v", err)
	}
}

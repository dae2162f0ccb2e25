package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Verify checks that the metadata image is the one that was made and that the
// data files are, in the image's order, the ones that it was made for, by their
// names and sizes. A kernel would take a wrong file without a word.
func (d *Disk) Verify() error {
	if err := d.want.checkMeta(d.Meta); err != nil {
		return fmt.Errorf("disk %.12s: %w", d.ID, err)
	}
	if len(d.Data) != len(d.want.Devices) {
		return fmt.Errorf("disk %.12s: %d data files for %d devices", d.ID, len(d.Data), len(d.want.Devices))
	}
	for i, file := range d.Data {
		want := d.want.Devices[i]
		if name := filepath.Base(file); name != want.File {
			return fmt.Errorf("disk %.12s: data file %d is %s, not %s", d.ID, i, name, want.File)
		}
		info, err := os.Stat(file)
		if err != nil {
			return fmt.Errorf("disk %.12s: %w", d.ID, err)
		}
		if info.Size() != want.Size {
			return fmt.Errorf("disk %.12s: data file %s has %d bytes, not %d", d.ID, file, info.Size(), want.Size)
		}
	}
	return nil
}

func (want *description) checkMeta(meta string) error {
	f, err := os.Open(meta)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return err
	}
	if n != want.Size || hex.EncodeToString(sum.Sum(nil)) != want.SHA256 {
		return fmt.Errorf("metadata image %s is damaged", meta)
	}
	return nil
}

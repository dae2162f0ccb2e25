package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// Verify checks that the metadata image is the one that was made and that every
// data file has the size the image counts on. A kernel would take a wrong file
// without a word.
func (d *Disk) Verify() error {
	if err := d.want.checkMeta(d.Meta); err != nil {
		return fmt.Errorf("disk %.12s: %w", d.ID, err)
	}
	if len(d.Data) != len(d.want.Devices) {
		return fmt.Errorf("disk %.12s: %d data files for %d devices", d.ID, len(d.Data), len(d.want.Devices))
	}
	for i, file := range d.Data {
		info, err := os.Stat(file)
		if err != nil {
			return fmt.Errorf("disk %.12s: %w", d.ID, err)
		}
		if want := d.want.Devices[i].Size; info.Size() != want {
			return fmt.Errorf("disk %.12s: data file %s has %d bytes, not %d", d.ID, file, info.Size(), want)
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

package store

import (
	"errors"
	"fmt"
)

// FullError is the error of a disk, or a quota, that has no room for what is to be written.
type FullError struct {
	Dir  string // where it was to be written
	Need int64  // the least number of bytes that it takes, 0 if that is not known
	Free int64  // bytes that are free there, -1 if that is not known
	Err  error
}

// Error names the folder, what is needed and the ways out.
func (e *FullError) Error() string {
	need := ""
	if e.Need > 0 {
		need = fmt.Sprintf(", %d bytes are needed", e.Need)
	}
	if e.Free >= 0 {
		need += fmt.Sprintf(", %d are free", e.Free)
	}
	return fmt.Sprintf("no space left in %s%s: make room there, for example with \"build prune --all\", or use another --store (%v)", e.Dir, need, e.Err)
}

// Unwrap returns the error of the system.
func (e *FullError) Unwrap() error { return e.Err }

// explainFull makes a FullError of the error of a full disk and leaves others as they are.
func explainFull(dir string, need int64, err error) error {
	var full *FullError
	if !isFull(err) || errors.As(err, &full) {
		return err
	}
	return &FullError{Dir: dir, Need: need, Free: freeSpace(dir), Err: err}
}

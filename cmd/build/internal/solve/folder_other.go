//go:build !unix

package solve

import "os"

// folderHandle is an open folder of the context.
type folderHandle struct{ root *os.Root }

func openFolder(root *os.Root, name string) (*folderHandle, error) {
	sub, err := root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &folderHandle{sub}, nil
}

// open opens a file of the folder, or what a link in it leads to without leaving it.
func (f *folderHandle) open(base string) (*os.File, error) { return f.root.Open(base) }

func (f *folderHandle) close() error { return f.root.Close() }

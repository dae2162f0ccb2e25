package store

import (
	"errors"
	"path/filepath"
)

// appDir is the name of our folder among those of other programs.
const appDir = "mullion"

// DefaultDir returns the folder of the store for the environment that getenv reads: MULLION_STORE, else the folder for
// data of the user, which is the invoking user's under sudo.
func DefaultDir(getenv func(string) string) (string, error) {
	if dir := getenv("MULLION_STORE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir := dataDir(getenv)
	if dir == "" {
		return "", errors.New("find the store: no home directory is known; set MULLION_STORE or use --store")
	}
	return filepath.Join(dir, appDir), nil
}

package store

// dataDir returns where the user's programs keep data, "" if that is not known.
func dataDir(getenv func(string) string) string { return getenv("LOCALAPPDATA") }

// adopt has nothing to do: what an elevated process makes inherits the rights of its folder.
func adopt(string) error { return nil }

// syncDir has nothing to do: NTFS writes its journal before the rename returns, and cannot open a folder for this.
func syncDir(string) error { return nil }

func isReadOnly(error) bool { return false }

package solve

// Ignored tells whether the ignore file leaves a file out of the context. It is not
// sure, and says no, where an exception may bring back what is in a folder.
func (c *Context) Ignored(name string) (bool, error) {
	if c.ignore == nil || c.ignore.Exclusions() {
		return false, nil
	}
	return c.ignored(name)
}

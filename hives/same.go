package hives

import "bytes"

// Same reports whether two states of a value hold the same: by type and data, and by
// whether it is there at all. The spelling of its name does not count.
func (v Value) Same(w Value) bool {
	return v.Type == w.Type && v.Tombstone == w.Tombstone && bytes.Equal(v.Data, w.Data)
}

// Same reports whether two states of a key agree in what is stored beside its content:
// class, security, being a link and the flags that are only carried along. Times do not
// count, nor the layer byte.
func (i Info) Same(j Info) bool {
	return i.Class == j.Class && bytes.Equal(i.SD, j.SD) && i.Symlink == j.Symlink && i.Flags == j.Flags && i.User == j.User
}

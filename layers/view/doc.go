// Package view merges a chain of layers into one tree and one registry, and takes the changes that become the next
// layer.
//
// A [View] is read-only. Opening one reads the tables of contents of its layers and nothing else; bytes of a layer are
// read when a file or a hive is opened. A compressed layer is unpacked once, into a data file that lies beside the
// blobs, serves every later read and, as a device, the kernels that mount the layer. Data files are derived: they can be
// deleted at any time and are made again at need. Names are found as NTFS finds them, whatever their case; where layers spell a
// name differently, the lowest one that still shows decides.
//
// A [Scratch] is a writable upper over a View. It holds the tree of changes in memory and file contents in a private
// folder, and tells with [Scratch.Changes] what the next layer has to say so that a View over both shows the same tree.
//
// Paths are slash-separated, relative to C:\ and without a leading slash; "" is C:\ itself. The merge follows what
// Windows does with the same layers: a directory on a directory changes its metadata and keeps what is in it,
// everything else replaces what was there, a whiteout deletes from the layers below only. The files of the utility VM
// are not part of a View.
package view

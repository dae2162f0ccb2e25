// Package layers reads and writes the tar form of a Windows container layer.
//
// The nouns:
//
//   - An Entry is one member of a layer: a file, a directory, a link, an alternate data stream, or a deletion.
//   - A tar name is the slash-separated name of an entry below one of the three roots: Files (which is C:\), Hives
//     (registry deltas) and UtilityVM (the boot files of the Hyper-V utility VM). `C:\app\x.exe` is "Files/app/x.exe".
//   - A whiteout is an entry that deletes a name of the layers below. An opaque marker hides everything that the layers
//     below have in one directory; Windows does not know it, so it is read and reported but never written.
//
// What Windows keeps about a file and tar has no field for travels in PAX records: attributes, the security descriptor,
// the creation time, extended attributes, and the mark that tells a junction from a symbolic link. The keys and their
// meaning are those of Microsoft's go-winio/backuptar and hcsshim/pkg/ociwclayer, which are what imports a layer on
// Windows; docs/formats describes them.
//
// Writer refuses every layer that a Windows import would refuse or silently change. Reader takes what other tools
// write, says in findings what is wrong with it, and stops with an error at what is hostile. Validate is the full list.
package layers

// Package nt holds the rules of Windows NT that every other package shares: how
// names are compared, what a FILETIME, a SID and a security descriptor look like,
// how access rights are inherited, how a command line is split, how environment
// variables are found and what a path means.
//
// The package has no state and does no input or output. Names are Go strings in
// WTF-8, that is UTF-8 in which an unpaired UTF-16 surrogate is written as its own
// three bytes, so that every name NTFS or a registry hive can hold survives.
package nt

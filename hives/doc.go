// Package hives reads, checks, edits, stacks and writes Windows registry hives in
// the regf format, among them the delta hives of container layers, whose keys are
// layered over those of the layers below.
//
// A [Hive] is one file, read lazily. A [Stack] shows a base hive and its deltas as
// one registry. An [Edit] collects changes on top of a Stack and writes them as the
// next delta; [Merge] flattens a Stack instead. A [Tree] builds a hive from nothing.
// [Diff] compares two states, and [Squash] makes one delta of several. A [Registry] gives
// the five hives of an image, and the files that are users' hives, the addresses that
// people use.
//
// Everything read from a hive is treated as hostile: offsets, counts and depths are
// checked where they are used, a broken hive gives errors and never a panic, and the
// keys reached from a root always form a finite tree.
//
// Format facts come from the regf specification of Maxim Suhanov, from hivex, Samba
// and hcsshim, and from measurements of hives that Windows wrote.
package hives

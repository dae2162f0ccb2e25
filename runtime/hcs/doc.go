// Package hcs starts programs on Windows through the Host Compute Service, under
// process and under Hyper-V isolation, by the public API of hcsshim: version 1
// documents, which every Windows release since Server 2016 takes.
//
// All that decides is portable and tested anywhere: the documents, the order of
// layers, the search for the utility VM, the order of the steps of a start and of
// its undoing, what error codes mean. The files for Windows only carry it out.
package hcs

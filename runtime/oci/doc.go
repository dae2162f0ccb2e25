// Package oci is process isolation on Linux: the Windows program runs under Wine
// in namespaces of the host's own kernel, made by runc or crun.
//
// Start mounts the Wine runtime tree, the Disk and the overlay that is drive C:
// in a mount namespace that only the OCI runtime's process has, so that all
// mounts vanish with it, however it ends. In the container the first process is
// runtime/guest; it ends when the process that called Start does.
//
// Nothing of an image is in an argument or a name that the host sees of our own
// processes and those of the OCI runtime: there it is the container's ID alone.
package oci

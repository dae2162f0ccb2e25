// Package wine gives the Linux Runtimes their Windows: the Wine base, made once
// from the host's Wine package, and what turns a [runtime.Spec] into a program
// that Wine can start.
//
// The base has three parts: a runtime tree (Wine, the libraries it needs, mount
// points) as one erofs image; a booted prefix whose drive C: goes into the
// container's Disk as a [disk.Under]; and the registry that belongs to it.
//
// [Base.Prepare] fills a container's own folder:
//
//	Dir/wine/    the prefix: system.reg, user.reg, userdef.reg (the container's
//	             registry, written at its first start and the truth from then on),
//	             dosdevices/c: -> /c, drive_c (empty; Wine's server wants it)
//	Dir/upper/   the overlay's upper directory with overlayfs' own marks
//	             (whiteouts 0/0, trusted.overlay.*): the files the container wrote
//	Dir/work/    the overlay's work directory
//
// Both Runtimes keep to it, so that a container's files and registry survive a
// change of isolation. The overlay is mounted with redirect_dir=on.
package wine

// Package guest is the first process around a Windows program, the same for
// both isolations.
//
// Mullion's own binary is started again under the name [Name] inside the
// container's root: as process 1 of the namespaces (process isolation), or as a
// child of the utility VM's init (hyperv). There it starts Wine's server, runs
// the program under Wine, reads all 32 bits of its exit code, answers for its
// process list, reaps what is left and waits until the registry is on disk.
//
// Both ends speak over one socket, file descriptor 3 of the guest: the
// supervisor ([Start], [Conn]) sends a [Config] and commands, the guest sends what
// happened. When the supervisor goes away, the guest sees the end of the socket
// and ends the program.
//
// The root that the guest runs in is the Wine runtime tree of runtime/wine,
// with these folders filled by the Runtime: [CDir], [PrefixDir], /proc, /dev and
// empty writable /tmp and /run.
package guest

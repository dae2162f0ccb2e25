package runtime

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Limits is what a container may use of the host; 0 is no limit of its own.
type Limits struct {
	// Memory is in bytes. A VM without it still has its default size.
	Memory int64 `json:"memory,omitempty"`
	// NanoCPUs is processor time: 1,000,000,000 is one processor's.
	NanoCPUs int64 `json:"nanoCpus,omitempty"`
	// Pids is how many threads, which is what Linux counts, there may be at a time.
	Pids int64 `json:"pids,omitempty"`
}

// Size is that of a terminal, in characters; the zero Size stands for one that is
// not known.
type Size struct {
	Rows    uint16 `json:"rows,omitempty"`
	Columns uint16 `json:"columns,omitempty"`
}

// Mount is a folder of the host that appears on drive C:.
type Mount struct {
	// Source is an absolute path on the host, which exists.
	Source string `json:"source"`
	// Target is an absolute Windows path below C:\. What of it is missing is made.
	Target string `json:"target"`
	// ReadOnly forbids the container to write there.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Volume is the name of the volume that Source is; "" for any other folder.
	Volume string `json:"volume,omitempty"`
	// ByImage says that only the image asks for it: where nothing can be mounted, the
	// folder is one of the container's.
	ByImage bool `json:"byImage,omitempty"`
}

// NetworkMode says how far a container's network reaches.
type NetworkMode string

const (
	// NoNetwork is a loopback of its own; published ports lead to it.
	NoNetwork NetworkMode = "none"
	// NATNetwork adds connections to where the host can connect to.
	NATNetwork NetworkMode = "nat"
	// HostNetwork is the host's own network.
	HostNetwork NetworkMode = "host"
)

// ParseNetwork reads the value of a --network flag; "" is [NoNetwork], "default"
// and "bridge" are docker's names for [NATNetwork].
func ParseNetwork(s string) (NetworkMode, error) {
	switch NetworkMode(s) {
	case NoNetwork, NATNetwork, HostNetwork:
		return NetworkMode(s), nil
	case "":
		return NoNetwork, nil
	case "default", "bridge":
		return NATNetwork, nil
	}
	return "", fmt.Errorf("network %q: want none, nat or host", s)
}

// Network is what of a network a container has.
type Network struct {
	// Mode "" is [NoNetwork].
	Mode NetworkMode `json:"mode,omitempty"`
	// Ports are those that the host forwards.
	Ports []Port `json:"ports,omitempty"`
	// DNS are the addresses of name servers; none means the host's. Hosts are
	// NAME:ADDRESS pairs that need none.
	DNS   []string `json:"dns,omitempty"`
	Hosts []string `json:"hosts,omitempty"`
}

// Port is a TCP port of the host that leads to one in a container.
type Port struct {
	// Address is the host's address to listen on.
	Address netip.Addr `json:"address"`
	// Host is the host's port, 0 before one is chosen, Container that inside.
	Host      uint16 `json:"host"`
	Container uint16 `json:"container"`
}

// String is how docker prints a port: "80/tcp -> 127.0.0.1:8080".
func (p Port) String() string {
	return fmt.Sprintf("%d/tcp -> %s", p.Container, netip.AddrPortFrom(p.Address, p.Host))
}

// ParsePort reads [[ADDRESS:]PORT:]PORT[/tcp], the value of a --publish flag. No
// address means the loopback's alone: what is open to the world is said so, with
// 0.0.0.0.
func ParsePort(s string) (Port, error) {
	bad := func(why string) (Port, error) {
		return Port{}, fmt.Errorf("port %q: %s; want [[ADDRESS:]HOST:]CONTAINER", s, why)
	}
	rest, proto, has := strings.Cut(s, "/")
	if has && proto != "tcp" {
		return bad("only TCP ports are forwarded")
	}
	p := Port{Address: netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	host, inside, has := cutLast(rest, ":")
	if !has {
		inside, host = rest, ""
	}
	n, err := strconv.ParseUint(inside, 10, 16)
	if err != nil || n == 0 {
		return bad("a port is a number from 1 to 65535")
	}
	p.Container = uint16(n)
	address, port, has := cutLast(host, ":")
	if !has {
		address, port = "", host
	}
	if port != "" {
		if n, err = strconv.ParseUint(port, 10, 16); err != nil {
			return bad("a port is a number from 0 to 65535")
		}
		p.Host = uint16(n)
	}
	if address != "" {
		if p.Address, err = netip.ParseAddr(strings.Trim(address, "[]")); err != nil {
			return bad("the address is none")
		}
	}
	return p, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

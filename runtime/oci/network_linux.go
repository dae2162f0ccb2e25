package oci

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	goruntime "runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/wine"
)

// network is a container's network namespace and what leads into and out of it.
// With the host's own network it is empty.
type network struct {
	space    *os.File
	requests chan dialRequest
	forward  *forwarder
	outbound *exec.Cmd
	leash    io.Closer // its closing ends outbound
	// resolv and hosts are the two files by which the C library finds hosts.
	resolv, hosts string
}

type dialRequest struct {
	port   uint16
	answer chan<- dialed
}

type dialed struct {
	conn *net.TCPConn
	err  error
}

// slirpDNS is the name server of slirp4netns.
const slirpDNS = "10.0.2.3"

// newNetwork makes what spec asks for.
func newNetwork(spec *runtime.Spec) (n *network, err error) {
	n = new(network)
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	want := spec.Network
	n.hosts = hostsFile(spec)
	if want.Mode == runtime.HostNetwork {
		if len(want.Ports) > 0 {
			return n, errors.New("ports of a container with the host's network need no publishing: leave -p out")
		}
		n.resolv, err = resolvFile(want.DNS, "")
		return n, err
	}
	ready := make(chan error)
	n.requests = make(chan dialRequest)
	go n.inside(ready)
	if err := <-ready; err != nil {
		return n, fmt.Errorf("make the container's network: %w", err)
	}
	server := ""
	if want.Mode == runtime.NATNetwork {
		if server, err = n.connect(); err != nil {
			return n, err
		}
		if n.resolv, err = resolvFile(want.DNS, server); err != nil {
			return n, err
		}
	}
	if len(want.Ports) > 0 {
		n.forward, err = forward(want.Ports, n.dial)
	}
	return n, err
}

// path names the namespace for other processes; "" for the host's.
func (n *network) path() string {
	if n.space == nil {
		return ""
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.space.Fd())
}

// inside makes the namespace on a thread of its own, which then makes connections
// in it. The thread ends with it.
func (n *network) inside(ready chan<- error) {
	// Never unlocked: the thread must not serve other goroutines.
	goruntime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The main thread cannot be ended. While this goroutine holds it, the next
		// one gets another.
		done := make(chan struct{})
		go func() { n.inside(ready); close(done) }()
		<-done
		goruntime.UnlockOSThread()
		return
	}
	err := unix.Unshare(unix.CLONE_NEWNET)
	if err == nil {
		n.space, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	}
	if err == nil {
		err = loopbackUp()
	}
	ready <- err
	for r := range n.requests {
		conn, err := dialLoopback(r.port)
		r.answer <- dialed{conn, err}
	}
}

// dialLoopback connects to a port of the calling thread's namespace.
func dialLoopback(port uint16) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: dialTime}
	conn, err := d.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// loopbackUp brings up the loopback of the calling thread's namespace.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return os.NewSyscallError("bring up lo", unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo))
}

func (n *network) dial(port uint16) (*net.TCPConn, error) {
	answer := make(chan dialed, 1)
	n.requests <- dialRequest{port, answer}
	d := <-answer
	return d.conn, d.err
}

// connect lets the namespace connect to where the host can, and returns the name
// server to ask, "" for the host's. What does it ends with this process.
func (n *network) connect() (server string, err error) {
	path, err := exec.LookPath("slirp4netns")
	if err != nil {
		return "", errors.New("a network with a way out needs slirp4netns, which is not installed; " +
			"install it with: apt-get install slirp4netns, or use --network none or host")
	}
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer readyR.Close()
	leashR, leashW, err := os.Pipe()
	if err != nil {
		return "", errors.Join(err, readyW.Close())
	}
	// Descriptor 3 says that it is ready, 4 is closed when this process has ended.
	cmd := exec.Command(path, "--configure", "--mtu=65520", "--disable-host-loopback", "--enable-seccomp",
		"--ready-fd=3", "--exit-fd=4", "--netns-type=path", n.path(), "tap0")
	cmd.ExtraFiles = []*os.File{readyW, leashR}
	var said strings.Builder
	cmd.Stderr = &said
	err = cmd.Start()
	readyW.Close()
	leashR.Close()
	if err != nil {
		return "", errors.Join(fmt.Errorf("start slirp4netns: %w", err), leashW.Close())
	}
	n.outbound, n.leash = cmd, leashW
	if _, err := readyR.Read(make([]byte, 1)); err != nil {
		leashW.Close()
		_ = cmd.Wait()
		n.outbound = nil
		return "", fmt.Errorf("slirp4netns makes no network: %s", strings.TrimSpace(said.String()))
	}
	return slirpDNS, nil
}

// Close ends all connections.
func (n *network) Close() {
	if n.forward != nil {
		_ = n.forward.Close()
	}
	if n.outbound != nil {
		_ = n.leash.Close()
		_ = n.outbound.Wait()
	}
	if n.requests != nil {
		close(n.requests)
	}
	if n.space != nil {
		_ = n.space.Close()
	}
}

// hostsFile is /etc/hosts.
func hostsFile(spec *runtime.Spec) string {
	var b strings.Builder
	fmt.Fprintf(&b, "127.0.0.1 localhost %s\n::1 localhost\n", wine.HostName(spec))
	for _, h := range spec.Network.Hosts {
		if name, address, ok := strings.Cut(h, ":"); ok {
			fmt.Fprintf(&b, "%s %s\n", address, name)
		}
	}
	return b.String()
}

// resolvFile is /etc/resolv.conf: with the servers given, or else with server, or
// else the host's.
func resolvFile(servers []string, server string) (string, error) {
	if len(servers) == 0 && server != "" {
		servers = []string{server}
	}
	if len(servers) == 0 {
		b, err := os.ReadFile("/etc/resolv.conf")
		if errors.Is(err, os.ErrNotExist) {
			return "", nil
		}
		return string(b), err
	}
	return "nameserver " + strings.Join(servers, "\nnameserver ") + "\n", nil
}

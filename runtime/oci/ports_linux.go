package oci

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mullion/mullion/runtime"
)

// dialTime bounds a connection to a port inside, which is the same machine's.
const dialTime = 5 * time.Second

// forwarder listens on ports of the host and carries their connections to the
// loopback of a container.
type forwarder struct {
	dial      func(port uint16) (*net.TCPConn, error)
	listeners []*net.TCPListener
	ports     []runtime.Port
	carrying  sync.WaitGroup

	mu     sync.Mutex
	open   map[*net.TCPConn]bool
	closed bool
}

// forward begins to listen. dial connects to a port inside.
func forward(ports []runtime.Port, dial func(port uint16) (*net.TCPConn, error)) (*forwarder, error) {
	f := &forwarder{dial: dial, open: map[*net.TCPConn]bool{}}
	for _, p := range ports {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.Address, p.Host)))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("publish port %d: %w", p.Container, err), f.Close())
		}
		p.Host = uint16(l.Addr().(*net.TCPAddr).Port)
		f.listeners, f.ports = append(f.listeners, l), append(f.ports, p)
	}
	for i, l := range f.listeners {
		f.carrying.Go(func() { f.serve(l, f.ports[i].Container) })
	}
	return f, nil
}

func (f *forwarder) serve(l *net.TCPListener, port uint16) {
	for {
		conn, err := l.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(dialTime / 100) // out of descriptors, perhaps
			continue
		}
		f.carrying.Go(func() { f.carry(conn, port) })
	}
}

// carry is the whole of one connection.
func (f *forwarder) carry(outside *net.TCPConn, port uint16) {
	if !f.hold(outside) {
		return
	}
	defer f.drop(outside)
	inside, err := f.dial(port)
	if err != nil {
		_ = outside.SetLinger(0) // refused, as nobody listens
		return
	}
	if !f.hold(inside) {
		return
	}
	defer f.drop(inside)
	var both sync.WaitGroup
	for _, way := range [][2]*net.TCPConn{{outside, inside}, {inside, outside}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].CloseWrite()
		})
	}
	both.Wait()
}

// hold makes Close close conn; it closes it itself after Close.
func (f *forwarder) hold(conn *net.TCPConn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		conn.Close()
		return false
	}
	f.open[conn] = true
	return true
}

func (f *forwarder) drop(conn *net.TCPConn) {
	f.mu.Lock()
	delete(f.open, conn)
	f.mu.Unlock()
	conn.Close()
}

// Close ends all connections.
func (f *forwarder) Close() error {
	f.mu.Lock()
	f.closed = true
	for conn := range f.open {
		conn.Close()
	}
	f.mu.Unlock()
	for _, l := range f.listeners {
		l.Close()
	}
	f.carrying.Wait()
	return nil
}

package guest

import (
	"errors"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// streams is how many standard streams a program has.
const streams = 3

// first is the number of the program that the container is for. When it ends, all
// end.
const first = 0

// maxPrograms bounds how many programs may have been started beside the first and
// still run: a program that cannot be started any more is better than a guest
// without file descriptors.
const maxPrograms = 256

// session is all that the guest runs. It belongs to one goroutine.
type session struct {
	link    *link
	config  *Config
	wine    *wine
	running map[int]*program
	ended   chan ending
}

type ending struct {
	number int
	status unix.WaitStatus
}

func newSession(l *link, config *Config) *session {
	return &session{link: l, config: config, running: map[int]*program{}, ended: make(chan ending)}
}

// run runs the first program, on the given streams or its own, to its end and does
// meanwhile what the supervisor asks for. Requests are read by a goroutine of their own; everything else happens
// here, so that nothing needs a lock.
func (s *session) run(fds []int) (*Exit, error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	if err := prepare(s.config); err != nil {
		return nil, err
	}
	s.wine = newWine(s.config)
	if err := s.wine.startServer(); err != nil {
		return nil, err
	}
	files := [streams]uintptr{0, 1, 2}
	if len(fds) == streams {
		files = [streams]uintptr{uintptr(fds[0]), uintptr(fds[1]), uintptr(fds[2])}
	}
	err := s.start(first, s.config, "", files)
	closeAll(fds)
	if err != nil {
		s.wine.stopServer(true)
		return nil, err
	}
	requests := s.requests()
	for {
		select {
		case r, ok := <-requests:
			if !ok { // the supervisor is gone
				requests = nil
				s.kill(first)
				continue
			}
			s.handle(r)
		case <-signals:
			s.kill(first)
		case e := <-s.ended:
			p := s.running[e.number]
			delete(s.running, e.number)
			if e.number == first {
				return s.finish(p, e.status), nil
			}
			_ = s.link.send(report{Program: e.number, Exit: p.exit(e.status)})
		}
	}
}

// message is a request with the descriptors that came with it.
type message struct {
	request
	fds []int
}

func (s *session) requests() <-chan message {
	requests := make(chan message)
	go func() {
		defer close(requests)
		for {
			var m message
			var err error
			if m.fds, err = s.link.receive(&m.request); err != nil {
				return
			}
			requests <- m
		}
	}()
	return requests
}

func (s *session) handle(m message) {
	defer closeAll(m.fds)
	switch {
	case m.Exec != nil:
		if err := s.exec(m); err != nil {
			_ = s.link.send(report{Program: m.Program, Error: err.Error()})
		}
	case m.Kill:
		s.kill(m.Program)
	case m.Interrupt:
		interrupt()
	case m.Top:
		_ = s.link.send(report{Processes: programs("/proc")})
	}
}

// exec starts a program beside the first.
func (s *session) exec(m message) error {
	if len(m.fds) != streams {
		return fmt.Errorf("a program with %d standard streams", len(m.fds))
	}
	if s.running[m.Program] != nil {
		return fmt.Errorf("there is a program %d", m.Program)
	}
	if len(s.running) > maxPrograms {
		return errors.New("too many programs were started in this container and still run")
	}
	dir, err := makeDir(CDir, m.Exec.Cwd)
	if err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	return s.start(m.Program, m.Exec, dir, [streams]uintptr{uintptr(m.fds[0]), uintptr(m.fds[1]), uintptr(m.fds[2])})
}

func (s *session) start(number int, config *Config, dir string, files [streams]uintptr) error {
	p, err := s.wine.startProgram(config, dir, files)
	if err != nil {
		return err
	}
	s.running[number] = p
	go func() { s.ended <- ending{number, <-p.done} }()
	if err := s.link.send(report{Program: number, Started: p.pid}); err != nil {
		p.kill()
	}
	return nil
}

func (s *session) kill(number int) {
	if p := s.running[number]; p != nil {
		p.kill()
	}
}

// finish ends what was started beside the first program, which has ended, and
// waits until the registry is saved.
func (s *session) finish(p *program, status unix.WaitStatus) *Exit {
	for number := range s.running {
		s.kill(number)
	}
	for len(s.running) > 0 {
		e := <-s.ended
		_ = s.link.send(report{Program: e.number, Exit: s.running[e.number].exit(e.status)})
		delete(s.running, e.number)
	}
	exit := p.exit(status)
	if note := s.wine.stopServer(p.killed); note != "" {
		exit.Note = note
	}
	return exit
}

// interrupt is Ctrl+C for all Windows programs: Wine makes that console event of
// the signal, whether or not the program has a console.
func interrupt() {
	for _, p := range programs("/proc") {
		_ = unix.Kill(p.PID, unix.SIGINT)
	}
}

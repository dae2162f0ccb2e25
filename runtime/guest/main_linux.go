package guest

import (
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// socket is the file descriptor on which the guest meets its supervisor, and
// the launcher the guest.
const socket = 3

// Main is called first thing in main of every binary that starts containers. In
// a process that was started as the guest it does the guest's work and exits; in
// any other it returns at once.
func Main() {
	switch os.Args[0] {
	case Name:
		os.Exit(guestMain())
	case launcherName:
		os.Exit(launcherMain())
	}
}

// guestMain returns 0 once the supervisor knows how the program ended, whatever
// its exit code, and 1 when it came to none.
func guestMain() int {
	unix.CloseOnExec(socket)
	sock := os.NewFile(socket, "supervisor")
	in := newLines(sock)
	var config Config
	if err := in.next(&config); err != nil {
		fmt.Fprintln(os.Stderr, Name+": it is started by its supervisor only:", err)
		return 1
	}
	exit, err := serve(&config, in, sock)
	if err != nil {
		_ = send(sock, report{Error: err.Error()})
		return 1
	}
	if err := send(sock, report{Exit: exit}); err != nil {
		return 1
	}
	return 0
}

// serve runs the program and answers requests meanwhile. Requests are read by a
// goroutine of their own; everything else happens here, so that nothing needs a lock.
func serve(config *Config, in lines, out io.Writer) (*Exit, error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)

	if err := prepare(config); err != nil {
		return nil, err
	}
	w := newWine(config)
	if err := w.startServer(); err != nil {
		return nil, err
	}
	p, err := w.startProgram()
	if err != nil {
		w.stopServer(true)
		return nil, err
	}
	if err := send(out, report{Started: p.pid}); err != nil {
		p.kill()
	}
	requests := make(chan request)
	go func() {
		defer close(requests)
		for {
			var r request
			if in.next(&r) != nil {
				return
			}
			requests <- r
		}
	}()
	for {
		select {
		case r, ok := <-requests:
			switch {
			case !ok: // the supervisor is gone
				requests = nil
				p.kill()
			case r.Kill:
				p.kill()
			case r.Top:
				_ = send(out, report{Processes: programs("/proc")})
			}
		case <-signals:
			p.kill()
		case status := <-p.done:
			exit := p.exit(status)
			if note := w.stopServer(p.killed); note != "" {
				exit.Note = note
			}
			return exit, nil
		}
	}
}

// prepare makes the place where the program runs.
func prepare(config *Config) error {
	// What loses its parent becomes a child of this process also where it is not
	// process 1, so that it is reaped and counted here.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the reaper: %w", err)
	}
	if config.Root != nil {
		if err := config.Root.enter(); err != nil {
			return err
		}
	}
	if err := writePasswd(config.User); err != nil {
		return err
	}
	return enterCwd(config)
}

// writePasswd names the user 0 as Wine is to call it. The runtime tree's
// /etc/passwd is a symlink to this file.
func writePasswd(user string) error {
	if user == "" {
		user = DefaultUser
	}
	if !plainName(user) {
		return fmt.Errorf("user %q: a name of letters, digits, blanks and -_. is needed", user)
	}
	line := user + ":x:0:0::/run:/bin/false\n"
	if err := os.WriteFile("/run/passwd", []byte(line), 0o644); err != nil {
		return fmt.Errorf("name the user: %w", err)
	}
	return nil
}

// plainName keeps out what would break /etc/passwd or a path below C:\Users.
func plainName(s string) bool {
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.', r == ' ', r > 127:
		default:
			return false
		}
	}
	return len(s) <= 104 && s != "." && s != ".."
}

func enterCwd(config *Config) error {
	dir := PrefixDir
	if config.Root == nil {
		var err error
		if dir, err = makeDir(CDir, config.Cwd); err != nil {
			return fmt.Errorf("working directory: %w", err)
		}
	}
	if err := os.Chdir(dir); err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	return nil
}

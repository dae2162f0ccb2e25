package guest

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"

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
	l, err := openLink(os.NewFile(socket, "supervisor"))
	var config Config
	var fds []int
	if err == nil {
		fds, err = l.receive(&config)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, Name+": it is started by its supervisor only:", err)
		return 1
	}
	exit, err := newSession(l, &config).run(fds)
	last := report{Exit: exit}
	if err != nil {
		last = report{Error: err.Error()}
	}
	if serr := l.send(last); err != nil || serr != nil {
		return 1
	}
	// The supervisor looks at the container once more before it lets go.
	_ = l.conn.SetReadDeadline(time.Now().Add(linger))
	_, _ = io.Copy(io.Discard, l.conn)
	return 0
}

func openLink(f *os.File) (*link, error) {
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, fmt.Errorf("it is a %T, not a unix socket", conn)
	}
	return &link{conn: socket}, nil
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
	// The runtime tree's files in /etc are symlinks to these.
	for name, text := range map[string]string{"/run/hosts": config.Hosts, "/run/resolv.conf": config.Resolv} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return fmt.Errorf("configure the network: %w", err)
		}
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

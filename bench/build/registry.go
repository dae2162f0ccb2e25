package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// server is an OCI registry on loopback.
type server struct {
	host string
	kind string
	log  string // of docker-registry; "" of our own, which keeps none
	cmd  *exec.Cmd
}

// serve starts Debian's docker-registry, or ours if that is not installed.
func serve(ctx context.Context, dir, ours string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{host: l.Addr().String()}
	if err := l.Close(); err != nil {
		return nil, err
	}
	program, err := exec.LookPath("docker-registry")
	if err == nil {
		s.kind, s.log = "docker-registry", filepath.Join(dir, "registry.log")
		config := filepath.Join(dir, "registry.yml")
		text := fmt.Sprintf("version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\nhttp: {addr: %q}\n"+
			"storage: {filesystem: {rootdirectory: %q}}\n", s.host, filepath.Join(dir, "registry"))
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			return nil, err
		}
		s.cmd = exec.CommandContext(ctx, program, "serve", config)
		log, err := os.Create(s.log)
		if err != nil {
			return nil, err
		}
		defer log.Close() // the child has its own
		s.cmd.Stdout, s.cmd.Stderr = log, log
	} else {
		s.kind = "build serve"
		s.cmd = exec.CommandContext(ctx, ours, "serve", "--writable", "--addr", s.host)
		s.cmd.Env = append(os.Environ(), "MULLION_STORE="+filepath.Join(dir, "registry"))
	}
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(os.Interrupt) }
	s.cmd.WaitDelay = 5 * time.Second
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.kind, err)
	}
	return s, s.wait(ctx)
}

// wait returns when the registry answers.
func (s *server) wait(ctx context.Context) error {
	for range 200 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.host+"/v2/", nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			return res.Body.Close()
		}
		time.Sleep(25 * time.Millisecond)
	}
	return fmt.Errorf("%s does not answer on %s", s.kind, s.host)
}

// written finds the bytes of an answer to a GET in a line of docker-registry's log.
var written = regexp.MustCompile(`http\.response\.written=(\d+)`)

// sent returns how many bytes of blobs the registry has sent since mark, and the new mark; -1 if it keeps no log.
func (s *server) sent(mark int64) (bytes, next int64, err error) {
	if s.log == "" {
		return -1, 0, nil
	}
	f, err := os.Open(s.log)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	if _, err := f.Seek(mark, io.SeekStart); err != nil {
		return 0, 0, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		if m := written.FindStringSubmatch(line); m != nil && strings.Contains(line, "http.request.method=GET") && strings.Contains(line, "/blobs/") {
			n, _ := strconv.ParseInt(m[1], 10, 64) // digits
			bytes += n
		}
	}
	return bytes, mark + int64(len(text)), nil
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/mullion/mullion/cmd/build/internal/solve"
	"github.com/mullion/mullion/cmd/internal/cli"
)

// progress shows how a build goes on: a line for each step that is done and what RUN
// prints, as text or as JSON; on a terminal also what is at work.
type progress struct {
	mu      sync.Mutex
	w       io.Writer
	mode    string // "plain", "tty", "rawjson" or "quiet"
	begun   map[[2]int]time.Time
	working []solve.Event
	tails   map[[2]int][]string // of what is at work, the last lines that a quiet build has not shown
	width   func() int
	stop    chan struct{} // ends the clock of a terminal
	stopped chan struct{}
}

// tick is how often a terminal shows the time anew.
const tick = 200 * time.Millisecond

// newProgress begins to show what the flags ask for. "auto" is a terminal's way on a
// terminal and plain text elsewhere.
func (b *building) newProgress() *progress {
	p := &progress{w: b.env.Stderr, mode: b.o.progress, begun: map[[2]int]time.Time{}, tails: map[[2]int][]string{}}
	f, isFile := b.env.Stderr.(*os.File)
	if p.mode == "auto" {
		p.mode = "plain"
		if isFile && cli.IsTerminal(f) && b.env.Getenv("TERM") != "dumb" {
			p.mode = "tty"
		}
	}
	if b.o.quiet {
		p.mode = "quiet"
	}
	p.width = func() int { return 80 }
	if isFile {
		p.width = func() int {
			if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 20 {
				return n
			}
			return 80
		}
	}
	if p.mode == "tty" {
		p.stop, p.stopped = make(chan struct{}), make(chan struct{})
		go p.clock()
	}
	return p
}

// clock shows the running time until Close.
func (p *progress) clock() {
	defer close(p.stopped)
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-t.C:
			p.mu.Lock()
			p.status()
			p.mu.Unlock()
		}
	}
}

// Close takes the line about what is at work away. It may be called twice.
func (p *progress) Close() {
	if p.stop == nil {
		return
	}
	close(p.stop)
	<-p.stopped
	p.stop = nil
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *progress) clear() {
	if p.mode == "tty" {
		io.WriteString(p.w, "\r\x1b[K")
	}
}

// maxTail is how many lines of a RUN that failed a quiet build shows.
const maxTail = 10

// failed shows the last lines of what was at work when a quiet build ended with an error.
func (p *progress) failed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.working {
		for _, l := range p.tails[key(e)] {
			io.WriteString(p.w, l+"\n")
		}
	}
}

// status is the line of a terminal about what is at work.
func (p *progress) status() {
	if len(p.working) == 0 {
		return
	}
	e := p.working[0]
	text := fmt.Sprintf("[%d/%d %d/%d] %s %.1fs", e.Stage, e.Stages, e.Step, e.Steps, cli.OneLine(e.Text), time.Since(p.begun[key(e)]).Seconds())
	if n := len(p.working) - 1; n > 0 {
		text += fmt.Sprintf("  and %d more", n)
	}
	if r := []rune(text); len(r) >= p.width() {
		text = string(r[:p.width()-2]) + "…"
	}
	p.clear()
	io.WriteString(p.w, text)
}

func key(e solve.Event) [2]int { return [2]int{e.Stage, e.Step} }

// event hears of a step.
func (p *progress) event(e solve.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	same := func(o solve.Event) bool { return key(o) == key(e) }
	if e.How == solve.Begun {
		p.begun[key(e)] = time.Now()
		p.working = append(p.working, e)
		if p.mode == "rawjson" {
			p.json(e, 0, "")
		}
		return
	}
	p.working = slices.DeleteFunc(p.working, same)
	delete(p.tails, key(e))
	var took time.Duration
	if begun, ok := p.begun[key(e)]; ok {
		took = time.Since(begun)
	}
	switch p.mode {
	case "rawjson":
		p.json(e, took, "")
	case "plain", "tty":
		p.clear()
		io.WriteString(p.w, line(e, took)+"\n")
		if p.mode == "tty" {
			p.status()
		}
	}
}

// line tells of a step that is done: what became of it, where it stands, what it is,
// and for a new layer its size, the time it took, and the speed if that says something.
func line(e solve.Event, took time.Duration) string {
	text := fmt.Sprintf("[%d/%d] %-6s %s  %s", e.Stage, e.Stages, e.How, e.Pos, cli.OneLine(e.Text))
	if e.How == solve.Made {
		text += fmt.Sprintf("  (%s, %.1fs", cli.Size(e.Bytes), took.Seconds())
		if took > time.Second {
			text += fmt.Sprintf(", %s/s", cli.Size(int64(float64(e.Bytes)/took.Seconds())))
		}
		text += ")"
	}
	return text
}

// json writes one line for a program: what RUN prints, or a step.
func (p *progress) json(e solve.Event, took time.Duration, output string) {
	how := string(e.How)
	switch {
	case output != "":
		how = "output"
	case how == "":
		how = "done"
	}
	b, err := json.Marshal(struct {
		Event   string  `json:"event"` // begun, made, cached, done (there is no layer) or output
		Stage   int     `json:"stage"`
		Stages  int     `json:"stages"`
		Step    int     `json:"step"`
		Steps   int     `json:"steps"`
		Pos     string  `json:"pos"`
		Text    string  `json:"text"`
		Bytes   int64   `json:"bytes,omitempty"`
		Seconds float64 `json:"seconds,omitempty"`
		Output  string  `json:"output,omitempty"`
	}{how, e.Stage, e.Stages, e.Step, e.Steps, e.Pos.String(), e.Text, e.Bytes, took.Seconds(), output})
	if err == nil {
		p.w.Write(append(b, '\n'))
	}
}

// output gives the writer for what a RUN prints. It passes on whole lines, so that
// those of steps at work together do not mix.
func (p *progress) output(e solve.Event) io.WriteCloser {
	return &outputLines{p: p, e: e}
}

// outputLines turns Windows' line ends into those of this side.
type outputLines struct {
	p    *progress
	e    solve.Event
	rest []byte
}

// Write passes on the lines that are whole.
func (o *outputLines) Write(b []byte) (int, error) {
	o.rest = append(o.rest, b...)
	for {
		i := bytes.IndexByte(o.rest, '\n')
		if i < 0 {
			return len(b), nil
		}
		o.line(strings.TrimSuffix(string(o.rest[:i]), "\r"))
		o.rest = o.rest[i+1:]
	}
}

// Close passes on what is left without a line end.
func (o *outputLines) Close() error {
	if len(o.rest) > 0 {
		o.line(string(o.rest))
	}
	return nil
}

func (o *outputLines) line(text string) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	switch o.p.mode {
	case "rawjson":
		o.p.json(o.e, 0, text+"\n")
	case "plain", "tty":
		o.p.clear()
		io.WriteString(o.p.w, text+"\n")
	case "quiet":
		tail := append(o.p.tails[key(o.e)], text)
		o.p.tails[key(o.e)] = tail[max(0, len(tail)-maxTail):]
	}
}

package guest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxMessage bounds a message of either end: a Windows command line has at most
// 64 KiB, an environment no more than a few of them, and a list of a thousand
// processes fits as well.
const maxMessage = 4 << 20

// request is what the supervisor asks for after the Config.
type request struct {
	Kill bool `json:"kill,omitempty"`
	Top  bool `json:"top,omitempty"`
}

// report is what the guest says; one of its fields is set.
type report struct {
	Started   int       `json:"started,omitempty"`
	Exit      *Exit     `json:"exit,omitempty"`
	Processes []Process `json:"processes,omitzero"`
	Error     string    `json:"error,omitempty"`
}

// send writes v as one line of JSON.
func send(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) >= maxMessage {
		return fmt.Errorf("message of %d bytes, at most %d", len(b), maxMessage)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// lines reads messages.
type lines struct{ s *bufio.Scanner }

func newLines(r io.Reader) lines {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxMessage)
	return lines{s}
}

// next fills v from the next message; io.EOF at the end.
func (l lines) next(v any) error {
	if !l.s.Scan() {
		if err := l.s.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	if err := json.Unmarshal(l.s.Bytes(), v); err != nil {
		return errors.Join(errors.New("message is not what was agreed"), err)
	}
	return nil
}

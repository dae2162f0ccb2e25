package guest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// maxMessage bounds a message of either end: a Windows command line has at most
// 64 KiB, an environment no more than a few of them, and a list of a thousand
// processes fits as well.
const maxMessage = 4 << 20

// request is what the supervisor asks for after the Config. Program says of which
// program; 0 is the first.
type request struct {
	// Exec starts a program of the given number. Its three standard streams come as
	// file descriptors with the message.
	Exec      *Config `json:"exec,omitempty"`
	Kill      bool    `json:"kill,omitempty"`
	Interrupt bool    `json:"interrupt,omitempty"`
	Top       bool    `json:"top,omitempty"`
	Program   int     `json:"program,omitempty"`
}

// report is what the guest says of a program; one of its other fields is set.
type report struct {
	Program   int       `json:"program,omitempty"`
	Started   int       `json:"started,omitempty"`
	Exit      *Exit     `json:"exit,omitempty"`
	Processes []Process `json:"processes,omitzero"`
	Error     string    `json:"error,omitempty"`
}

// encode makes a message: four bytes of length, little endian, and JSON.
func encode(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(text) > maxMessage {
		return nil, fmt.Errorf("message of %d bytes, at most %d", len(text), maxMessage)
	}
	return append(binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(text)), uint32(len(text))), text...), nil
}

// decode fills v from the next message; io.EOF at the end. It never reads beyond
// the message, so that file descriptors are known to belong to it.
func decode(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > maxMessage {
		return fmt.Errorf("message of %d bytes, at most %d", n, maxMessage)
	}
	text, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil {
		return err
	}
	if len(text) < int(n) {
		return io.ErrUnexpectedEOF
	}
	if err := json.Unmarshal(text, v); err != nil {
		return errors.Join(errors.New("message is not what was agreed"), err)
	}
	return nil
}

// link is one end of the socket between supervisor and guest.
type link struct {
	conn    *net.UnixConn
	sending sync.Mutex
	fds     []int // that came with the bytes read
}

// send sends a message with file descriptors, which stay the caller's.
func (l *link) send(v any, fds ...int) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	l.sending.Lock()
	defer l.sending.Unlock()
	n, _, err := l.conn.WriteMsgUnix(b, oob, nil)
	if err == nil && n < len(b) {
		_, err = l.conn.Write(b[n:])
	}
	return err
}

// receive fills v from the next message and returns the descriptors that came
// with it, which are the caller's then.
func (l *link) receive(v any) (fds []int, err error) {
	err = decode(l, v)
	fds, l.fds = l.fds, nil
	if err != nil {
		closeAll(fds)
		return nil, err
	}
	return fds, nil
}

// Read implements io.Reader; it collects descriptors.
func (l *link) Read(p []byte) (int, error) {
	oob := make([]byte, unix.CmsgSpace(streams*4))
	n, oobn, _, _, err := l.conn.ReadMsgUnix(p, oob)
	if oobn > 0 {
		messages, perr := unix.ParseSocketControlMessage(oob[:oobn])
		if perr != nil {
			return n, errors.Join(err, perr)
		}
		for _, m := range messages {
			fds, perr := unix.ParseUnixRights(&m)
			if perr != nil {
				return n, errors.Join(err, perr)
			}
			for _, fd := range fds {
				unix.CloseOnExec(fd)
			}
			l.fds = append(l.fds, fds...)
		}
	}
	return n, err
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

package guest

import (
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// reaper waits for all children, those it started and those it was left with.
// os.StartProcess cannot be used beside it: both would wait for the same children.
type reaper struct {
	mu      sync.Mutex
	waiting map[int]chan unix.WaitStatus
	more    chan struct{} // has a value when a child was started after there were none
}

func newReaper() *reaper {
	r := &reaper{waiting: map[int]chan unix.WaitStatus{}, more: make(chan struct{}, 1)}
	go r.loop()
	return r
}

// start starts a child; done gives its status when it has ended.
func (r *reaper) start(path string, argv []string, attr *syscall.ProcAttr) (pid int, done <-chan unix.WaitStatus, err error) {
	r.mu.Lock() // the loop must not see the child's end before it is in the map
	defer r.mu.Unlock()
	pid, err = syscall.ForkExec(path, argv, attr)
	if err != nil {
		return 0, nil, fmt.Errorf("start %s: %w", path, err)
	}
	ch := make(chan unix.WaitStatus, 1)
	r.waiting[pid] = ch
	select {
	case r.more <- struct{}{}:
	default:
	}
	return pid, ch, nil
}

func (r *reaper) loop() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch err {
		case nil:
			r.mu.Lock()
			if ch := r.waiting[pid]; ch != nil {
				delete(r.waiting, pid)
				ch <- status
			}
			r.mu.Unlock()
		case unix.ECHILD:
			<-r.more
		}
	}
}

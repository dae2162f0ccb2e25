package oci

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// hostPID finds, among the descendants of ancestor, the process that has the id
// inside in its innermost PID namespace. It gives ancestor if there is none any more.
func hostPID(ancestor, inside int) int {
	type process struct{ parent, inside int }
	all := map[int]process{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		b, err := os.ReadFile(dir + "/status")
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		all[pid] = process{field(b, "PPid:"), field(b, "NSpid:")}
	}
	for pid, p := range all {
		if p.inside != inside || p.inside == pid {
			continue
		}
		for up := p.parent; up > 1; up = all[up].parent {
			if up == ancestor {
				return pid
			}
		}
	}
	return ancestor
}

// field returns the last number of a line of /proc/PID/status, 0 if there is none.
func field(status []byte, name string) int {
	for line := range bytes.Lines(status) {
		if v, ok := strings.CutPrefix(string(line), name); ok {
			words := strings.Fields(v)
			if len(words) > 0 {
				n, _ := strconv.Atoi(words[len(words)-1])
				return n
			}
		}
	}
	return 0
}

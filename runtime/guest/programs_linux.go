package guest

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// programs lists the processes that are Windows programs: those whose executable
// is Wine's loader, without the ones that serve a terminal. proc is the folder of the proc file system.
func programs(proc string) []Process {
	list := []Process{}
	entries, err := os.ReadDir(proc)
	if err != nil {
		return list
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		exe, err := os.Readlink(filepath.Join(proc, e.Name(), "exe"))
		if err != nil || filepath.Dir(exe) != WineDir || strings.HasPrefix(filepath.Base(exe), "wineserver") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(proc, e.Name(), "cmdline"))
		if err != nil || len(b) == 0 {
			continue // it is ending
		}
		if strings.Contains(strings.ToLower(argument(b)), `\conhost.exe`) {
			continue // Wine's half of a terminal
		}
		command := strings.ReplaceAll(strings.TrimRight(string(b), "\x00"), "\x00", " ")
		list = append(list, Process{PID: pid, Command: command})
	}
	slices.SortFunc(list, func(a, b Process) int { return a.PID - b.PID })
	return list
}

// argument returns the first of the arguments in a process' command line.
func argument(cmdline []byte) string {
	arg, _, _ := strings.Cut(string(cmdline), "\x00")
	return arg
}

package hives

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCorpus holds real hives, those below the folder that MULLION_HIVE_CORPUS names,
// against ourselves and against the oracles that are installed: what we accept we read
// to the end, write again without loss, and write so that others read as many keys.
// Files that are no hives are passed over, and hives we refuse are told.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("MULLION_HIVE_CORPUS")
	if dir == "" {
		t.Skip("MULLION_HIVE_CORPUS names no folder of real hives")
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		file, err := os.ReadFile(path)
		if err != nil || len(file) < baseSize || string(file[:4]) != "regf" || u32(file, offType) != 0 {
			return err
		}
		files++
		name, err := filepath.Rel(dir, path)
		t.Run(name, func(t *testing.T) { corpusHive(t, path, file) })
		return err
	})
	do(t, err)
	if files == 0 {
		t.Errorf("%s holds no hives", dir)
	}
}

func corpusHive(t *testing.T, path string, file []byte) {
	h, err := OpenWithLogs(bytes.NewReader(file), int64(len(file)), logsOf(t, path)...)
	if err != nil {
		if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrDirty) {
			t.Errorf("refused without a reason: %v", err)
		}
		t.Skipf("refused: %v", err)
	}
	recovered, err := io.ReadAll(io.NewSectionReader(h.r, 0, baseSize+int64(h.bins)))
	do(t, err)
	found := Tolerant.CheckBytes(recovered)
	for _, f := range found {
		t.Logf("finding: %s", f)
	}
	found = slices.DeleteFunc(found, func(f Finding) bool { return f.Warning })
	for k, err := range h.Walk() {
		if err != nil {
			t.Skipf("refused: %v", err)
		}
		for _, err := range k.Values() {
			if err != nil {
				t.Skipf("refused: %v", err)
			}
		}
	}
	// The oracles read the hive itself as we do, if we all take it for sound, ...
	if len(found) == 0 {
		judged(t, recovered)
	}
	if h.IsDelta() {
		d, err := Squash(h)
		do(t, err)
		file := deltaFile(t, d)
		judged(t, file)
		again := openBytes(t, file)
		if a, b := canonical(t, rootOf(t, NewStack(nil, again)), true), canonical(t, rootOf(t, NewStack(nil, h)), true); a != b {
			t.Errorf("the delta written again shows\n%s\nwant\n%s", a, b)
		}
		return
	}
	// ... and what we write of it. A hive that is not sound may be completed on the way, if
	// only by missing security.
	stack := NewStack(h)
	flat, err := Merge(stack, Options{})
	do(t, err)
	out := treeBytes(t, flat)
	if len(found) == 0 {
		sound(t, out)
	}
	again := openBytes(t, out)
	if len(found) == 0 && canonical(t, rootOf(t, again), false) != canonical(t, rootOf(t, stack), false) {
		t.Error("the hive written again shows something else")
	}
	if d, err := Diff(stack, rootOf(t, again), Options{}); err != nil || !d.Empty() {
		t.Errorf("the hive written again differs: %v", err)
	}
	judged(t, out)
}

// logsOf finds the transaction logs beside a hive, in any case of letters.
func logsOf(t *testing.T, path string) (logs []*io.SectionReader) {
	entries, err := os.ReadDir(filepath.Dir(path))
	do(t, err)
	for _, e := range entries {
		rest, ok := strings.CutPrefix(strings.ToUpper(e.Name()), strings.ToUpper(filepath.Base(path))+".LOG")
		if !ok || len(rest) > 1 {
			continue
		}
		b, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
		do(t, err)
		logs = append(logs, section(b))
	}
	return logs
}

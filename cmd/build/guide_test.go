package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The examples of docs/registry.md work as they stand there.
func TestRegistryGuide(t *testing.T) {
	text, err := os.ReadFile("../../docs/registry.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "guide.txtar"), []byte(guideScript(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			env.Setenv("MULLION_STORE", filepath.Join(env.WorkDir, "store"))
			return nil
		},
	})
}

// guideScript makes a script of a page: commands are in blocks marked sh, files in blocks marked with a kind and a name.
func guideScript(page string) string {
	var script, files strings.Builder
	blocks := strings.Split(page, "\n```")
	for i := 1; i < len(blocks); i += 2 {
		info, content, _ := strings.Cut(blocks[i], "\n")
		if _, name, ok := strings.Cut(info, " "); ok {
			files.WriteString("-- " + name + " --\n" + content + "\n")
			continue
		}
		for line := range strings.Lines(content + "\n") {
			command, file, ok := strings.Cut(strings.TrimRight(line, "\n"), " > ")
			script.WriteString(command + "\n")
			if ok {
				script.WriteString("cp stdout " + file + "\n")
			}
		}
	}
	return script.String() + files.String()
}

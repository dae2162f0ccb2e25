// Command build measures builds of Windows images, ours and those of other tools, side by side: time, memory and what
// is fetched of the base image. It makes what it builds, keeps everything below one temporary folder, and prints a
// table. Ratios within one run mean something; times of different machines do not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	runs := flag.Int("n", 3, "how often each thing is measured")
	tree := flag.String("make", "", "write the files of one context to the folder DIR and nothing else: `CONTEXT`")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: bench/run [-n RUNS] [A|B|C ...]\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	err := errors.New("-make needs a folder")
	if *tree == "" {
		err = run(ctx, *runs, flag.Args())
	} else if flag.NArg() == 1 {
		err = trees[*tree].write(flag.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, runs int, names []string) (err error) {
	if len(names) == 0 {
		names = []string{"A", "B", "C"}
	}
	for _, n := range names {
		if _, ok := trees[n]; !ok || n == "base" {
			return fmt.Errorf("there is no context %q; there are A, B and C", n)
		}
	}
	dir, err := os.MkdirTemp("", "mullion-bench-*")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	b := &bench{dir: dir, runs: runs}
	defer func() {
		cancel()
		if b.reg != nil {
			_ = b.reg.cmd.Wait() // it was told to end
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	fmt.Printf("%s, %d cores, %s, registry: %s, %d runs each, medians\n\n", time.Now().UTC().Format(time.DateTime),
		runtime.NumCPU(), runtime.Version(), b.reg.kind, runs)
	fmt.Printf("%-8s %-34s %8s %8s %9s %9s\n", "context", "what", "s", "best s", "peak MB", "fetched MB")
	for _, name := range names {
		if err := b.context(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// bench is one run of the harness.
type bench struct {
	dir  string
	ours string // our build program
	runs int
	reg  *server
	mark int64 // in the log of the registry
}

// prepare builds our program and puts a base image into a registry.
func (b *bench) prepare(ctx context.Context) error {
	b.ours = filepath.Join(b.dir, "build")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.ours, "./cmd/build").CombinedOutput(); err != nil {
		return fmt.Errorf("build our program: %w\n%s", err, out)
	}
	var err error
	if b.reg, err = serve(ctx, b.dir, b.ours); err != nil {
		return err
	}
	base := filepath.Join(b.dir, "base")
	if err := files(ctx, "base", filepath.Join(base, "files")); err != nil {
		return err
	}
	file := filepath.Join(base, "Containerfile")
	if err := os.WriteFile(file, []byte("FROM scratch\nCOPY files/ C:/base/\n"), 0o644); err != nil {
		return err
	}
	s, err := b.once(ctx, step{args: b.build(base, "base", "--push"), env: b.store("base-store")})
	if err != nil {
		return err
	}
	if _, err := b.once(ctx, step{args: []string{b.ours, "index", "publish-toc", "-q", b.ref("base")}, env: b.store("base-store")}); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "base image made and pushed in %.1f s\n", s.seconds)
	return errors.Join(os.RemoveAll(base), os.RemoveAll(filepath.Join(b.dir, "base-store")))
}

// files makes the files of a context in another process: the system counts the memory of this one for all that it starts.
func files(ctx context.Context, name, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "-make", name, dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("make the files of %s: %w", name, err)
	}
	return nil
}

// build is our command line.
func (b *bench) build(dir, name string, flags ...string) []string {
	args := []string{b.ours, "-q", "--insecure", "-f", filepath.Join(dir, "Containerfile"), "-t", b.ref(name)}
	return append(append(args, flags...), dir)
}

func (b *bench) ref(name string) string { return b.reg.host + "/bench/" + name + ":latest" }

func (b *bench) store(name string) []string {
	return []string{"MULLION_STORE=" + filepath.Join(b.dir, name)}
}

// context measures all tools on one context.
func (b *bench) context(ctx context.Context, name string) error {
	dir := filepath.Join(b.dir, name)
	if err := files(ctx, name, filepath.Join(dir, "app")); err != nil {
		return err
	}
	text := fmt.Sprintf("FROM %s\nCOPY app/ C:/app/\nENTRYPOINT [\"C:\\\\app\\\\a.exe\"]\n", b.ref("base"))
	if err := os.WriteFile(filepath.Join(dir, "Containerfile"), []byte(text), 0o644); err != nil {
		return err
	}
	time.Sleep(3 * time.Second) // files that have just changed are never trusted to be what they were
	if err := b.mullion(ctx, name, dir); err != nil {
		return err
	}
	if err := b.crane(ctx, name, dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// mullion measures our builds: everything new, nothing new, one file new.
func (b *bench) mullion(ctx context.Context, name, dir string) error {
	one, err := first(filepath.Join(dir, "app"))
	if err != nil {
		return err
	}
	store, wipe := b.store("store"), func(int) error { return os.RemoveAll(filepath.Join(b.dir, "store")) }
	touch := func(i int) error { return scribble(one, byte(i)) }
	for _, s := range []step{
		{what: "mullion, cold, pushed", push: true, before: wipe},
		{what: "mullion, cold, to the store", before: wipe},
		{what: "mullion, no change"},
		{what: "mullion, one file touched", before: touch},
	} {
		flags := []string{}
		if s.push {
			flags = append(flags, "--push")
		}
		s.env = store
		if err := b.measure(ctx, name, s, func(i int) []string {
			return b.build(dir, fmt.Sprintf("%s-%d", lower(name), i), flags...)
		}); err != nil {
			return err
		}
	}
	return wipe(0)
}

// crane measures go-containerregistry's tool, which appends a tar to an image in a registry.
func (b *bench) crane(ctx context.Context, name, dir string) error {
	program, err := exec.LookPath("crane")
	if err != nil {
		fmt.Printf("%-8s crane is not installed: go install github.com/google/go-containerregistry/cmd/crane@latest\n", name)
		return nil
	}
	const script = `tar -C "$1" --sort=name -cf "$2" app && exec "$3" append --insecure --platform windows/amd64 -b "$4" -f "$2" -t "$5"`
	return b.measure(ctx, name, step{what: "crane, cold, pushed"}, func(i int) []string {
		return []string{"sh", "-ec", script, "sh", dir, filepath.Join(b.dir, "app.tar"), program, b.ref("base"),
			b.ref(fmt.Sprintf("crane-%s-%d", lower(name), i))}
	})
}

package wine

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"

	"github.com/mullion/mullion/runtime/guest"
)

// dlopened are libraries that Wine and glibc load by name when they are there.
// Without libgcc threads cannot end; without freetype every program that uses
// user32 complains; with freetype but without fontconfig Wine 8 crashes there when
// it finds no fonts; without gnutls there is no TLS. The last two are glibc's before 2.34 only.
var dlopened = []string{"libgcc_s.so.1", "libfreetype.so.6", "libfontconfig.so.1", "libgnutls.so.30", "libnss_files.so.2", "libnss_dns.so.2"}

// fontsConf keeps fontconfig from complaining that it has no configuration.
const fontsConf = "<?xml version=\"1.0\"?>\n<fontconfig><cachedir>/tmp/fontconfig</cachedir></fontconfig>\n"

// unwanted are the unix halves of Wine libraries for hardware and desktops; they
// drag in hundreds of libraries, and a container has neither.
var unwanted = []string{
	"capi2032.so", "gphoto2.so", "opencl.so", "opengl32.so", "qcap.so", "winealsa.so", "winebus.so", "winegstreamer.so",
	"winepulse.so", "wineusb.so", "winevulkan.so", "winex11.so", "winewayland.so", "wpcap.so", "sane.so",
}

// mountPoints are the folders of the tree that something is mounted on.
var mountPoints = []string{guest.CDir, guest.PrefixDir, "/proc", "/sys", "/dev", "/run", "/tmp", filepath.Dir(guest.ExePath)}

// tree is the runtime tree under construction.
type tree struct {
	ctx context.Context
	dir string
}

// makeTree fills dir with what Wine needs to run: a root without a shell or any
// other program.
func makeTree(ctx context.Context, dir string) error {
	t := &tree{ctx, dir}
	for _, p := range mountPoints {
		if err := os.MkdirAll(t.path(p), 0o755); err != nil {
			return err
		}
	}
	files := map[string]string{
		guest.ExePath:           "",
		"/etc/nsswitch.conf":    "passwd: files\nhosts: files dns\n",
		"/etc/fonts/fonts.conf": fontsConf,
	}
	for name, text := range files {
		if err := t.write(name, text); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{
		"/etc/passwd": "../run/passwd", "/etc/hosts": "../run/hosts", "/etc/resolv.conf": "../run/resolv.conf",
		"/lib": "usr/lib", "/lib64": "usr/lib64",
	} {
		if err := os.Symlink(target, t.path(link)); err != nil {
			return err
		}
	}
	binaries, err := t.wine()
	if err != nil {
		return err
	}
	if err := t.libraries(binaries); err != nil {
		return err
	}
	return t.strip()
}

func (t *tree) path(name string) string { return filepath.Join(t.dir, name) }

func (t *tree) write(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(t.path(name)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(t.path(name), []byte(text), 0o644)
}

// wine copies Wine itself and returns the ELF files whose libraries are needed.
func (t *tree) wine() (binaries []string, err error) {
	loaders, err := filepath.Glob(guest.WineDir + "/wine*64*")
	if err != nil {
		return nil, err
	}
	unix, err := filepath.Glob(unixDir + "/*.so*")
	if err != nil {
		return nil, err
	}
	for _, name := range append(loaders, unix...) {
		if slices.Contains(unwanted, filepath.Base(name)) {
			continue
		}
		if err := t.copy(name, name); err != nil {
			return nil, err
		}
		binaries = append(binaries, name)
	}
	for _, dir := range []string{windowsDir, nlsDir, "/usr/lib/locale/C.utf8"} {
		if err := t.copyDir(dir); err != nil {
			return nil, err
		}
	}
	return binaries, t.copy(infFile, infFile)
}

// copyDir copies the files of a folder and those below it; a folder that the host
// lacks is left out.
func (t *tree) copyDir(dir string) error {
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if err := t.ctx.Err(); err != nil {
			return err
		}
		return t.copy(name, name)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// copy copies one file, following symlinks, with its execute permission.
func (t *tree) copy(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(t.path(to)), 0o755); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(t.path(to), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644|info.Mode()&0o111)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// libraries copies the shared libraries that binaries need, and the loader.
func (t *tree) libraries(binaries []string) error {
	if err := t.copy("/lib64/ld-linux-x86-64.so.2", "/usr/lib64/ld-linux-x86-64.so.2"); err != nil {
		return err
	}
	var todo []string
	for _, b := range binaries {
		todo = append(todo, needed(b)...)
	}
	todo = append(todo, dlopened...)
	done := map[string]bool{"ld-linux-x86-64.so.2": true}
	for len(todo) > 0 {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		path, ok := findLibrary(name)
		if done[name] || !ok {
			continue // Wine's own, or one that the host lacks too
		}
		done[name] = true
		if err := t.copy(path, filepath.Join(libDir, name)); err != nil {
			return err
		}
		todo = append(todo, needed(path)...)
	}
	return nil
}

func findLibrary(name string) (string, bool) {
	for _, dir := range []string{"/lib/x86_64-linux-gnu", libDir} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, true
		}
	}
	return "", false
}

// needed lists the libraries that an ELF file names; none for any other file.
func needed(path string) []string {
	f, err := elf.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, err := f.ImportedLibraries()
	if err != nil {
		return nil
	}
	return names
}

// strip takes the debugging data out of Wine's Windows files, which are two
// thirds of them, where the host has binutils. A file that cannot be stripped
// stays as it is.
func (t *tree) strip() error {
	strip, err := exec.LookPath("strip")
	if err != nil {
		return nil
	}
	dir := t.path(windowsDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	places := make(chan struct{}, goruntime.NumCPU())
	for batch := range slices.Chunk(entries, 32) {
		args := []string{"--strip-debug"}
		for _, e := range batch {
			args = append(args, e.Name())
		}
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			cmd := exec.CommandContext(t.ctx, strip, args...)
			cmd.Dir = dir
			_ = cmd.Run()
		})
	}
	wg.Wait()
	if err := t.ctx.Err(); err != nil {
		return fmt.Errorf("strip wine's files: %w", err)
	}
	return t.checkStripped()
}

// checkStripped makes sure that stripping has not damaged what every program needs.
func (t *tree) checkStripped() error {
	b, err := os.ReadFile(t.path(windowsDir + "/ntdll.dll"))
	if err != nil {
		return err
	}
	if !isBuiltin(b) {
		return errors.New("stripping wine's files damaged them: remove binutils' strip from PATH, or install another version")
	}
	return nil
}

// isBuiltin tells whether a file's head is that of a library or program of Wine's
// own: Wine's tools put this mark into the DOS stub, and Wine looks for it there.
func isBuiltin(head []byte) bool {
	return len(head) >= 0x60 && bytes.HasPrefix(head, []byte("MZ")) && strings.HasPrefix(string(head[0x40:]), "Wine builtin DLL")
}

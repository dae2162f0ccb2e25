package wine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime"
)

// program is what Wine is to load.
type program struct {
	path string // absolute Windows path
	args []string
}

// systemDirs are searched between the working directory and PATH, as CreateProcess does.
var systemDirs = []string{"Windows/System32", "Windows/System", "Windows"}

// findProgram finds the executable that the command line names, as CreateProcess
// would: by its path, or in the working directory, the system's folders and PATH;
// with .exe added where the name has no extension.
func (b *Base) findProgram(spec *runtime.Spec, cwd, searchPath string) (*program, error) {
	argv := nt.SplitCommandLine(spec.CommandLine)
	if len(argv) == 0 || argv[0] == "" {
		return nil, fmt.Errorf("the command line is empty: %w", runtime.ErrCannotInvoke)
	}
	c := newDrive(spec, b.Under)
	candidates, err := candidates(argv[0], cwd, searchPath)
	if err != nil {
		return nil, fmt.Errorf("program %q: %w: %w", argv[0], runtime.ErrCannotInvoke, err)
	}
	for _, at := range candidates {
		f, err := c.find(at)
		if errors.Is(err, fs.ErrNotExist) || err == nil && f.dir {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("program %q: %w", argv[0], err)
		}
		return launch(nt.Win(at), argv[1:], f)
	}
	return nil, fmt.Errorf("%w; looked for %s", &runtime.NotFoundError{Program: argv[0]}, looked(candidates))
}

// candidates lists the places where a program of that name may be, as paths below C:.
func candidates(name, cwd, searchPath string) ([]string, error) {
	var dirs []string
	if strings.ContainsAny(name, `\/:`) {
		dirs = []string{cwd}
	} else {
		dirs = append([]string{cwd}, systemDirs...)
		for dir := range strings.SplitSeq(searchPath, ";") {
			// Entries on other drives lead nowhere.
			if rel, err := nt.Rel("", strings.Trim(dir, `" `)); err == nil && dir != "" {
				dirs = append(dirs, rel)
			}
		}
	}
	var list []string
	for _, dir := range dirs {
		at, err := nt.Rel(nt.Win(dir), name)
		if err != nil {
			return nil, err
		}
		if path.Ext(at) != "" {
			list = append(list, at)
		}
		if !strings.EqualFold(path.Ext(at), ".exe") {
			list = append(list, at+".exe")
		}
		if path.Ext(at) == "" {
			list = append(list, at)
		}
	}
	return unique(list), nil
}

func unique(list []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(s string) bool {
		folded := nt.Fold(s)
		defer func() { seen[folded] = true }()
		return seen[folded]
	})
}

// looked names the first few places and counts the others.
func looked(candidates []string) string {
	const most = 6
	var names []string
	for i, at := range candidates {
		if i == most {
			names = append(names, fmt.Sprintf("%d more places", len(candidates)-most))
			break
		}
		names = append(names, nt.Win(at))
	}
	return strings.Join(names, ", ")
}

// launch makes the program of a file that was found. Batch files are run by cmd,
// as CreateProcess does.
func launch(wpath string, args []string, f *driveFile) (*program, error) {
	switch strings.ToLower(path.Ext(wpath)) {
	case ".bat", ".cmd":
		return &program{`C:\Windows\System32\cmd.exe`, append([]string{"/c", wpath}, args...)}, nil
	}
	if f.builtin {
		return &program{wpath, args}, nil
	}
	r, err := f.open()
	if err != nil {
		return nil, fmt.Errorf("program %s: %w", wpath, err)
	}
	defer r.Close()
	if err := checkPE(r); err != nil {
		return nil, fmt.Errorf("program %s %w: %w", wpath, runtime.ErrCannotInvoke, err)
	}
	return &program{wpath, args}, nil
}

// maxStub bounds the DOS part of a program; linkers write 64 to 512 bytes.
const maxStub = 1 << 20

// checkPE tells why the file is not a program that Wine can run here. The fields
// are those of Microsoft's "PE Format": the offset of the signature at 0x3c, the
// machine after it.
func checkPE(r io.Reader) error {
	notPE := errors.New("not a Windows program")
	var dos [64]byte
	if _, err := io.ReadFull(r, dos[:]); err != nil || string(dos[:2]) != "MZ" {
		return notPE
	}
	at := binary.LittleEndian.Uint32(dos[0x3c:])
	if at < 64 || at > maxStub {
		return notPE
	}
	if _, err := io.CopyN(io.Discard, r, int64(at)-64); err != nil {
		return notPE
	}
	var head [24]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:4]) != "PE\x00\x00" {
		return notPE
	}
	if binary.LittleEndian.Uint16(head[22:])&0x2000 != 0 {
		return errors.New("it is a library, not a program")
	}
	switch machine := binary.LittleEndian.Uint16(head[4:]); machine {
	case 0x8664:
		return nil
	case 0x014c:
		return errors.New("it is a 32-bit program and this Wine runs 64-bit ones")
	case 0xaa64:
		return errors.New("it is an ARM64 program and this Wine runs x86-64 ones")
	default:
		return fmt.Errorf("it is a program for another processor (machine %#x)", machine)
	}
}

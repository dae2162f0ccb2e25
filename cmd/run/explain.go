package main

import (
	"bytes"
	"debug/pe"
	"io"
	"slices"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime"
)

const (
	dllNotFound = 0xC0000135 // STATUS_DLL_NOT_FOUND
	maxProgram  = 256 << 20  // of a program that is read
)

// ofWindows are libraries that every Windows has, and Wine.
var ofWindows = strings.Fields("advapi32 bcrypt bcryptprimitives cfgmgr32 combase comctl32 comdlg32 crypt32 cryptbase d3d11 d3d9 dbghelp dnsapi dwmapi dxgi gdi32 gdiplus " +
	"hid imm32 iphlpapi kernel32 kernelbase mpr msimg32 msvcp_win msvcrt mswsock ncrypt netapi32 ntdll ole32 oleacc oleaut32 opengl32 pdh powrprof propsys psapi rpcrt4 " +
	"sechost secur32 setupapi shcore shell32 shlwapi sspicli ucrtbase urlmon user32 userenv uxtheme version wevtapi winhttp wininet winmm winspool wintrust wldap32 ws2_32 wsock32 wtsapi32")

// explain says which libraries a program lacks that ended because it lacks one, "" if it cannot tell.
func explain(v *view.View, spec *runtime.Spec, exit uint32) string {
	if exit != dllNotFound {
		return ""
	}
	argv := nt.SplitCommandLine(spec.CommandLine)
	if len(argv) == 0 {
		return ""
	}
	dirs := searched(spec)
	program := find(v, dirs, argv[0], ".exe")
	if program == nil {
		return ""
	}
	r, err := v.Open(program)
	if err != nil {
		return ""
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxProgram))
	if err != nil {
		return ""
	}
	f, err := pe.NewFile(bytes.NewReader(b))
	if err != nil {
		return ""
	}
	symbols, err := f.ImportedSymbols() // "name:library"; those by ordinal are not among them
	if err != nil {
		return ""
	}
	own := nt.Win(program.Path[:max(0, strings.LastIndexByte(program.Path, '/'))])
	var missing []string
	for _, symbol := range symbols {
		lib := symbol[strings.LastIndexByte(symbol, ':')+1:]
		base := strings.TrimSuffix(strings.ToLower(lib), ".dll")
		if strings.HasPrefix(base, "api-ms-") || strings.HasPrefix(base, "ext-ms-") || slices.Contains(ofWindows, base) || slices.Contains(missing, lib) {
			continue
		}
		if find(v, append([]string{own}, dirs...), lib, "") == nil {
			missing = append(missing, lib)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return nt.Win(program.Path) + " needs " + strings.Join(missing, ", ") + ", which the image has not: COPY it beside the program, or install what brings it"
}

// searched are the directories in which Windows looks for a program or a library of a process.
func searched(spec *runtime.Spec) []string {
	dirs := []string{spec.Cwd, `C:\Windows\System32`, `C:\Windows`}
	path, _ := nt.NewEnv(spec.Env...).Get("PATH")
	return append(dirs, strings.Split(path, ";")...)
}

// find looks for a file, with or without an ending, in directories.
func find(v *view.View, dirs []string, name, ending string) *view.File {
	if strings.ContainsAny(name, `\/:`) {
		dirs = dirs[:1]
	}
	for _, dir := range dirs {
		base, err := nt.Rel("", strings.Trim(dir, `" `))
		if err != nil {
			continue
		}
		for _, n := range []string{name, name + ending} {
			path, err := nt.Rel(nt.Win(base), n)
			if err != nil {
				continue
			}
			if f, err := v.Resolve(path); err == nil && !f.IsDir() {
				return f
			}
		}
	}
	return nil
}

package wine

// over lists the files of system32 that win against an image's. An image made for
// Windows may carry its own file of such a name, or hide it; programs then would
// not start.
//
// For most libraries it does not matter whose file is seen, because Wine loads
// its builtin one whatever lies there. The exceptions are here: what every process
// loads before any choice, what Wine marks as "prefer native" but that only works
// with Windows' kernel, and the programs that are Wine's own machinery. All else
// stays below the image, so that an image's files never vanish from sight.
var over = set(
	// Loaded into every process.
	"ntdll.dll", "kernel32.dll", "kernelbase.dll", "advapi32.dll", "sechost.dll", "msvcrt.dll", "ucrtbase.dll",
	"rpcrt4.dll", "ws2_32.dll", "user32.dll", "gdi32.dll", "win32u.dll", "shell32.dll", "ole32.dll", "combase.dll",
	// Marked "prefer native"; Windows' own need its drivers or its security subsystem.
	"bcrypt.dll", shimName, "crypt32.dll", "ncrypt.dll", "userenv.dll", "rsaenh.dll", "dhcpcsvc.dll", "mscoree.dll",
	// Programs that talk to Wine's server and services.
	"wineboot.exe", "services.exe", "svchost.exe", "rpcss.exe", "plugplay.exe", "winedevice.exe", "explorer.exe",
	"conhost.exe", "rundll32.exe", "start.exe",
	// Shells and tools that scripts rely on, whose Windows versions need more of the kernel than Wine has.
	"cmd.exe", "reg.exe", "regedit.exe", "regsvr32.exe", "msiexec.exe", "net.exe", "sc.exe", "taskkill.exe", "tasklist.exe",
	"wscript.exe", "cscript.exe", "xcopy.exe", "icacls.exe", "ipconfig.exe", "hostname.exe", "whoami.exe",
)

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

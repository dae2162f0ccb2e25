package wine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/mullion/mullion/runtime"
	"github.com/mullion/mullion/runtime/guest"
)

// recipe is part of every base's ID. It must change whenever the code that makes
// a base makes another one.
const recipe = "3"

// Where Debian's packages wine64 and libwine have their files.
const (
	libDir     = "/usr/lib/x86_64-linux-gnu"
	unixDir    = libDir + "/wine/x86_64-unix"
	windowsDir = libDir + "/wine/x86_64-windows"
	nlsDir     = "/usr/share/wine/nls"
	infFile    = "/usr/share/wine/wine.inf"
)

const howToInstall = "install it with: apt-get install wine64 binutils"

// telltales are the files that differ between two Wine packages. Their sizes and
// times, which come from the package, stand for its version.
var telltales = []string{
	guest.WineDir + "/wine64", guest.WineDir + "/wineserver64", infFile,
	unixDir + "/ntdll.so", windowsDir + "/ntdll.dll", windowsDir + "/kernelbase.dll",
}

// hostID names the base that the host's Wine package gives.
func hostID() (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, recipe)
	for _, name := range telltales {
		info, err := os.Stat(name)
		if err != nil {
			return "", fmt.Errorf("wine (64-bit) is not installed: %w; %s", err, howToInstall)
		}
		fmt.Fprintln(h, name, info.Size(), info.ModTime().Unix())
	}
	for _, name := range dlopened {
		if path, ok := findLibrary(name); ok {
			fmt.Fprintln(h, path)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:32], nil
}

// hostVersion asks Wine for its version, "8.0".
func hostVersion(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(guest.WineDir, "wine64"), "--version")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/"}
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask wine for its version: %w", err)
	}
	words := strings.Fields(string(out))
	if len(words) == 0 {
		return "", fmt.Errorf("ask wine for its version: it says %q", out)
	}
	return strings.TrimPrefix(words[0], "wine-"), nil
}

// Requirement tells whether the host has the Wine that Open needs.
func Requirement(ctx context.Context) runtime.Requirement {
	r := runtime.Requirement{Name: "wine", Fix: howToInstall}
	if _, err := hostID(); err != nil {
		r.Detail = "wine64 is not installed"
		return r
	}
	version, err := hostVersion(ctx)
	if err != nil {
		r.Detail = err.Error()
		return r
	}
	r.Found, r.Detail, r.Fix = true, "wine "+version, ""
	return r
}

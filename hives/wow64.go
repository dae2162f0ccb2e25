package hives

import (
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// shared32 are the parts of HKLM\SOFTWARE that 32-bit programs see like others, since
// Windows 7, after the table of Microsoft's "Registry Keys Affected by WOW64". Two names
// that the table spells unlike the keys of real systems are here in both spellings.
func shared32() []string {
	return []string{
		`Clients`,
		`Microsoft\COM3`, `Microsoft\Cryptography\Calais\Current`, `Microsoft\Cryptography\Calais\Readers`,
		`Microsoft\Cryptography\Services`, `Microsoft\CTF\SystemShared`, `Microsoft\CTF\TIP`, `Microsoft\DFS`,
		`Microsoft\Driver Signing`, `Microsoft\EnterpriseCertificates`, `Microsoft\EventSystem`, `Microsoft\MSMQ`,
		`Microsoft\Non-Driver Signing`, `Microsoft\Notepad\DefaultFonts`, `Microsoft\OLE`, `Microsoft\RAS`, `Microsoft\RPC`,
		`Microsoft\Shared Tools\MSInfo`, `Microsoft\SystemCertificates`, `Microsoft\TermServLicensing`,
		`Microsoft\Transaction Server`, `Microsoft\TransactionServer`, `Microsoft\Windows\CurrentVersion\App Paths`,
		`Microsoft\Windows\CurrentVersion\Control Panel\Cursors\Schemes`,
		`Microsoft\Windows\CurrentVersion\Explorer\AutoplayHandlers`, `Microsoft\Windows\CurrentVersion\Explorer\DriveIcons`,
		`Microsoft\Windows\CurrentVersion\Explorer\KindMap`, `Microsoft\Windows\CurrentVersion\Group Policy`,
		`Microsoft\Windows\CurrentVersion\Policies`, `Microsoft\Windows\CurrentVersion\PreviewHandlers`,
		`Microsoft\Windows\CurrentVersion\Setup`, `Microsoft\Windows\CurrentVersion\Telephony\Locations`,
		`Microsoft\Windows NT\CurrentVersion\Console`, `Microsoft\Windows NT\CurrentVersion\FontDpi`,
		`Microsoft\Windows NT\CurrentVersion\FontLink`, `Microsoft\Windows NT\CurrentVersion\FontMapper`,
		`Microsoft\Windows NT\CurrentVersion\Fonts`, `Microsoft\Windows NT\CurrentVersion\FontSubstitutes`,
		`Microsoft\Windows NT\CurrentVersion\Gre_Initialize`, `Microsoft\Windows NT\CurrentVersion\Image File Execution Options`,
		`Microsoft\Windows NT\CurrentVersion\LanguagePack`, `Microsoft\Windows NT\CurrentVersion\Language Pack`, `Microsoft\Windows NT\CurrentVersion\NetworkCards`,
		`Microsoft\Windows NT\CurrentVersion\Perflib`, `Microsoft\Windows NT\CurrentVersion\Ports`,
		`Microsoft\Windows NT\CurrentVersion\Print`, `Microsoft\Windows NT\CurrentVersion\ProfileList`,
		`Microsoft\Windows NT\CurrentVersion\Time Zones`, `Policies`, `RegisteredApplications`,
	}
}

const node32 = `WOW6432Node`

// WOW64 returns where a 32-bit program, or reg.exe with /reg:32, finds a key of a 64-bit
// system: HKLM\SOFTWARE is its own below WOW6432Node, but for the parts that all share;
// of classes only those of COM and media are its own. A path that names WOW6432Node is
// taken literally.
func WOW64(path string) string {
	path = strings.TrimSuffix(path, `\`)
	names := strings.Split(path, `\`)
	for _, name := range names {
		if nt.EqualFold(name, node32) {
			return path
		}
	}
	below := func(n int) string { return strings.Join(names[n:], `\`) }
	insert := func(n int) string {
		return strings.TrimSuffix(strings.Join(names[:n], `\`)+`\`+node32+`\`+below(n), `\`)
	}
	is := func(n int, name string) bool { return len(names) > n && nt.EqualFold(names[n], name) }
	// classes is how many names lead to the classes, 0 if the path does not.
	classes := 0
	switch nt.Fold(names[0]) {
	case "HKCR", "HKEY_CLASSES_ROOT":
		classes = 1
	case "HKLM", "HKEY_LOCAL_MACHINE":
		if !is(1, "SOFTWARE") {
			return path
		}
		if is(2, "Classes") {
			classes = 3
			break
		}
		for _, s := range shared32() {
			if under(below(2), s) {
				return path
			}
		}
		return insert(2)
	case "HKCU", "HKEY_CURRENT_USER":
		if is(1, "Software") && is(2, "Classes") {
			classes = 3
		}
	case "HKU", "HKEY_USERS":
		switch {
		case is(2, "Software") && is(3, "Classes"):
			classes = 4
		case len(names) > 1 && strings.HasSuffix(nt.Fold(names[1]), "_CLASSES"):
			classes = 2
		}
	}
	if classes > 0 && len(names) > classes && classes32(names[classes]) {
		return insert(classes)
	}
	return path
}

// classes32 tells whether a part of the classes is separate for 32-bit programs.
func classes32(name string) bool {
	switch nt.Fold(name) {
	case "CLSID", "DIRECTSHOW", "INTERFACE", "MEDIA TYPE", "MEDIAFOUNDATION":
		return true
	}
	return false
}

// under reports whether a path is another or below it.
func under(path, top string) bool {
	return len(path) >= len(top) && nt.EqualFold(path[:len(top)], top) && (len(path) == len(top) || path[len(top)] == '\\')
}

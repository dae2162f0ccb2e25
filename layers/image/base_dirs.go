package image

import "github.com/mullion/mullion/layers"

// baseDir is a directory of the generated base layer.
type baseDir struct {
	path       string // slash-separated, relative to C:\
	sddl       string // access rights; "" for those that its parent passes on
	attributes uint32 // besides that of a directory
}

// The access rights of a Windows installation, less what only TrustedInstaller or a desktop needs: SYSTEM and
// Administrators have all, Users and Everyone what is said. All but the root's own cut inheritance.
const (
	fullAccess  = "O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
	readOnlyDir = fullAccess + "(A;OICIIO;GA;;;CO)(A;OICI;0x1200a9;;;BU)" // read and execute
	addableDir  = readOnlyDir + "(A;CI;0x116;;;BU)"                       // and make files and directories
	tempDir     = fullAccess + "(A;OICIIO;GA;;;CO)(A;CI;0x100026;;;BU)"   // make and reach, but not list
	sharedDir   = fullAccess + "(A;OICIIO;GA;;;CO)(A;OICI;0x1301bf;;;BU)" // modify
	usersDir    = fullAccess + "(A;OICI;0x1200a9;;;BU)(A;OICI;0x1200a9;;;WD)"
	adminDir    = fullAccess + "(A;OICI;FA;;;S-1-5-93-2-1)" // ContainerAdministrator's
	userDir     = fullAccess + "(A;OICI;FA;;;S-1-5-93-2-2)" // ContainerUser's
)

// baseDirs lists the directories of the generated base layer, each after the one it is in.
func baseDirs() []baseDir {
	dirs := []baseDir{
		{},
		{path: "Program Files", sddl: readOnlyDir},
		{path: "Program Files/Common Files"},
		{path: "Program Files (x86)", sddl: readOnlyDir},
		{path: "Program Files (x86)/Common Files"},
		{path: "ProgramData", sddl: addableDir, attributes: layers.AttrHidden},
		{path: "ProgramData/Microsoft"},
		{path: "ProgramData/Microsoft/Windows"},
		{path: "Users", sddl: usersDir},
		{path: "Windows", sddl: readOnlyDir},
		{path: "Windows/Fonts"},
		{path: "Windows/Logs"},
		{path: "Windows/ServiceProfiles"},
		{path: "Windows/ServiceProfiles/LocalService"},
		{path: "Windows/ServiceProfiles/NetworkService"},
		{path: "Windows/System32"},
		{path: "Windows/System32/Wbem"},
		{path: "Windows/System32/WindowsPowerShell"},
		{path: "Windows/System32/WindowsPowerShell/v1.0"},
		{path: "Windows/System32/config", sddl: fullAccess},
		{path: "Windows/System32/config/systemprofile"},
		{path: "Windows/System32/drivers"},
		{path: "Windows/System32/drivers/DriverData"},
		{path: "Windows/System32/drivers/etc"},
		{path: "Windows/SysWOW64"},
		{path: "Windows/Temp", sddl: tempDir},
	}
	dirs = append(dirs, profile("Users/ContainerAdministrator", adminDir, 0)...)
	dirs = append(dirs, profile("Users/ContainerUser", userDir, 0)...)
	dirs = append(dirs, profile("Users/Default", "", layers.AttrHidden)...)
	dirs = append(dirs, baseDir{path: "Users/Public", sddl: sharedDir})
	return append(dirs, library("Users/Public")...)
}

// profile lists the home directory of an account.
func profile(home, sddl string, attributes uint32) []baseDir {
	dirs := []baseDir{
		{path: home, sddl: sddl, attributes: attributes},
		{path: home + "/AppData", attributes: layers.AttrHidden},
		{path: home + "/AppData/Local"},
		{path: home + "/AppData/Local/Microsoft"},
		{path: home + "/AppData/Local/Microsoft/Windows"},
		{path: home + "/AppData/Local/Temp"},
		{path: home + "/AppData/LocalLow"},
		{path: home + "/AppData/Roaming"},
		{path: home + "/AppData/Roaming/Microsoft"},
		{path: home + "/AppData/Roaming/Microsoft/Windows"},
	}
	return append(dirs, library(home)...)
}

// library lists the folders that programs look for in every home.
func library(home string) []baseDir {
	var dirs []baseDir
	for _, name := range []string{"Desktop", "Documents", "Downloads", "Music", "Pictures", "Videos"} {
		dirs = append(dirs, baseDir{path: home + "/" + name})
	}
	return dirs
}

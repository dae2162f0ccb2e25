package image

import "github.com/mullion/mullion/layers"

// BaseDir is a directory of the generated base layer.
type BaseDir struct {
	Path       string // slash-separated, relative to C:\
	SDDL       string // access rights; "" for those that its parent passes on
	Attributes uint32 // besides that of a directory
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

// BaseDirs lists the directories of the generated base layer, each after the one it is in.
func BaseDirs() []BaseDir {
	dirs := []BaseDir{
		{},
		{Path: "Program Files", SDDL: readOnlyDir},
		{Path: "Program Files/Common Files"},
		{Path: "Program Files (x86)", SDDL: readOnlyDir},
		{Path: "Program Files (x86)/Common Files"},
		{Path: "ProgramData", SDDL: addableDir, Attributes: layers.AttrHidden},
		{Path: "ProgramData/Microsoft"},
		{Path: "ProgramData/Microsoft/Windows"},
		{Path: "Users", SDDL: usersDir},
		{Path: "Windows", SDDL: readOnlyDir},
		{Path: "Windows/Fonts"},
		{Path: "Windows/Logs"},
		{Path: "Windows/ServiceProfiles"},
		{Path: "Windows/ServiceProfiles/LocalService"},
		{Path: "Windows/ServiceProfiles/NetworkService"},
		{Path: "Windows/System32"},
		{Path: "Windows/System32/Wbem"},
		{Path: "Windows/System32/WindowsPowerShell"},
		{Path: "Windows/System32/WindowsPowerShell/v1.0"},
		{Path: "Windows/System32/config", SDDL: fullAccess},
		{Path: "Windows/System32/config/systemprofile"},
		{Path: "Windows/System32/drivers"},
		{Path: "Windows/System32/drivers/DriverData"},
		{Path: "Windows/System32/drivers/etc"},
		{Path: "Windows/SysWOW64"},
		{Path: "Windows/Temp", SDDL: tempDir},
	}
	dirs = append(dirs, profile("Users/ContainerAdministrator", adminDir, 0)...)
	dirs = append(dirs, profile("Users/ContainerUser", userDir, 0)...)
	dirs = append(dirs, profile("Users/Default", "", layers.AttrHidden)...)
	dirs = append(dirs, BaseDir{Path: "Users/Public", SDDL: sharedDir})
	return append(dirs, library("Users/Public")...)
}

// profile lists the home directory of an account.
func profile(home, sddl string, attributes uint32) []BaseDir {
	dirs := []BaseDir{
		{Path: home, SDDL: sddl, Attributes: attributes},
		{Path: home + "/AppData", Attributes: layers.AttrHidden},
		{Path: home + "/AppData/Local"},
		{Path: home + "/AppData/Local/Microsoft"},
		{Path: home + "/AppData/Local/Microsoft/Windows"},
		{Path: home + "/AppData/Local/Temp"},
		{Path: home + "/AppData/LocalLow"},
		{Path: home + "/AppData/Roaming"},
		{Path: home + "/AppData/Roaming/Microsoft"},
		{Path: home + "/AppData/Roaming/Microsoft/Windows"},
	}
	return append(dirs, library(home)...)
}

// library lists the folders that programs look for in every home.
func library(home string) []BaseDir {
	var dirs []BaseDir
	for _, name := range []string{"Desktop", "Documents", "Downloads", "Music", "Pictures", "Videos"} {
		dirs = append(dirs, BaseDir{Path: home + "/" + name})
	}
	return dirs
}

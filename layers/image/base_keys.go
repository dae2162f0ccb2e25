package image

import "github.com/mullion/mullion/hives"

// securitySDDL lets Administrators no further into the SECURITY hive than to its descriptor, as Windows does.
const securitySDDL = "O:BAG:SYD:(A;CI;KA;;;SY)(A;CI;RCWD;;;BA)"

// baseKey is a key of a generated hive; the keys above it are made with it.
type baseKey struct {
	path   string
	values []hives.Value
}

// baseKeys lists what one of the generated hives holds. CurrentControlSet is no key of a hive: Select says which control
// set it stands for.
func baseKeys(name hives.Name) []baseKey {
	switch name {
	case hives.System:
		return systemKeys()
	case hives.Software:
		return softwareKeys()
	case hives.Default:
		return []baseKey{
			{`Environment`, []hives.Value{
				hives.ExpandValue("TEMP", `%USERPROFILE%\AppData\Local\Temp`),
				hives.ExpandValue("TMP", `%USERPROFILE%\AppData\Local\Temp`),
			}},
			{`Software\Microsoft\Windows\CurrentVersion`, nil},
			{`Software\Microsoft\Windows NT\CurrentVersion`, nil},
			{`Control Panel\International`, []hives.Value{hives.StringValue("Locale", "00000409")}},
		}
	}
	return nil
}

func systemKeys() []baseKey {
	const control = `ControlSet001\Control\`
	return []baseKey{
		{`Select`, []hives.Value{
			hives.DWORDValue("Current", 1),
			hives.DWORDValue("Default", 1),
			hives.DWORDValue("Failed", 0),
			hives.DWORDValue("LastKnownGood", 1),
		}},
		{control + `ComputerName\ComputerName`, nil},
		{control + `Session Manager\Environment`, []hives.Value{
			hives.ExpandValue("ComSpec", `%SystemRoot%\system32\cmd.exe`),
			hives.StringValue("DriverData", `C:\Windows\System32\Drivers\DriverData`),
			hives.StringValue("OS", "Windows_NT"),
			hives.ExpandValue("Path", `%SystemRoot%\system32;%SystemRoot%;%SystemRoot%\System32\Wbem;`+
				`%SystemRoot%\System32\WindowsPowerShell\v1.0\`),
			hives.StringValue("PATHEXT", ".COM;.EXE;.BAT;.CMD;.VBS;.VBE;.JS;.JSE;.WSF;.WSH;.MSC"),
			hives.StringValue("PROCESSOR_ARCHITECTURE", "AMD64"),
			hives.ExpandValue("PSModulePath", `%ProgramFiles%\WindowsPowerShell\Modules;`+
				`%SystemRoot%\system32\WindowsPowerShell\v1.0\Modules`),
			hives.ExpandValue("TEMP", `%SystemRoot%\TEMP`),
			hives.ExpandValue("TMP", `%SystemRoot%\TEMP`),
			hives.StringValue("USERNAME", "SYSTEM"),
			hives.ExpandValue("windir", `%SystemRoot%`),
		}},
		{`ControlSet001\Services\Tcpip\Parameters`, nil},
		{`Setup`, []hives.Value{hives.DWORDValue("SystemSetupInProgress", 0)}},
	}
}

func softwareKeys() []baseKey {
	const nt, win = `Microsoft\Windows NT\CurrentVersion`, `Microsoft\Windows\CurrentVersion`
	return []baseKey{
		{`Classes`, nil},
		{nt, []hives.Value{
			hives.StringValue("PathName", `C:\Windows`),
			hives.StringValue("SystemRoot", `C:\Windows`),
		}},
		{nt + `\ProfileList`, []hives.Value{
			hives.ExpandValue("Default", `%SystemDrive%\Users\Default`),
			hives.ExpandValue("ProfilesDirectory", `%SystemDrive%\Users`),
			hives.ExpandValue("ProgramData", `%SystemDrive%\ProgramData`),
			hives.ExpandValue("Public", `%SystemDrive%\Users\Public`),
		}},
		{nt + `\ProfileList\S-1-5-18`, profileImage(`%systemroot%\system32\config\systemprofile`)},
		{nt + `\ProfileList\S-1-5-19`, profileImage(`%systemroot%\ServiceProfiles\LocalService`)},
		{nt + `\ProfileList\S-1-5-20`, profileImage(`%systemroot%\ServiceProfiles\NetworkService`)},
		{win, []hives.Value{
			hives.StringValue("CommonFilesDir", `C:\Program Files\Common Files`),
			hives.StringValue("CommonFilesDir (x86)", `C:\Program Files (x86)\Common Files`),
			hives.StringValue("CommonW6432Dir", `C:\Program Files\Common Files`),
			hives.StringValue("ProgramFilesDir", `C:\Program Files`),
			hives.StringValue("ProgramFilesDir (x86)", `C:\Program Files (x86)`),
			hives.ExpandValue("ProgramFilesPath", `%ProgramFiles%`),
			hives.StringValue("ProgramW6432Dir", `C:\Program Files`),
		}},
		{win + `\Run`, nil},
		{win + `\RunOnce`, nil},
		{win + `\Uninstall`, nil},
		{`Policies\Microsoft\Windows`, nil},
		{`WOW6432Node\Microsoft`, nil},
	}
}

// profileImage says where an account's profile is. Container accounts have no entry: Windows makes it, and the hive
// that goes with it, at their first logon.
func profileImage(path string) []hives.Value {
	return []hives.Value{
		hives.DWORDValue("Flags", 12),
		hives.ExpandValue("ProfileImagePath", path),
		hives.DWORDValue("State", 0),
	}
}

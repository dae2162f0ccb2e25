package offline_test

import (
	"strings"
	"testing"

	"github.com/mullion/mullion/runtime/offline"
)

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		line   string
		how    offline.How
		reason string // a part of it
	}{
		{`cmd /S /C mkdir C:\x && copy a b & if exist x (del x) else rd y`, offline.Offline, ""},
		{`cmd /S /C for %i in (a b) do reg add HKLM\SOFTWARE\X /v %i /d 1 /f`, offline.Offline, ""},
		{`cmd /S /C setx /M PATH "%PATH%;C:\x" && curl -fSLo x.zip https://example.com/x.zip && tar -xf x.zip`, offline.Offline, ""},
		{`cmd /S /C echo hi && msiexec /i x.msi /qn`, offline.Wine, "msiexec is a program"},
		{`cmd /S /C C:\git\cmd\git.exe --version`, offline.Wine, "is a program"},
		{`cmd /S /C dism /online /enable-feature /featurename:iis-webserver`, offline.Windows, "features of Windows"},
		{`cmd /S /C a.exe & %windir%\system32\inetsrv\appcmd set app`, offline.Windows, "IIS"},
		{`cmd /S /C call setup.bat`, offline.Wine, "known only when it runs"},
		{`cmd /S /C assoc .x=y`, offline.Windows, "not known"},
		{`cmd /S /C if ( x`, offline.Windows, ""},
		{`powershell -Command "Invoke-WebRequest -UseBasicParsing $env:U -OutFile x.zip; Expand-Archive x.zip C:\; Remove-Item x.zip -Force"`, offline.Offline, ""},
		{`powershell -Command "if ((Get-FileHash x).Hash -ne 'AB') { throw 'bad' }; [Environment]::SetEnvironmentVariable('A', 'b', 'Machine')"`, offline.Offline, ""},
		{`powershell -Command "function f { 1 }; f; try { cmd /c echo 1 } finally { }"`, offline.Offline, ""},
		{`powershell -Command "Start-Process msiexec -Wait -ArgumentList /i, x.msi"`, offline.Wine, "msiexec is a program"},
		{`powershell -Command "try { git --version } catch { }"`, offline.Wine, "git is a program"},
		{`powershell -Command "1..3 | % { Install-WindowsFeature Web-Server }"`, offline.Windows, "features of Windows"},
		{`powershell -Command "Get-Item x -Stream y"`, offline.Windows, "-Stream"},
		{`powershell -Command "[Drawing.Bitmap]::FromFile('x')"`, offline.Windows, "not known"},
		{`powershell -Command "$x = [no.such]'y'"`, offline.Windows, "this type"},
		{`powershell -Command "New-Object -ComObject WScript.Shell"`, offline.Windows, "COM"},
		{`powershell -Command "iex (Get-Content x -Raw)"`, offline.Windows, "evaluates"},
		{`powershell -File C:\build.ps1`, offline.Wine, "known only when it runs"},
		{`powershell -Command "Get-Date"; choco install git`, offline.Windows, ""},
		{`C:\app\x.exe a`, offline.Wine, "is a program"},
		{`reg add HKLM\SOFTWARE\X /f`, offline.Offline, ""},
	} {
		e := offline.Explain(c.line)
		if e.How != c.how || !strings.Contains(e.Reason, c.reason) || (e.How == offline.Offline) != (e.Command == "") {
			t.Errorf("%s: %+v, want %s, %q", c.line, e, c.how, c.reason)
		}
	}
}

// FuzzExplain holds that no command line makes it panic.
func FuzzExplain(f *testing.F) {
	f.Add(`cmd /S /C for %i in (a) do if 1==1 (call x) else start "" /b y`)
	f.Add(`powershell -Command "& { param($x = 1) [int]$x; @{a=1}.a; Start-Process x -Arg 1, 2 }"`)
	f.Fuzz(func(_ *testing.T, line string) { offline.Explain(line) })
}

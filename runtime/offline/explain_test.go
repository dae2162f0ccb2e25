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

// TestIdioms holds what lines of the shapes that Dockerfiles have need, the commonest first.
func TestIdioms(t *testing.T) {
	for _, c := range []struct {
		how   offline.How
		lines string
	}{
		{offline.Offline, `
[Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12; wget $Env:URL -OutFile a.zip -TimeoutSec 10;
[Net.ServicePointManager]::ServerCertificateValidationCallback = {$true} ; (New-Object System.Net.WebClient).DownloadFile($Env:URL, 'a.zip')
if ((Get-FileHash a.zip -Algorithm sha512).Hash -ne $Env:SHA) { Write-Host 'CHECKSUM VERIFICATION FAILED!'; exit 1; }; Expand-Archive a.zip -DestinationPath $Env:ProgramFiles\tool; rm a.zip
setx /M PATH $($Env:PATH + ';' + $Env:ProgramFiles + '\tool')
$path = ${Env:PATH} + ';c:\tools;'; setx /M PATH $path
[Environment]::SetEnvironmentVariable('PATH', "${env:PATH};C:\tools", [EnvironmentVariableTarget]::Machine)
Get-ChildItem -Path $Env:ProgramFiles\tool -Include *.lzma -File -Recurse | foreach { $_.Delete() }
New-Item -ItemType Directory -Force -Path C:/a, C:/b | Out-Null; New-Item -Type Directory warm; cd warm; cd ..; Remove-Item -Force -Recurse warm
$n = $Env:VERSION.split('.')[-1]; iwr https://example.com/v$Env:VERSION.zip -OutFile v.zip
foreach ($dll in @('a.dll','b.dll')) { Copy-Item (Join-Path C:\Windows\System32 $dll) C:\app\ }
$roots = @(Get-ChildItem C:/Windows/WinSxS -Directory -Filter 'amd64_x*' -ErrorAction SilentlyContinue); if ($roots.Count -eq 0) { throw 'none' }
if ($LASTEXITCODE -notin 0, 1638, 3010) { throw ('failed with exit code {0}' -f $LASTEXITCODE) }
Rename-Item -Path 'C:\Program Files\jdk-17' -NewName OpenJDK; $env:JAVA_HOME = 'C:\Program Files\OpenJDK'
$stop = (Get-Date).AddMinutes(15); while (!(Test-Path C:\done)) { if ((Get-Date) -gt $stop) { throw 'timeout expired' } Start-Sleep -Seconds 6 }
(Get-Content C:\a.config) | % { $_ -replace 'x', 'y' } | Out-File C:\a.config -Encoding utf8
$ProgressPreference = 'SilentlyContinue'; Set-ExecutionPolicy Bypass -Scope Process -Force
Set-ItemProperty -Path 'HKLM:\SYSTEM\CurrentControlSet\Services\Dnscache\Parameters' -Name ServerPriorityTimeLimit -Value 0 -Type DWord
$h = @{ 'A' = 1; B = 'x' }; $h.GetEnumerator() | Sort-Object Name | ForEach-Object { "$($_.Key)=$($_.Value)" }
Get-ChildItem -Recurse C:\src | Where-Object { -not $_.PSIsContainer -and $_.Extension -eq '.pdb' } | Remove-Item -Force
Write-Output "done" ; exit 0
$v = [version](Get-Content v.txt -Raw).Trim(); if ($v -lt [version]'1.2.0') { Write-Error "too old: $v" }
1..3 | ForEach-Object { Set-Content "C:\f$_.txt" $_ }; Get-Content C:\f*.txt | Measure-Object -Line | Select-Object -ExpandProperty Lines
$json = Get-Content C:\a.json -Raw | ConvertFrom-Json; $json.x.y = 2; $json | ConvertTo-Json -Depth 10 | Set-Content C:\a.json
New-Item -Path C:\app\link -ItemType SymbolicLink -Value C:\app\current -Force
[IO.Compression.ZipFile]::ExtractToDirectory("$pwd\a.zip", 'C:\a'); Add-Type -AssemblyName System.IO.Compression.FileSystem`},
		{offline.Wine, `
Start-Process msiexec.exe -ArgumentList '/i', 'x.msi', '/quiet', '/norestart' -NoNewWindow -Wait; Remove-Item -Force x.msi
Start-Process python.msi -ArgumentList '/quiet InstallAllUsers=1' -Wait
$p = Start-Process C:/r/vc.exe -ArgumentList '/quiet','/norestart' -Wait -PassThru; if ($p.ExitCode -ne 0) { exit $p.ExitCode }
/dotnet/dotnet publish /p:N=$n src\A.csproj -c Release --output C:\out
C:\\Python\\python.exe -m pip install --upgrade pip ; C:\\Python\\python.exe -m pip install -r requirements.txt
& 'C:\Program Files\7-Zip\7z.exe' x -oC:\git .\git.7z.exe; git --version
.\build.ps1 -Configuration Release`},
		{offline.Windows, `
Add-WindowsFeature Web-Server; Remove-Item -Recurse C:\inetpub\wwwroot\*
Install-PackageProvider -Name NuGet -MinimumVersion 2.8.5.201 -Force; Install-Module -Name x -Force
iex ((New-Object Net.WebClient).DownloadString('https://example.com/install.ps1'))
choco install -y git
Start-Service w3svc; Get-Process`},
	} {
		for line := range strings.SplitSeq(strings.TrimSpace(c.lines), "\n") {
			if e := offline.Explain(`powershell -Command ` + strings.ReplaceAll(line, `"`, `\"`)); e.How != c.how {
				t.Errorf("%s: %+v, want %s", line, e, c.how)
			}
			if c.how != offline.Offline {
				continue
			}
			// What is said to be carried out is: it may fail, as nothing is there, but not for being unknown.
			s := newScratch(t)
			for path, text := range map[string]string{"a.config": "x", "v.txt": "1.3", "a.json": `{"x":{"y":1}}`, "done": "", "app/current": "", "src/a/b.pdb": "", "a/x": ""} {
				(assert{t}).check(s.MkdirAll(strings.TrimSuffix(path, path[strings.LastIndexByte("/"+path, '/'):])))
				(assert{t}).check(s.WriteFile(path, strings.NewReader(text)))
			}
			if _, err := runPS(t, s, line, "URL=http://127.0.0.1:9/a.zip", "SHA=0", "VERSION=1.2.3"); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

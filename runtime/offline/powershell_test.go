package offline_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime/offline"
)

func TestPowerShellLanguage(t *testing.T) {
	for _, c := range []struct{ line, out string }{
		{`'a' + 1`, "a1"},
		{`1 + '2'`, "3"},
		{`7 / 2; 8 / 2; 7 % 4; 2 * 3 + 1`, "3.5\n4\n3\n7"},
		{`"x$(1+1)y"`, "x2y"},
		{`$a = 1, 2, 3; $a.Count; $a[-1]; $a -join '-'`, "3\n3\n1-2-3"},
		{`$h = @{ b = 1; a = 2 }; $h.a; $h['b']; $h.Keys | Sort-Object`, "2\n1\na\nb"},
		{`if (1 -eq 2) { 'no' } elseif ('A' -eq 'a') { 'yes' } else { 'no' }`, "yes"},
		{`for ($i = 0; $i -lt 3; $i++) { $i }`, "0\n1\n2"},
		{`foreach ($x in 1..3) { if ($x -eq 2) { continue }; $x }`, "1\n3"},
		{`$i = 0; while ($true) { $i++; if ($i -gt 4) { break } }; $i`, "5"},
		{`$i = 0; do { $i++ } until ($i -ge 3); $i`, "3"},
		{`switch ('b') { 'a' { 1 } 'b' { 2 } default { 3 } }`, "2"},
		{`switch -wildcard ('hello') { 'h*' { 'yes' } default { 'no' } }`, "yes"},
		{`function f($a, $b = 5) { $a + $b }; f 1; f 1 2; f -b 7 -a 1`, "6\n3\n8"},
		{`function g { param([Parameter(Mandatory=$true)][string]$Name, [switch]$Loud) if ($Loud) { $Name.ToUpper() } else { $Name } }; g -Name x; g x -Loud`, "x\nX"},
		{`try { throw 'bad' } catch { "got $_" } finally { 'end' }`, "got bad\nend"},
		{`try { Get-Item C:\none -ErrorAction Stop } catch { $_.Exception.Message }`, `Cannot find path 'C:\none' because it does not exist.`},
		{`try { [int]'x' } catch [System.Management.Automation.RuntimeException] { 'cast' }`, "cast"},
		{`'{0:D3}|{1,5}|{2,-4}|{3:N1}|{4:X2}' -f 7, 'ab', 'c', 1234.56, 255`, "007|   ab|c   |1,234.6|FF"},
		{`'a,b;c' -split '[,;]'`, "a\nb\nc"},
		{`'abc' -replace 'b(.)', '$1-'`, "ac-"},
		{`'v1.2.3' -match '(\d+)\.(\d+)' | Out-Null; $Matches[1] + $Matches[2]`, "12"},
		{`1..5 | Where-Object { $_ % 2 } | ForEach-Object { $_ * 10 }`, "10\n30\n50"},
		{`1..5 | ? { $_ -gt 3 } | Select-Object -First 1`, "4"},
		{`'b','a','c' | sort -Descending`, "c\nb\na"},
		{`(1..4 | Measure-Object -Sum).Sum`, "10"},
		{`[Math]::Max(3, 7); [math]::Round(2.5)`, "7\n2"},
		{`[string]::Join(',', @('a','b')); [string]::IsNullOrEmpty('')`, "a,b\nTrue"},
		{`[Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes('hi'))`, "aGk="},
		{`$p = @{ Object = 'splat' }; Write-Host @p`, "splat"},
		{`& { param($x) "block $x" } 4`, "block 4"},
		{`$s = { $args[0] * 2 }; & $s 21`, "42"},
		{"@'\nline 'one'\n$x\n'@", "line 'one'\n$x"},
		{"$x = 5; @\"\nx is $x\n\"@", "x is 5"},
		{`$env:FOO = 'bar'; "$env:FOO"; Test-Path env:FOO`, "bar\nTrue"},
		{`[Environment]::GetEnvironmentVariable('SystemRoot')`, `C:\Windows`},
		{`[version]'1.10.0' -gt [version]'1.9'`, "True"},
		{`(Get-Date '2024-02-03').ToString('yyyy/MM/dd')`, "2024/02/03"},
		{`$o = [pscustomobject]@{ A = 1; B = 'x' }; "$($o.A)$($o.B)"`, "1x"},
		{`('{"a": [1, {"b": true}]}' | ConvertFrom-Json).a[1].b`, "True"},
		{`@{ a = 1 } | ConvertTo-Json -Compress`, `{"a":1}`},
		{`$ErrorActionPreference = 'SilentlyContinue'; Get-Item C:\none; 'after'`, "after"},
		{`Get-Item C:\none -ErrorAction SilentlyContinue; $?; 'x' > $null; $?`, "False\nTrue"},
		{`$x = if ($true) { 'a' } else { 'b' }; $x`, "a"},
		{`$null -eq $undefined; !$undefined`, "True\nTrue"},
		{`'abc'.Substring(1, 2).ToUpper().PadLeft(4, '*')`, "**BC"},
		{`'a b'.Split(' ')[1]; 'x'.Length`, "b\n1"},
		{`cmd /c "echo from cmd& exit 3"; $LASTEXITCODE; $?`, "from cmd\n3\nTrue"},
		{`(cmd /c echo one) + '!'`, "one!"},
		{`$a, $b = 1, 2; "$b$a"`, "21"},
		{`$x = 3; $x += 4; $x -= 1; $x *= 2; $x`, "12"},
		{`'Hello' -like 'h*o'; 'Hello' -clike 'h*'; 'b' -in 'a','b'; 1,2 -contains 3`, "True\nFalse\nTrue\nFalse"},
		{`1..3 | % { $_ } -End { 'end' }`, "1\n2\n3\nend"},
		{`"a` + "`" + `tb"`, "a\tb"},
		{`$d = [ordered]@{ z = 1; y = 2 }; ($d.Keys -join ',')`, "z,y"},
		{`Start-Sleep -Seconds 100000; 'awake'`, "awake"},
		{`$e = (Get-Date).AddMinutes(5); while ((Get-Date) -lt $e) { Start-Sleep 60 }; 'done'`, "done"},
		{`trap { 'trapped'; continue }; throw 'x'; 'after'`, "trapped\nafter"},
		{`exit 0`, ""},
		{`[xml]$x = '<a><b n="1">t</b></a>'; $x.a.b.n; $x.a.b.InnerText`, "1\nt"},
		{`'x','y' | ForEach-Object -Process { "<$_>" } | Out-String -Stream`, "<x>\n<y>"},
		{`function f { [CmdletBinding()] param($a) Get-Item C:\none; 'on' }; f 1 -ErrorAction SilentlyContinue; try { f -b 2 } catch { 'no b' }`, "on\nno b"},
		{`function g { "$args" }; g -x 1 y`, "-x 1 y"},
		{`Join-Path C:\a b; Split-Path C:\a\b.txt -Leaf; Split-Path C:\a\b.txt`, `C:\a\b` + "\nb.txt\n" + `C:\a`},
	} {
		t.Run(c.line, func(t *testing.T) {
			got, err := runPS(t, newScratch(t), c.line)
			if err != nil || got.exit != 0 || got.err != "" {
				t.Fatalf("%v, exit code %d, errors %q", err, got.exit, got.err)
			}
			if want := crlf(c.out); got.out != want {
				t.Errorf("%q, want %q", got.out, want)
			}
		})
	}
}

// crlf gives lines Windows' ends.
func crlf(s string) string {
	if s == "" {
		return ""
	}
	return strings.ReplaceAll(s, "\n", "\r\n") + "\r\n"
}

// runPS runs a script as RUN does whose shell is PowerShell.
func runPS(t testing.TB, s *view.Scratch, script string, env ...string) (result, error) {
	t.Helper()
	return runLine(t, s, nt.CommandLine([]string{"powershell", "-NoProfile", "-Command", script}), env...)
}

// TestPowerShellFiles holds what scripts make against what is in the Scratch
// afterwards: paths with their content, "/" for a directory and "-" for none.
func TestPowerShellFiles(t *testing.T) {
	zipped := zipOf(t, "top/a.txt", "A", "top/sub/b.txt", "B")
	for _, c := range []struct {
		script string
		want   map[string]string
	}{
		{`New-Item -ItemType Directory -Path C:\x\y | Out-Null; Set-Content C:\x\y\f.txt 'one','two'`, files("x/y", "/", "x/y/f.txt", "one\r\ntwo\r\n")},
		{`mkdir a; cd a; 'x' | Out-File -Encoding ascii f.txt; Add-Content f.txt 'y'`, files("a/f.txt", "x\r\ny\r\n")},
		{`'x' > C:\u.txt`, files("u.txt", "\xff\xfex\x00\r\x00\n\x00")},
		{`Get-Item C:\none 2> C:\e.txt; cmd /c "echo said 1>&2" 2> C:\p.txt; Get-Content C:\e.txt, C:\p.txt | Set-Content C:\both.txt`, files("both.txt", "Cannot find path 'C:\\none' because it does not exist.\r\nsaid \r\n")},
		{`'x' | Set-Content -Encoding UTF8 C:\u.txt`, files("u.txt", "\xef\xbb\xbfx\r\n")},
		{`Set-Content -NoNewline -Path C:\u.txt -Value ([char]0xe9)`, files("u.txt", "\xe9")},
		{`New-Item C:\d\f.txt -Force -Value v > $null; Copy-Item C:\d C:\e -Recurse; Move-Item C:\e\f.txt C:\g.txt`, files("d/f.txt", "v", "g.txt", "v", "e", "/", "e/f.txt", "-")},
		{`mkdir C:\d, C:\e | Out-Null; 1..3 | % { New-Item "C:\d\f$_.txt" > $null }; Copy-Item C:\d\* C:\e; Remove-Item C:\d -Recurse -Force`, files("e/f1.txt", "", "e/f3.txt", "", "d", "-")},
		{`New-Item C:\d\a.txt -Force > $null; Rename-Item C:\d\a.txt b.txt; Rename-Item -Path C:\d -NewName e`, files("e/b.txt", "", "d", "-")},
		{`mkdir C:\d > $null; cd C:\d; 'a.log','b.txt','c.log' | % { ni $_ > $null }; Get-ChildItem -Filter *.log | Remove-Item; (dir).Name | Set-Content C:\list.txt`, files("list.txt", "b.txt\r\n")},
		{`New-Item C:\d\s\a.txt -Force > $null; New-Item C:\d\b.txt > $null; Get-ChildItem C:\d -Recurse -File | % FullName | Set-Content C:\list.txt`, files("list.txt", "C:\\d\\b.txt\r\nC:\\d\\s\\a.txt\r\n")},
		{`Expand-Archive C:\in.zip -DestinationPath C:\out; Move-Item C:\out\top C:\app; Remove-Item C:\out`, files("app/a.txt", "A", "app/sub/b.txt", "B", "out", "-")},
		{`Add-Type -AssemblyName System.IO.Compression.FileSystem; [IO.Compression.ZipFile]::ExtractToDirectory('C:\in.zip', 'C:\out')`, files("out/top/sub/b.txt", "B")},
		{`Compress-Archive -Path C:\in.zip -DestinationPath C:\two.zip; Expand-Archive C:\two.zip C:\o; (Get-FileHash C:\o\in.zip).Hash -eq (Get-FileHash C:\in.zip -Algorithm SHA256).Hash | Set-Content C:\r.txt`, files("r.txt", "True\r\n")},
		{`(Get-Content C:\web.config) -replace 'old', 'new' | Set-Content C:\web.config`, files("web.config", "<a>\r\n  <b k=\"new\" />\r\n</a>\r\n")},
		{`[xml]$x = Get-Content C:\web.config; $x.a.b.k = 'set'; $x.Save('C:\web.config')`, files("web.config", "<a>\r\n  <b k=\"set\" />\r\n</a>")},
		{`@{ a = @{ b = 1 } } | ConvertTo-Json | Set-Content C:\j.json`, files("j.json", "{\r\n    \"a\":  {\r\n              \"b\":  1\r\n          }\r\n}\r\n")},
		{`[IO.File]::WriteAllText('C:\t.txt', "a` + "`" + `nb"); [IO.File]::AppendAllText('C:\t.txt', 'c')`, files("t.txt", "a\nbc")},
		{`New-Item -ItemType SymbolicLink -Path C:\l.txt -Target C:\web.config > $null; (Get-Content C:\l.txt)[0] | Set-Content C:\o.txt`, files("o.txt", "<a>\r\n")},
		{`$p = Start-Process cmd -ArgumentList '/c echo hi> C:\p.txt' -Wait -PassThru; Set-Content C:\c.txt $p.ExitCode`, files("p.txt", "hi\r\n", "c.txt", "0\r\n")},
		{`Set-Content C:\s.ps1 'param($n) "got $n from $PSScriptRoot" | Set-Content C:\o.txt; exit 3'; C:\s.ps1 -n 4; Add-Content C:\o.txt $LASTEXITCODE`, files("o.txt", "got 4 from C:\\\r\n3\r\n")},
		{`mkdir C:\s > $null; Set-Content C:\s\a.ps1 '. "$PSScriptRoot\b.ps1"; hello (Split-Path -Parent $MyInvocation.MyCommand.Definition)'; ` +
			`Set-Content C:\s\b.ps1 'function hello($x) { Set-Content C:\o.txt "hello $x" }'; & C:\s\a.ps1`, files("o.txt", "hello C:\\s\r\n")},
		{`if (!(Test-Path C:\web.config)) { throw 'gone' }; if (Test-Path C:\none) { throw 'there' }; if (Test-Path C:\in.zip -PathType Container) { throw 'dir' }; echo ok > C:\ok`, files("ok", "\xff\xfeo\x00k\x00\r\x00\n\x00")},
		{`$f = Get-Item C:\web.config; $f.IsReadOnly = $true; Remove-Item C:\web.config -ErrorAction SilentlyContinue; Test-Path C:\web.config | Set-Content C:\o`, files("o", "True\r\n")},
	} {
		t.Run(c.script, func(t *testing.T) {
			s := newScratch(t)
			ts := assert{t}
			ts.check(s.WriteFile("in.zip", bytes.NewReader(zipped)))
			ts.check(s.WriteFile("web.config", strings.NewReader("<a>\r\n  <b k=\"old\" />\r\n</a>\r\n")))
			got, err := runPS(t, s, c.script)
			if err != nil || got.exit != 0 || got.err != "" {
				t.Fatalf("%v, exit code %d, errors %q", err, got.exit, got.err)
			}
			for path, want := range c.want {
				f, err := s.Resolve(path)
				switch {
				case want == "-":
					if err == nil {
						t.Errorf("%s is there", path)
					}
				case err != nil:
					t.Errorf("%s: %v", path, err)
				case want == "/":
					if !f.IsDir() {
						t.Errorf("%s is no directory", path)
					}
				default:
					if text := content(t, s, path); text != want {
						t.Errorf("%s: %q, want %q", path, text, want)
					}
				}
			}
		})
	}
}

func files(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

type assert struct{ t testing.TB }

func (a assert) check(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func zipOf(t testing.TB, pairs ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		w, err := z.Create(pairs[i])
		if err == nil {
			_, err = w.Write([]byte(pairs[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPowerShellRegistry(t *testing.T) {
	const env = `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`
	for _, c := range []struct {
		script, key string
		want        hives.Value
	}{
		{`New-Item HKLM:\SOFTWARE\Acme -Force > $null; Set-ItemProperty -Path HKLM:\SOFTWARE\Acme -Name N -Value 5`, `HKLM\SOFTWARE\Acme`, hives.DWORDValue("N", 5)},
		{`New-Item -Path 'HKLM:\\SOFTWARE\Acme\Deep' -Force | Out-Null; New-ItemProperty 'HKLM:\SOFTWARE\Acme\Deep' -Name S -Value '%x%' -PropertyType ExpandString | Out-Null`, `HKLM\SOFTWARE\Acme\Deep`, hives.ExpandValue("S", "%x%")},
		{`$k = 'Registry::HKEY_LOCAL_MACHINE\SOFTWARE\Acme'; ni $k > $null; sp $k M @('a','b') -Type MultiString; sp $k M @('c')`, `HKLM\SOFTWARE\Acme`, hives.MultiValue("M", "c")},
		{`ni HKLM:\SOFTWARE\Acme > $null; sp HKLM:\SOFTWARE\Acme Q 4294967296 -Type QWord; if ((Get-ItemProperty HKLM:\SOFTWARE\Acme).Q -ne 4gb) { exit 1 }`, `HKLM\SOFTWARE\Acme`, hives.QWORDValue("Q", 1<<32)},
		{`ni HKLM:\SOFTWARE\Acme > $null; sp HKLM:\SOFTWARE\Acme B ([byte[]](1,2,255))`, `HKLM\SOFTWARE\Acme`, hives.BinaryValue("B", []byte{1, 2, 255})},
		{`ni HKLM:\SOFTWARE\Acme\One -Force > $null; ni HKLM:\SOFTWARE\Acme\Two > $null; (gci HKLM:\SOFTWARE\Acme).PSChildName -join ',' | % { sp HKLM:\SOFTWARE\Acme L $_ }`, `HKLM\SOFTWARE\Acme`, hives.StringValue("L", "One,Two")},
		{`$env:PATH = 'C:\a'; [Environment]::SetEnvironmentVariable('PATH', $env:PATH + ';C:\tools', [EnvironmentVariableTarget]::Machine)`, env, hives.StringValue("Path", `C:\a;C:\tools`)},
		{`setx /M JAVA_HOME C:\jdk`, env, hives.StringValue("JAVA_HOME", `C:\jdk`)},
		{`ni HKLM:\SOFTWARE\Acme > $null; sp HKLM:\SOFTWARE\Acme Old 1; ni HKLM:\SOFTWARE\Acme -Force > $null; sp HKLM:\SOFTWARE\Acme New ([bool](gp HKLM:\SOFTWARE\Acme).Old)`, `HKLM\SOFTWARE\Acme`, hives.StringValue("New", "False")},
	} {
		t.Run(c.script, func(t *testing.T) {
			s := newScratch(t)
			got, err := runPS(t, s, c.script)
			if err != nil || got.exit != 0 || got.err != "" {
				t.Fatalf("%v, exit code %d, errors %q", err, got.exit, got.err)
			}
			k, err := s.Registry().Key(c.key)
			if err != nil {
				t.Fatal(err)
			}
			v, err := k.Value(c.want.Name)
			if err != nil || !v.Same(c.want) {
				t.Errorf("%v %v, want %v", v, err, c.want)
			}
		})
	}
}

// TestPowerShellWeb downloads, as three in four Dockerfiles of Windows do.
func TestPowerShellWeb(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/tool.zip":
			_, _ = w.Write(zipOf(t, "bin/tool.txt", "tool"))
		case "/moved":
			http.Redirect(w, r, "/tool.zip", http.StatusFound)
		case "/json":
			fmt.Fprintf(w, `{"agent": %q, "token": %q}`, r.UserAgent(), r.Header.Get("X-Token"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	for _, c := range []struct {
		script string
		exit   uint32
		out    string
	}{
		{`Invoke-WebRequest -UseBasicParsing -Uri "$env:SITE/moved" -OutFile tool.zip; Expand-Archive tool.zip -DestinationPath C:\tool; Remove-Item tool.zip -Force; Get-Content C:\tool\bin\tool.txt`, 0, "tool"},
		{`[Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12; (New-Object System.Net.WebClient).DownloadFile("$env:SITE/tool.zip", 'C:\t.zip'); (Get-Item C:\t.zip).Length -gt 100`, 0, "True"},
		{`(Invoke-RestMethod $env:SITE/json -Headers @{ 'X-Token' = 'abc' } -UserAgent me).token`, 0, "abc"},
		{`((iwr "$env:SITE/json").Content | ConvertFrom-Json).agent -like '*PowerShell*'`, 0, "True"},
		{`$ErrorActionPreference = 'Stop'; iwr $env:SITE/none -OutFile x; 'not reached'`, 1, ""},
		{`try { iwr $env:SITE/none -OutFile x } catch { 'caught' }`, 0, "caught"},
	} {
		t.Run(c.script, func(t *testing.T) {
			s := newScratch(t)
			e, err := offline.Environment(s.Registry(), "", "SITE="+server.URL)
			if err != nil {
				t.Fatal(err)
			}
			var out, errOut bytes.Buffer
			exit, err := offline.Run(t.Context(), offline.Options{Scratch: s, Env: e, Stdout: &out, Stderr: &errOut, Web: server.Client()},
				nt.CommandLine([]string{"powershell", "-Command", c.script}))
			if err != nil || exit != c.exit || out.String() != crlf(c.out) {
				t.Errorf("%v, exit code %d, %q, errors %q", err, exit, out.String(), errOut.String())
			}
		})
	}
}

// TestPowerShellUnknown holds that what is not known ends the build and names the
// thing and its place.
func TestPowerShellUnknown(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{"'a'\n  Install-WindowsFeature Web-Server", "line 2, column 3"},
		{`Get-Service w3svc`, "running services"},
		{`[System.Drawing.Bitmap]::FromFile('x')`, "[drawing.bitmap]::FromFile"},
		{`Get-Item C:\ -Stream x`, "Get-Item -Stream"},
		{`'x'.Normalize()`, ".Normalize()"},
		{`(Get-Item C:\).VersionInfo`, ".VersionInfo"},
		{`if (1) { 'a'`, "line 1"},
		{`$x = Get-Item C:\ > C:\out.txt`, "layout"},
		{`Get-Random`, "every build another"},
		{`class A { }`, "class"},
	} {
		_, err := runPS(t, newScratch(t), c.script)
		var unsupported *offline.UnsupportedError
		if !errors.As(err, &unsupported) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.script, err, c.want)
		}
	}
}

// TestPowerShellExit holds the exit codes of powershell.exe.
func TestPowerShellExit(t *testing.T) {
	for _, c := range []struct {
		script string
		exit   uint32
		err    string
	}{
		{`exit 7`, 7, ""},
		{`throw 'no'`, 1, "no"},
		{`cmd /c exit 5`, 1, ""},
		{`cmd /c exit 5; exit $LASTEXITCODE`, 5, ""},
		{`Get-Item C:\none; 'fine'`, 0, "Cannot find path"},
		{`$ErrorActionPreference = 'Stop'; Get-Item C:\none; 'not reached'`, 1, "Cannot find path"},
		{`[int]'x'; 'goes on'`, 0, "Cannot convert"},
		{`$ErrorActionPreference = 'Stop'; [int]'x'; 'not reached'`, 1, "Cannot convert"},
		{`Write-Error 'oops'`, 1, "oops"},
		{`try { Copy-Item C:\Windows\System32\none C:\no\x; Set-Content C:\no\x 1 } catch { exit 8 }; exit 2`, 2, "Could not find a part"},
		{`try { Set-Content C:\no\x 1 -ErrorAction Stop } catch { exit 8 }`, 8, ""},
		{`Set-Content C:\no\x 1 -ErrorAction Ignore; exit 4`, 4, ""},
		{`$ErrorActionPreference = 'Stop'; iwr http://example.com/x -ErrorAction SilentlyContinue; 'not reached'`, 1, "could not be resolved"},
		{`function f { throw 'deep' }; try { f } catch { exit 9 }`, 9, ""},
	} {
		got, err := runPS(t, newScratch(t), c.script)
		if err != nil || got.exit != c.exit || !strings.Contains(got.err, c.err) || c.err == "" && got.err != "" || strings.Contains(got.out, "not reached") {
			t.Errorf("%s: %v, exit code %d, want %d; output %q, errors %q", c.script, err, got.exit, c.exit, got.out, got.err)
		}
	}
}

// TestPowerShellHostile holds that a script can neither leave C:\ nor take what the
// build has not got.
func TestPowerShellHostile(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`while (1) { }`, "too many steps|" + context.DeadlineExceeded.Error()}, // whichever comes first
		{`while (1) { Get-ChildItem C:\\ -Recurse > $null }`, context.DeadlineExceeded.Error()},
		{`function f { f }; f`, "call depth"},
		{`$a = @(1); while (1) { $a += $a }`, "10,000,000"},
		{`$s = 'x'; while (1) { $s += $s }`, "256 MiB"},
		{`'x' * 2147483647`, "256 MiB"},
		{`1..999999999`, "10,000,000"},
		{`iex ('(' * 100000)`, "nested too deeply"},
		{`iex ('echo ' + '$(echo ' * 60 + 'a' + ')b' * 60)`, "too intricate"},
		{`Set-Content ..\..\..\etc\x 1; Set-Content C:\..\..\y 1; if ((dir C:\ -Name) -notcontains 'y') { exit 3 }; throw 'in C:'`, "in C:"},
		{`Set-Content \\server\share\x 1`, "server"},
		{`[IO.File]::ReadAllText('/etc/passwd')`, "Could not find"},
		{`Get-Content D:\x`, "D:"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		var errOut bytes.Buffer
		s := newScratch(t)
		e, err := offline.Environment(s.Registry(), "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = offline.Run(ctx, offline.Options{Scratch: s, Env: e, Stderr: &errOut}, nt.CommandLine([]string{"powershell", "-Command", c.script}))
		cancel()
		said := fmt.Sprint(err, errOut.String())
		if !slices.ContainsFunc(strings.Split(c.want, "|"), func(want string) bool { return strings.Contains(said, want) }) {
			t.Errorf("%s: %v, errors %q, want %q in it", c.script, err, errOut.String(), c.want)
		}
	}
}

// FuzzPowerShell holds that no script makes the interpreter panic, hang or leave the
// Scratch.
func FuzzPowerShell(f *testing.F) {
	for _, script := range []string{
		`$a = 1..3 | ? { $_ -gt 1 }; "$a $($a.Count)" -f 1`, `try { throw 'x' } catch { $_.Exception.Message } finally { 1 }`,
		`function f([int]$x = 3, [switch]$s) { if ($s) { $x } else { -$x } }; f -x 0x10 -s`, "@'\n'@", `@{a=1;b=@(1,2)} | ConvertTo-Json -Depth 3`,
		`[xml]$x='<a b="c"><d/></a>'; $x.a.SelectSingleNode('d[1]')`, `'a,b' -split ',' -join ';' -replace '(.)','$1$$'`, `Get-ChildItem C:\ -Recurse | % FullName | Select -First 3`,
		`switch -regex ('ab') { '^a' { $Matches[0]; break } default { } }`, `ni HKLM:\SOFTWARE\A -Force; sp HKLM:\SOFTWARE\A v 1; gp HKLM:\SOFTWARE\A`, `& { param($x) $x * 2 } 4; $x = "${env:PATH}"; $x[0..2]`,
		`cmd /c echo hi 2>&1 | Out-File x -Encoding ascii; Get-Content x`, `[Environment]::SetEnvironmentVariable('a','b','Machine'); [math]::Round(1.55,1); '{0,5:N2}' -f 3`,
	} {
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script string) {
		s := newScratch(t)
		e, err := offline.Environment(s.Registry(), "")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, _ = offline.Run(ctx, offline.Options{Scratch: s, Env: e}, nt.CommandLine([]string{"powershell", "-Command", script}))
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("it went on for %v after its time was up", took)
		}
	})
}

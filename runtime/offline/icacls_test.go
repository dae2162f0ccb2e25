package offline_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline"
)

// TestIcacls holds the descriptors that icacls and takeown leave, as SDDL.
func TestIcacls(t *testing.T) {
	for _, c := range []struct {
		line string
		path string
		want []string // in the SDDL
		not  []string
	}{
		{`icacls C:\d /grant Users:(OI)(CI)F`, "d", []string{"(A;OICI;FA;;;BU)", "ID"}, nil},
		{`icacls C:\d /grant Users:(OI)(CI)F`, "d/sub/f.txt", []string{"(A;ID;FA;;;BU)"}, nil},
		{`icacls C:\d /grant "Users:(OI)(CI)M" /grant Everyone:RX`, "d/f.txt", []string{"(A;ID;0x1301bf;;;BU)"}, []string{";;;WD)"}},
		{`icacls C:\d /grant Everyone:R && icacls C:\d /grant Everyone:W`, "d", []string{"(A;;0x12019f;;;WD)"}, nil},
		{`icacls C:\d /grant Everyone:F && icacls C:\d /grant:r Everyone:R`, "d", []string{"(A;;FR;;;WD)"}, []string{"FA;;;WD"}},
		{`icacls C:\d /grant *S-1-5-32-545:R /deny Everyone:W`, "d", []string{"D:AI(D;;0x100116;;;WD)(A;;FR;;;BU)("}, nil},
		{`icacls C:\d /inheritance:r /grant:r Administrators:(OI)(CI)F`, "d", []string{"D:PAI(A;OICI;FA;;;BA)"}, []string{"ID;"}},
		{`icacls C:\d /inheritance:r /grant:r Administrators:(OI)(CI)F`, "d/f.txt", []string{"D:AI(A;ID;FA;;;BA)"}, []string{"BU"}},
		{`icacls C:\d /inheritance:d`, "d", []string{"D:PAI(A;"}, []string{"ID;"}},
		{`icacls C:\d /grant Everyone:F /T && icacls C:\d /reset /T /C /Q`, "d/sub/f.txt", []string{"D:AI("}, []string{"WD)"}},
		{`icacls C:\d /grant Everyone:F /T`, "d/sub/f.txt", []string{"(A;;FA;;;WD)"}, nil},
		{`icacls C:\d /grant Everyone:F && icacls C:\d /remove Everyone`, "d", nil, []string{"WD)"}},
		{`icacls C:\d\*.txt /setowner Users`, "d/f.txt", []string{"O:BU"}, nil},
		{`powershell -Command $acl = Get-Acl C:\d; $rule = New-Object System.Security.AccessControl.FileSystemAccessRule('Users', 'FullControl', 'ContainerInherit,ObjectInherit', 'None', 'Allow'); $acl.SetAccessRule($rule); Set-Acl C:\d $acl`,
			"d/sub/f.txt", []string{"(A;ID;FA;;;BU)"}, nil},
		{`powershell -Command $acl = Get-Acl C:\d; $acl.SetAccessRuleProtection($true, $false); $acl.AddAccessRule((New-Object Security.AccessControl.FileSystemAccessRule 'Administrators','Modify','Allow')); $acl ^| Set-Acl C:\d`,
			"d", []string{"D:PAI(A;;0x1301bf;;;BA)"}, []string{"ID;"}},
		{`takeown /F C:\d /R /A /D Y`, "d/sub/f.txt", []string{"O:BA"}, nil},
	} {
		s := newScratch(t)
		ts := assert{t}
		ts.check(s.MkdirAll("d/sub"))
		for _, f := range []string{"d/f.txt", "d/sub/f.txt"} {
			ts.check(s.WriteFile(f, strings.NewReader("x")))
		}
		r, err := runLine(t, s, `cmd /S /C `+c.line)
		if err != nil || r.exit != 0 {
			t.Errorf("%s: %v, exit code %d, %s%s", c.line, err, r.exit, r.out, r.err)
			continue
		}
		f, err := s.Lookup(c.path)
		ts.check(err)
		sd, err := nt.ParseSD(f.Entry.SD)
		ts.check(err)
		text := sd.SDDL()
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %s is %s, want %s in it", c.line, c.path, text, want)
			}
		}
		for _, not := range c.not {
			if strings.Contains(text, not) {
				t.Errorf("%s: %s is %s, with %s", c.line, c.path, text, not)
			}
		}
	}
	for line, want := range map[string]string{
		`icacls C:\d /save acl.txt`:      "/save",
		`icacls C:\d`:                    "listing",
		`icacls C:\d /grant someone:F`:   "someone",
		`icacls C:\d /setintegritylevel`: "/setintegritylevel",
	} {
		_, err := runLine(t, newScratch(t), line)
		var unsupported *offline.UnsupportedError
		if !errors.As(err, &unsupported) || !strings.Contains(unsupported.Why, want) {
			t.Errorf("%s: %v", line, err)
		}
	}
	if r, err := runLine(t, newScratch(t), `icacls C:\none /reset`); err != nil || r.exit != 2 || !strings.Contains(r.out, "Failed processing 1 files") {
		t.Errorf("of a file that is not there: %v, exit code %d, %q", err, r.exit, r.out)
	}
	if r, err := runLine(t, newScratch(t), `icacls C:\ /grant Users:Z`); err != nil || r.exit != 87 {
		t.Errorf("of rights that are none: %v, exit code %d", err, r.exit)
	}
}

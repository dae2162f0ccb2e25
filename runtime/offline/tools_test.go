package offline_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/layers/view"
	"github.com/mullion/mullion/runtime/offline"
)

func TestTools(t *testing.T) {
	tests := []struct {
		line  string
		exit  uint32
		out   string            // with | for line ends; * for any
		files map[string]string // as in TestCmd
	}{
		{`where run.cmd`, 0, `C:\bin\run.cmd|`, nil},
		{`where /q run`, 0, "", nil},
		{`where nope`, 1, "INFO: Could not find files for the given pattern(s).|", nil},
		{`timeout /t 5 /nobreak`, 0, "", nil},
		{`timeout x`, 1, "ERROR: Invalid value for timeout specified. Valid range is 0-99999 seconds.|", nil},
		{`ping -n 3 127.0.0.1`, 0, "", nil},
		{`whoami`, 0, `user manager\containeradministrator|`, nil},
		{`attrib +r +h d\a.txt & attrib d\a.txt`, 0, `A   HR               C:\d\a.txt|`, nil},
		{`attrib +r d\*.txt /s & del d\a.txt`, 1, "unsupported", nil},
		{`attrib +h d\a.txt & attrib -h -a d\*.* & attrib d\a.txt`, 0, `                     C:\d\a.txt|`, nil},
		{`attrib nope`, 0, `File not found - nope|`, nil},
		{`xcopy /e /i /y /q d out`, 0, "3 File(s) copied|", map[string]string{"out/a.txt": "alpha\r\n", "out/sub/c.txt": "gamma\r\n", "out/empty": "/"}},
		{`xcopy /s /i /q d out`, 0, "3 File(s) copied|", map[string]string{"out/empty": "-", "out/sub": "/"}},
		{`xcopy /q d\a.txt bin\`, 0, "1 File(s) copied|", map[string]string{"bin/a.txt": "alpha\r\n"}},
		{`xcopy d\a.txt new.txt`, 1, "unsupported", nil},
		{`echo f|xcopy /y d\a.txt new.txt`, 0, "1 File(s) copied|", map[string]string{"new.txt": "alpha\r\n"}},
		{`xcopy nope out /i`, 4, "File not found - nope|0 File(s) copied|", nil},
		{`robocopy d out /e /njh /njs`, 1, "", map[string]string{"out/sub/c.txt": "gamma\r\n", "out/empty": "/"}},
		{`robocopy d out *.log`, 1, "", map[string]string{"out/b.log": "beta\r\n", "out/a.txt": "-"}},
		{`md out & echo x>out\old& robocopy d out /mir /xd sub /xf *.log`, 3, "", map[string]string{"out/old": "-", "out/a.txt": "alpha\r\n", "out/sub": "-", "out/b.log": "-"}},
		{`md out & robocopy out empty`, 0, "", nil},
		{`robocopy nope out`, 16, "*", nil},
		{`robocopy d out /mov`, 1, "", map[string]string{"d/a.txt": "-", "out/a.txt": "alpha\r\n", "d/sub/c.txt": "gamma\r\n"}},
		{`find "lph" d\a.txt`, 0, "|---------- D\\A.TXT|alpha|", nil},
		{`type d\a.txt | find /i "LPH"`, 0, "alpha|", nil},
		{`find /c "a" < d\a.txt`, 0, "1|", nil},
		{`type d\a.txt | find "zzz"`, 1, "", nil},
		{`findstr /n "ph ga" d\*.txt`, 0, `d\a.txt:1:alpha|`, nil},
		{`findstr /c:"al" d\a.txt`, 0, "alpha|", nil},
		{`findstr /r "^a.*a$" d\a.txt`, 0, "alpha|", nil},
		{`findstr /v /i ALPHA d\a.txt`, 1, "", nil},
		{`findstr /x alp d\a.txt`, 1, "", nil},
		{`certutil -hashfile d\a.txt SHA256`, 0, "SHA256 hash of d\\a.txt:|4a31f8a329cdbbab944056fc992eeb5ab5c0b4a78c3bc34e6d7c4a59fd6cf3b6|CertUtil: -hashfile command completed successfully.|", nil},
		{`tar -xf t.tgz`, 0, "", map[string]string{"top/x.txt": "x", "top/in/y.txt": "y"}},
		{`tar xzf t.tgz -C bin --strip-components=1`, 0, "", map[string]string{"bin/x.txt": "x", "bin/in/y.txt": "y"}},
		{`tar -xf z.zip -C bin a\b.txt`, 0, "", map[string]string{"bin/a/b.txt": "zipped", "bin/c.txt": "-"}},
		{`tar -xvf z.zip --exclude c.txt`, 0, "x a/b.txt|", map[string]string{"a/b.txt": "zipped", "c.txt": "-"}},
		{`tar -xf evil.tar`, 1, "tar: ../evil.txt: it leads out of the folder|tar: Error exit delayed from previous errors.|", nil},
		{`tar -xf link.tar`, 1, "tar: l/x.txt: C:\\l is in its way and is no folder|tar: Error exit delayed from previous errors.|", nil},
		{`tar -xf nope.tar`, 1, "tar: Error opening archive: Failed to open 'nope.tar'|", nil},
		{`tar -cf a.tar d`, 1, "unsupported", nil},
		{`curl -fsSLo got.txt http://WEB/moved`, 0, "", map[string]string{"got.txt": "payload"}},
		{`curl -s -O http://WEB/file.txt`, 0, "", map[string]string{"file.txt": "payload"}},
		{`curl --fail -sS http://WEB/missing -o x`, 22, "curl: (22) The requested URL returned error: 404|", map[string]string{"x": "-"}},
		{`curl -s --create-dirs --output n/e/w http://WEB/file.txt`, 0, "", map[string]string{"n/e/w": "payload"}},
		{`curl -s --retry 2 http://WEB/flaky`, 0, "payload", nil},
		{`curl -sS -H "X-Token: t" http://WEB/token`, 0, "t", nil},
		{`curl -sS http://127.0.0.1:1/ -o x`, 7, "*", nil},
		{`curl -k https://x`, 1, "unsupported", nil},
		{`sc create Acme binPath= "C:\acme.exe -s" start= auto DisplayName= "Acme Service"`, 0, "[SC] CreateService SUCCESS|", nil},
		{`sc config Acme start=demand`, 1060, "*", nil},
		{`sc query Acme`, 1060, "*", nil},
	}
	web := newWeb(t)
	for _, test := range tests {
		t.Run(test.line, func(t *testing.T) {
			s := newScratch(t)
			fill(t, s)
			line := strings.ReplaceAll(test.line, "http://WEB", web.URL)
			env, err := offline.Environment(s.Registry(), "", `PATH=C:\Windows\System32;C:\bin`)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			exit, err := offline.Run(t.Context(), offline.Options{Scratch: s, Env: env, Stdout: &out, Stderr: &out, Web: web.Client()}, "cmd /S /C "+line)
			var unsupported *offline.UnsupportedError
			if test.out == "unsupported" {
				if !errors.As(err, &unsupported) {
					t.Fatalf("%v, %q", err, out.String())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(out.String(), "\r\n", "|")
			if exit != test.exit || (text != test.out && test.out != "*") {
				t.Errorf("exit code %d, want %d\ngot  %q\nwant %q", exit, test.exit, text, test.out)
			}
			for path, want := range test.files {
				f, err := s.Lookup(path)
				switch {
				case want == "-":
					if err == nil {
						t.Errorf("%s is there", path)
					}
				case err != nil:
					t.Error(err)
				case want == "/":
					if !f.IsDir() {
						t.Errorf("%s is no directory", path)
					}
				case content(t, s, path) != want:
					t.Errorf("%s holds %q, want %q", path, content(t, s, path), want)
				}
			}
		})
	}
}

// fill puts the files of TestTools into a Scratch.
func fill(t *testing.T, s *view.Scratch) {
	write(t, s, map[string]string{"d/a.txt": "alpha\n", "d/b.log": "beta\n", "d/sub/c.txt": "gamma\n", "bin/run.cmd": "@echo ran\n"})
	for _, dir := range []string{"d/empty", "empty"} {
		if err := s.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	for name, b := range map[string][]byte{
		"t.tgz":    tarball(t, true, tar.Header{Name: "top/", Typeflag: tar.TypeDir}, tar.Header{Name: "top/x.txt"}, tar.Header{Name: "top/in/y.txt"}),
		"evil.tar": tarball(t, false, tar.Header{Name: "../evil.txt"}),
		"link.tar": tarball(t, false, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: `C:\Windows`}, tar.Header{Name: "l/x.txt"}),
		"z.zip":    zipball(t, "a/b.txt", "c.txt"),
	} {
		if err := s.WriteFile(name, bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
	}
}

// tarball packs files, each with the first letter of its name's last part.
func tarball(t *testing.T, compress bool, members ...tar.Header) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, hdr := range members {
		text := ""
		if hdr.Typeflag == 0 {
			text = hdr.Name[strings.LastIndexByte(hdr.Name, '/')+1:][:1]
			hdr.Size = int64(len(text))
		}
		hdr.Mode = 0o644
		if err := w.WriteHeader(&hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !compress {
		return b.Bytes()
	}
	var z bytes.Buffer
	g := gzip.NewWriter(&z)
	if _, err := g.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

func zipball(t *testing.T, names ...string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("zipped")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// newWeb serves what TestTools downloads.
func newWeb(t *testing.T) *httptest.Server {
	flaky := 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := "payload"
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/file.txt", http.StatusFound)
			return
		case "/missing":
			http.NotFound(w, r)
			return
		case "/flaky":
			if flaky++; flaky%2 == 1 {
				http.Error(w, "later", http.StatusServiceUnavailable)
				return
			}
		case "/token":
			text = r.Header.Get("X-Token")
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(web.Close)
	return web
}

// A service is its key of the registry.
func TestServices(t *testing.T) {
	s := newScratch(t)
	const key = `HKLM\SYSTEM\CurrentControlSet\Services\Acme`
	for _, line := range []string{
		`sc create Acme binPath= "C:\acme.exe -s" start= delayed-auto depend= Tcpip/Afd`, `sc description Acme "does things"`, `sc config Acme start= disabled obj= "NT AUTHORITY\LocalService"`,
	} {
		if got, err := runLine(t, s, line); err != nil || got.exit != 0 {
			t.Fatalf("%s: %+v, %v", line, got, err)
		}
	}
	k, err := s.Registry().Key(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []hives.Value{
		hives.ExpandValue("ImagePath", `C:\acme.exe -s`), hives.DWORDValue("Start", 4), hives.DWORDValue("Type", 16), hives.DWORDValue("ErrorControl", 1),
		hives.StringValue("ObjectName", `NT AUTHORITY\LocalService`), hives.StringValue("Description", "does things"), hives.MultiValue("DependOnService", "Tcpip", "Afd"),
	} {
		got, err := k.Value(want.Name)
		if err != nil || got.Type != want.Type || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("%s is %v %q (%v), want %v %q", want.Name, got.Type, got.Data, err, want.Type, want.Data)
		}
	}
	if got, err := runLine(t, s, `sc create ACME binpath= x`); err != nil || got.exit != 1073 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := runLine(t, s, `sc delete Acme`); err != nil || got.exit != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.Registry().Key(key); err == nil {
		t.Error("the service is still there")
	}
}

// Without a network a download fails as on a machine that has none.
func TestNoNetwork(t *testing.T) {
	s := newScratch(t)
	got, err := runLine(t, s, `curl -fsSo x http://example.test/x`)
	if err != nil || got.exit != 6 || !strings.Contains(got.err, "--network=none") {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestRegText holds that what reg exports it imports again, and that a .reg file changes what it says.
func TestRegText(t *testing.T) {
	s := newScratch(t)
	ts := assert{t}
	ts.check(s.WriteFile("in.reg", strings.NewReader("Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Acme]\r\n\"N\"=dword:00000005\r\n@=\"x\"\r\n\r\n"+
		"[HKEY_CURRENT_USER\\Software\\Acme]\r\n\"Mine\"=\"yes\"\r\n")))
	for _, c := range []struct {
		line string
		exit uint32
		out  string
	}{
		{`reg import C:\in.reg`, 0, ""},
		{`reg query HKLM\SOFTWARE\Acme /v N`, 0, "0x5"},
		{`reg query HKCU\Software\Acme /v Mine`, 0, "yes"},
		{`reg export HKLM\SOFTWARE\Acme C:\out.reg`, 0, "completed"},
		{`reg export HKLM\SOFTWARE\Acme C:\out.reg`, 1, "Overwrite"},
		{`reg export HKLM\SOFTWARE\Acme C:\out.reg /y`, 0, "completed"},
		{`reg delete HKLM\SOFTWARE\Acme /f`, 0, "completed"},
		{`regedit /s C:\out.reg`, 0, ""},
		{`reg query HKLM\SOFTWARE\Acme /v N`, 0, "0x5"},
		{`reg import C:\in.reg /reg:32`, 0, ""},
		{`reg query HKLM\SOFTWARE\WOW6432Node\Acme /v N`, 0, "0x5"},
		{`reg import C:\none.reg`, 1, ""},
		{`reg export HKLM\SOFTWARE\None C:\x.reg`, 1, ""},
	} {
		r, err := runLine(t, s, c.line)
		if err != nil || r.exit != c.exit || !strings.Contains(r.out, c.out) {
			t.Errorf("%s: %v, exit code %d, %q, %q", c.line, err, r.exit, r.out, r.err)
		}
	}
	ts.check(s.WriteFile("bad.reg", strings.NewReader("Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\HARDWARE\\X]\r\n")))
	if _, err := runLine(t, s, `reg import C:\bad.reg`); err == nil || !strings.Contains(err.Error(), `HKLM\HARDWARE`) {
		t.Errorf("a key outside of the image: %v", err)
	}
}

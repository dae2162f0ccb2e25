package solve

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"
)

var testSecrets = map[string][]byte{
	"token": []byte("hunter2-hunter3\n"),
	"part":  []byte("hunter2"),
	"key":   []byte("-----BEGIN-----\r\nabcdef\r\nxy\r\n-----END-----\r\n"),
	"short": []byte("abc"),
}

func TestMasking(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "",
		"nothing here":                    "nothing here",
		"a hunter2-hunter3.":              "a ***.",
		"hunter2-hunterX":                 "***-hunterX",
		"hunter2hunter2":                  "******",
		"hunhunter2":                      "hun***",
		"ends with hunte":                 "ends with hunte",
		"key abcdef\n":                    "key ***\n",
		"abc is too short, xy too":        "abc is too short, xy too",
		"-----BEGIN-----\r\nabcdef\r\nxy": "***\r\n***\r\nxy",
		string(testSecrets["key"]):        "***\r\n",
	} {
		for size := 1; size <= len(in)+1; size++ {
			var out bytes.Buffer
			m := newMasking(&out, testSecrets)
			for rest := []byte(in); len(rest) > 0; rest = rest[min(size, len(rest)):] {
				if n, err := m.Write(rest[:min(size, len(rest))]); err != nil || n != min(size, len(rest)) {
					t.Fatal(n, err)
				}
			}
			if err := m.Close(); err != nil || out.String() != want {
				t.Errorf("%q in pieces of %d: %q, %v, want %q", in, size, out.String(), err, want)
			}
		}
	}
	// What can be no secret is not held back.
	var out bytes.Buffer
	if _, err := newMasking(&out, testSecrets).Write([]byte("50 %")); err != nil || out.String() != "50 %" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestHide(t *testing.T) {
	plain := errors.New("no such host")
	if hide(nil, testSecrets) != nil || hide(plain, testSecrets) != plain {
		t.Error("an error without a secret is another one")
	}
	err := hide(&fs.PathError{Op: "get", Path: "https://hunter2@example", Err: fs.ErrNotExist}, testSecrets)
	if err.Error() != "get https://***@example: file does not exist" || !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

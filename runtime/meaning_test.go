package runtime

import "testing"

func TestMeaning(t *testing.T) {
	for code, want := range map[uint32]string{0: "", 42: "", 3010: "success, a restart is required", 0xC0000135: "DLL not found"} {
		if got := Meaning(code); got != want {
			t.Errorf("Meaning(%#x) = %q, want %q", code, got, want)
		}
	}
}

package wine

import (
	"bytes"
	"debug/pe"
	"strings"
	"testing"
)

func TestShimIsALibraryWithOneForwardedExport(t *testing.T) {
	b := shim()
	f, err := pe.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	opt, ok := f.OptionalHeader.(*pe.OptionalHeader64)
	if !ok || f.Machine != pe.IMAGE_FILE_MACHINE_AMD64 || f.Characteristics&pe.IMAGE_FILE_DLL == 0 {
		t.Fatalf("machine %#x, characteristics %#x", f.Machine, f.Characteristics)
	}
	dir := opt.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT]
	sec := f.Section(".edata")
	if sec == nil || dir.VirtualAddress != sec.VirtualAddress {
		t.Fatalf("export directory at %#x, section %+v", dir.VirtualAddress, sec)
	}
	data, err := sec.Data()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Split(strings.TrimRight(string(data[50:]), "\x00"), "\x00")
	want := []string{"bcryptprimitives.dll", "ProcessPrng", "advapi32.SystemFunction036"}
	if strings.Join(text, "|") != strings.Join(want, "|") {
		t.Errorf("strings %q, want %q", text, want)
	}
	if !bytes.Equal(b, shim()) {
		t.Error("not the same bytes twice")
	}
}

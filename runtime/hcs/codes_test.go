package hcs

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/mullion/mullion/runtime"
)

// layerError is an error as hcsshim wraps them.
func layerError(code uint32) error {
	return fmt.Errorf("hcsshim::PrepareLayer: %w", syscall.Errno(code))
}

func TestExplain(t *testing.T) {
	tests := []struct {
		code uint32
		want string
	}{
		{0xc0370101, "--isolation=hyperv"},
		{0xc0370106, "ended while it started"},
		{0xc0370112, "format"},
		{0xc0351000, "no hypervisor"},
		{0x3f1, "hive"},
		{0x3, "folder is missing"},
		{0xb7, "already"},
		{0x52e, "--user"},
		{0x569, "--user"},
		{0x5, "administrator"},
		{0x999, "start container (0x999)"}, // unknown codes keep the number and the text
	}
	for _, test := range tests {
		err := explain("start container", layerError(test.code))
		if !strings.HasPrefix(err.Error(), "start container") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("code %#x: %v, want %q", test.code, err, test.want)
		}
		if !errors.Is(err, syscall.Errno(test.code)) {
			t.Errorf("code %#x: the cause is lost", test.code)
		}
	}
	if explain("x", nil) != nil {
		t.Error("explain made an error of nil")
	}
	if err := explain("x", errors.New("plain")); err.Error() != "x: plain" {
		t.Errorf("explain = %v", err)
	}
}

func TestProgramError(t *testing.T) {
	var missing *runtime.NotFoundError
	if err := programError("x.exe", layerError(0x2)); !errors.As(err, &missing) || missing.Program != "x.exe" {
		t.Errorf("code 2: %v", err)
	}
	for _, code := range []uint32{0xc1, 0xd8} {
		if err := programError("x.txt", layerError(code)); !errors.Is(err, runtime.ErrCannotInvoke) {
			t.Errorf("code %#x: %v", code, err)
		}
	}
	if err := programError("x.exe", layerError(0x52e)); runtime.ExitCode(err) != runtime.ExitOurs {
		t.Errorf("a bad user: %v", err)
	}
}

func TestUnlessGone(t *testing.T) {
	for _, code := range []uint32{0xc0370103, 0xc037010e, 0xc0370110, 0x8037011f, 0x490, 0x2, 0x3} {
		if err := unlessGone("stop", layerError(code)); err != nil {
			t.Errorf("code %#x: %v", code, err)
		}
	}
	if err := unlessGone("stop", layerError(0x5)); err == nil {
		t.Error("access denied was dropped")
	}
}

func TestRequirements(t *testing.T) {
	whole := host{Build: 20348, Elevated: true, Containers: true, HyperV: true}
	for _, iso := range []runtime.Isolation{runtime.ProcessIsolation, runtime.HyperVIsolation} {
		if err := whole.probe(iso); err != nil {
			t.Errorf("%s on a host with all: %v", iso, err)
		}
	}
	tests := []struct {
		h    host
		iso  runtime.Isolation
		want string
	}{
		{host{Build: 10240, Elevated: true, Containers: true, HyperV: true}, runtime.ProcessIsolation, "Windows is missing"},
		{host{Build: 20348, Containers: true}, runtime.ProcessIsolation, "elevated"},
		{host{Build: 20348, Elevated: true}, runtime.ProcessIsolation, "-FeatureName Containers"},
		{host{Build: 20348, Elevated: true, Containers: true}, runtime.ProcessIsolation, ""},
		{host{Build: 20348, Elevated: true, Containers: true}, runtime.HyperVIsolation, "Hyper-V is missing"},
	}
	for _, test := range tests {
		err := test.h.probe(test.iso)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v, %s: %v, want %q", test.h, test.iso, err, test.want)
		}
	}
}

package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

type probed struct {
	name string
	iso  Isolation
	err  error
}

func (p probed) Name() string                               { return p.name }
func (p probed) Isolation() Isolation                       { return p.iso }
func (p probed) Probe(context.Context) error                { return p.err }
func (p probed) Requirements(context.Context) []Requirement { return nil }
func (p probed) Start(context.Context, *Spec) (Process, error) {
	return nil, errors.New("not in this test")
}

func TestSelect(t *testing.T) {
	oci := probed{"oci", ProcessIsolation, nil}
	noRunc := probed{"oci", ProcessIsolation, errors.New("runc is missing: apt install runc")}
	vm := probed{"microvm", HyperVIsolation, nil}
	noQEMU := probed{"microvm", HyperVIsolation, errors.New("QEMU is missing: apt install qemu-system-x86")}
	tests := []struct {
		want    Isolation
		have    []Runtime
		picked  string
		says    []string
		saysNot string
	}{
		{AutoIsolation, []Runtime{vm, oci}, "oci", []string{"process isolation by oci"}, "hyperv"},
		{AutoIsolation, []Runtime{noRunc, vm}, "microvm", []string{"hyperv isolation by microvm", "runc is missing"}, ""},
		{AutoIsolation, []Runtime{noRunc, noQEMU}, "", []string{"apt install runc", "apt install qemu-system-x86"}, ""},
		{ProcessIsolation, []Runtime{noRunc, vm}, "", []string{"apt install runc"}, "QEMU"},
		{HyperVIsolation, []Runtime{oci, vm}, "microvm", []string{"as asked"}, ""},
		{HyperVIsolation, []Runtime{oci}, "", []string{"no runtime for hyperv isolation"}, ""},
		{AutoIsolation, nil, "", []string{"Linux and Windows"}, ""},
	}
	for _, test := range tests {
		r, why, err := Select(t.Context(), test.want, test.have...)
		picked, text := "", why
		if r != nil {
			picked = r.Name()
		}
		if err != nil {
			text = err.Error()
		}
		if picked != test.picked {
			t.Errorf("Select(%s, %v) picked %q, want %q", test.want, test.have, picked, test.picked)
		}
		for _, say := range test.says {
			if !strings.Contains(text, say) {
				t.Errorf("Select(%s, %v) says %q, want %q in it", test.want, test.have, text, say)
			}
		}
		if test.saysNot != "" && strings.Contains(text, test.saysNot) {
			t.Errorf("Select(%s, %v) says %q, which nobody asked for", test.want, test.have, text)
		}
	}
}

func TestSelectStopsWhenCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := Select(ctx, AutoIsolation, probed{"oci", ProcessIsolation, ctx.Err()})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Select = %v, want context.Canceled", err)
	}
}

func TestParseIsolation(t *testing.T) {
	for in, want := range map[string]Isolation{
		"process": ProcessIsolation, "hyperv": HyperVIsolation, "auto": AutoIsolation, "": AutoIsolation, "default": AutoIsolation,
	} {
		if got, err := ParseIsolation(in); got != want || err != nil {
			t.Errorf("ParseIsolation(%q) = %q, %v", in, got, err)
		}
	}
	if _, err := ParseIsolation("Hyper-V"); err == nil {
		t.Error("ParseIsolation took Hyper-V")
	}
}

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("any"), 125},
		{fmt.Errorf("start: %w", ErrCannotInvoke), 126},
		{fmt.Errorf("start: %w", &NotFoundError{Program: "x.exe"}), 127},
		{errors.Join(errors.New("any"), &NotFoundError{Program: "x.exe"}), 127},
	} {
		if got := ExitCode(test.err); got != test.want {
			t.Errorf("ExitCode(%v) = %d, want %d", test.err, got, test.want)
		}
	}
	for exit, want := range map[uint32]int{0: 0, 42: 42, 255: 255} {
		if got, large := HostExit(exit); got != want || large {
			t.Errorf("HostExit(%d) = %d, %v", exit, got, large)
		}
	}
	for _, exit := range []uint32{256, 3010, 0xC0000135} {
		if got, large := HostExit(exit); got != 255 || !large {
			t.Errorf("HostExit(%d) = %d, %v, want 255 and large", exit, got, large)
		}
	}
}

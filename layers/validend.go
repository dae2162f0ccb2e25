package layers

import (
	"fmt"
	"strings"

	"github.com/mullion/mullion/internal/nt"
)

// baseHives are the files that make the lowest layer one that Windows takes.
var baseHives = [...]string{"DEFAULT", "SAM", "SECURITY", "SOFTWARE", "SYSTEM"}

const (
	hiveFolder = "Files/Windows/System32/config"
	bootConfig = "UtilityVM/Files/EFI/Microsoft/Boot/BCD"
)

// baseHive reports whether name is that of one of the five hives of a lowest layer.
func baseHive(name string) bool {
	if len(name) < len(hiveFolder) || !strings.EqualFold(name[:len(hiveFolder)], hiveFolder) {
		return false
	}
	for _, hive := range baseHives {
		if nt.EqualFold(name[len(hiveFolder):], "/"+hive) {
			return true
		}
	}
	return false
}

// mutable reports whether an import rewrites the file, so that no second name may lead to it.
func mutable(name string) bool {
	if parentOf(name) == rootHives || baseHive(name) {
		return true
	}
	return len(name) >= len(bootConfig) && strings.EqualFold(name[:len(bootConfig)], bootConfig) &&
		(len(name) == len(bootConfig) || name[len(bootConfig)] == '.')
}

// end reports what the layer as a whole lacks.
func (v *validator) end() {
	v.resolveLinks()
	if !v.has(rootFiles) {
		v.fault("no-files", "", "there is no Files directory", "write one, even if it is empty")
	}
	if v.has(rootUVM) && !v.has(rootUVMFiles) {
		v.warn("no-uvm", rootUVM, "has no Files below it, so that Windows ignores it", "leave it out, or write the whole utility VM")
	}
	if v.Base {
		v.endBase()
		return
	}
	if !v.has(rootHives) {
		v.fault("no-hives", "", "there is no Hives directory", "write one, even if it is empty")
	}
	if v.deltas > 0 && v.deltas < len(deltaFiles) {
		v.warn("partial-deltas", rootHives, fmt.Sprintf("holds %d of the five registry deltas", v.deltas),
			"write all five, those without changes with their root key alone")
	}
}

func (v *validator) endBase() {
	for _, hive := range baseHives {
		name := hiveFolder + "/" + hive
		if r := v.seen[keyOf(name)]; !r.there || r.kind != File && r.kind != HardLink {
			v.fault("missing-hive", name, "the lowest layer has no such registry hive", "write all five base hives")
		}
	}
	if v.has(rootUVMFiles) && !v.has(bootConfig) {
		v.fault("missing-hive", bootConfig, "the utility VM has no boot configuration", "write it, or leave the utility VM out")
	}
}

func (v *validator) has(name string) bool { return v.seen[keyOf(name)].there }

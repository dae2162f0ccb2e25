package hives

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
)

// softwareTree is modelled on the SOFTWARE hive of Windows 10, without being one: long
// lists of COM classes and interfaces whose keys have one string each, packages and
// components with many small values and long names, and now and then a large blob. As in
// the SYSTEM hive that was measured there are about two values a key and 360 bytes a key.
// 1300 units are some 80 MB.
func softwareTree(t testing.TB, units int) *Tree {
	t.Helper()
	tree := NewTree(Options{Time: oldTime})
	sd := tree.inherit(tree.root.info.SD)
	// at gives a list of keys that is filled in order.
	at := func(path string) *memKey {
		k, err := tree.create(path)
		do(t, err)
		return k
	}
	add := func(parent *memKey, name string, values ...Value) *memKey {
		k := &memKey{name: name, info: Info{SD: sd, LastWrite: oldTime}, values: values}
		parent.kids = append(parent.kids, k)
		return k
	}
	classes, interfaces, blobs := at(`Classes\CLSID`), at(`Classes\Interface`), at(`Microsoft\Blobs`)
	packages := at(`Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages`)
	winners := at(`Microsoft\Windows\CurrentVersion\SideBySide\Winners`)
	components := at(`Microsoft\Windows\CurrentVersion\Installer\UserData\S-1-5-18\Components`)

	r := rand.New(rand.NewPCG(1, 2))
	guid := func(n int) string {
		return fmt.Sprintf("{%08X-%04X-%04X-%04X-%012X}", n*40009, r.IntN(1<<16), r.IntN(1<<16), r.IntN(1<<16), r.Int64N(1<<48))
	}
	for i := range units {
		for j := range 26 {
			n := i*26 + j
			k := add(classes, guid(n), StringValue("", fmt.Sprintf("Component class %d of set %d", j, i)), StringValue("AppID", guid(n)))
			add(k, "InprocServer32", ExpandValue("", fmt.Sprintf(`%%SystemRoot%%\system32\component%d.dll`, i)), StringValue("ThreadingModel", "Both"))
			add(k, "ProgID", StringValue("", fmt.Sprintf("Vendor.Component%d.%d", i, j)))
			k = add(interfaces, guid(n), StringValue("", fmt.Sprintf("IComponent%dInterface%d", i, j)))
			add(k, "NumMethods", StringValue("", fmt.Sprint(r.IntN(40))))
			add(k, "ProxyStubClsid32", StringValue("", guid(n)))
		}
		for j := range 12 {
			k := add(packages, fmt.Sprintf(`Package_%07d_for_KB%07d~31bf3856ad364e35~amd64~~10.0.%d.%d`, i*12+j, r.IntN(1e7), 17000+i, j),
				DWORDValue("CurrentState", 112), DWORDValue("SelfUpdate", 0), DWORDValue("Visibility", 2), DWORDValue("InstallTimeHigh", r.Uint32()),
				DWORDValue("InstallTimeLow", r.Uint32()), StringValue("InstallClient", "DISM Package Manager Provider"), StringValue("InstallName", "update.mum"),
				StringValue("InstallLocation", `\\?\C:\Windows\SoftwareDistribution\Download\`+guid(i)))
			add(k, "Owners", DWORDValue("Package_for_RollupFix", 131184))
			k = add(winners, fmt.Sprintf(`amd64_component-%07d_31bf3856ad364e35_none_%016x`, i*12+j, r.Uint64()))
			add(k, "10.0", StringValue("", "10.0.17763.1"), BinaryValue("10.0.17763.1", []byte{1}))
			add(components, fmt.Sprintf(`%016X%016X`, i*12+j, r.Uint64()),
				StringValue(fmt.Sprintf("%016X%016X", r.Uint64(), r.Uint64()), fmt.Sprintf(`C:\Program Files\Vendor\Product %d\file%d.dll`, i, j)))
		}
		if i%8 == 0 {
			add(blobs, guid(i), BinaryValue("Data", make([]byte, r.IntN(60000))))
		}
	}
	return tree
}

// softwareFile writes a hive of some units to a file and lets go of all else.
func softwareFile(t testing.TB, path string, units int) int64 {
	t.Helper()
	f, err := os.Create(path)
	do(t, err)
	w := bufio.NewWriter(f)
	n, err := softwareTree(t, units).WriteTo(w)
	do(t, err, w.Flush(), f.Close())
	return n
}

func memory() (m runtime.MemStats) {
	runtime.ReadMemStats(&m)
	return m
}

// TestLargeFile reads a file of 100 MB: one key at the price of a few pages, and all of it
// with little in memory.
func TestLargeFile(t *testing.T) {
	path := tempPath(t)
	size := softwareFile(t, path, 1650)
	if size < 100e6 {
		t.Fatalf("the file has %d bytes", size)
	}
	f, err := os.Open(path)
	do(t, err)
	defer f.Close()

	before := memory()
	h, err := Open(f, size)
	do(t, err)
	k, err := Find(rootOf(t, h), `microsoft\WINDOWS\currentversion`)
	do(t, err)
	if _, err := k.Subkey("SideBySide"); err != nil {
		t.Fatal(err)
	}
	if n := memory().TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("reading one key allocates %d bytes", n)
	}

	runtime.GC()
	before = memory()
	alive := uint64(0)
	look := func() {
		runtime.GC()
		alive = max(alive, memory().HeapAlloc)
	}
	keys := 0
	for k, err := range h.Walk() {
		do(t, err)
		for _, err := range k.Values() {
			do(t, err)
		}
		if keys++; keys%50000 == 0 {
			look()
		}
	}
	if n := int64(alive - before.HeapAlloc); n > size/10 || keys < 250000 {
		t.Errorf("a walk over %d keys holds %d bytes of %d in memory", keys, n, size)
	}
	alive = 0
	if found := Check(looker{f, look}, size); len(found) > 0 {
		t.Errorf("found %v", found)
	}
	if n := int64(alive - before.HeapAlloc); n > size/10 {
		t.Errorf("a check holds %d bytes of %d in memory", n, size)
	}
	runtime.KeepAlive(h)
}

// looker calls look at some of the reads.
type looker struct {
	*os.File
	look func()
}

func (l looker) ReadAt(b []byte, off int64) (int, error) {
	if (off-baseSize)/chunkSize%1000 == 999 {
		l.look()
	}
	return l.File.ReadAt(b, off)
}

// TestBenchHive writes the hive that bench/hives compares programs on.
func TestBenchHive(t *testing.T) {
	path := os.Getenv("MULLION_BENCH_HIVE")
	if path == "" {
		t.Skip("MULLION_BENCH_HIVE names no file to write the hive for bench/hives to")
	}
	softwareFile(t, path, 250)
}

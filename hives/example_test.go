package hives_test

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/mullion/mullion/hives"
	"github.com/mullion/mullion/hives/regfile"
	"github.com/mullion/mullion/internal/nt"
)

// must keeps the examples short; a program handles its errors.
func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func options() hives.Options {
	return hives.Options{Time: nt.FiletimeOf(time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC))}
}

// sampleHive is the file of a small hive.
func sampleHive() []byte {
	tree := hives.NewTree(options())
	check(tree.Set(`Acme\Server`, hives.StringValue("Name", "one")))
	check(tree.Set(`Acme\Server`, hives.DWORDValue("Port", 80)))
	check(tree.Set(`Acme\Old`, hives.StringValue("", "unused")))
	var b bytes.Buffer
	must(tree.WriteTo(&b))
	return b.Bytes()
}

// Open a hive and read one value. Only the parts of the file that lead to it are read.
func ExampleOpen() {
	file := sampleHive()
	hive := must(hives.Open(bytes.NewReader(file), int64(len(file))))
	key := must(hives.Find(must(hive.Root()), `acme\SERVER`))
	value := must(key.Value("name"))
	fmt.Println(key.Name(), value.Name, value.Type, value.Text())
	// Output: Server Name REG_SZ one
}

// List what is below a key. A for loop ends at the first error.
func ExampleKey() {
	hive := must(hives.OpenBytes(sampleHive()))
	for key, err := range must(hives.Find(must(hive.Root()), `Acme`)).Subkeys() {
		check(err)
		fmt.Println(key.Name())
		for value, err := range key.Values() {
			check(err)
			fmt.Printf("  %q %s %x\n", value.Name, value.Type, value.Data)
		}
	}
	// Output:
	// Old
	//   "" REG_SZ 75006e0075007300650064000000
	// Server
	//   "Name" REG_SZ 6f006e0065000000
	//   "Port" REG_DWORD 50000000
}

// Change a registry and write the change as the delta hive of the next layer.
func ExampleEdit() {
	stack := hives.NewStack(must(hives.OpenBytes(sampleHive())))
	edit := hives.NewEdit(stack, options())
	check(edit.SetValue(`Acme\Server`, hives.DWORDValue("Port", 8080)))
	check(edit.DeleteKey(`Acme\Old`))

	var delta bytes.Buffer
	must(edit.WriteDelta(&delta))

	next := stack.Apply(must(hives.OpenBytes(delta.Bytes())))
	server := must(hives.Find(must(next.Root()), `Acme\Server`))
	port, _ := must(server.Value("Port")).Uint()
	_, err := hives.Find(must(next.Root()), `Acme\Old`)
	fmt.Println(port, err)
	// Output: 8080 find key Acme\Old: key Old: file does not exist
}

// Compare two states: the delta leads from one to the other.
func ExampleDiff() {
	base := hives.NewStack(must(hives.OpenBytes(sampleHive())))
	next := must(hives.Merge(base, options()))
	check(next.Set(`Acme\Server`, hives.StringValue("Name", "two")))

	delta := must(hives.Diff(base, next.Root(), options()))
	merged := base.Apply(must(delta.Hive()))
	server := must(hives.Find(must(merged.Root()), `Acme\Server`))
	fmt.Println(must(server.Value("Name")).Text())
	for value, err := range server.(hives.Origin).Origins() {
		check(err)
		fmt.Println(value.Name, "is from layer", value.Layer)
	}
	// Output:
	// two
	// Name is from layer 1
	// Port is from layer 0
}

// Flatten a base hive and its deltas into one file.
func ExampleMerge() {
	base := hives.NewStack(must(hives.OpenBytes(sampleHive())))
	edit := hives.NewEdit(base, options())
	check(edit.CreateKey(`Acme\New`))
	tree := must(edit.Merge())

	var file bytes.Buffer
	must(tree.WriteTo(&file))
	fmt.Println(len(hives.Check(bytes.NewReader(file.Bytes()), int64(file.Len()))), "findings")
	// Output: 0 findings
}

// Make one delta of those of several layers. Over any base it shows what they show.
func ExampleSquash() {
	base := hives.NewStack(must(hives.OpenBytes(sampleHive())))
	change := func(s *hives.Stack, port uint32) *hives.Hive {
		edit := hives.NewEdit(s, options())
		check(edit.SetValue(`Acme\Server`, hives.DWORDValue("Port", port)))
		var delta bytes.Buffer
		must(edit.WriteDelta(&delta))
		return must(hives.OpenBytes(delta.Bytes()))
	}
	first := change(base, 8080)
	second := change(base.Apply(first), 9090)

	both := must(must(hives.Squash(first, second)).Hive())
	server := must(hives.Find(must(base.Apply(both).Root()), `Acme\Server`))
	fmt.Println(must(server.Value("Port")).Uint())
	// Output: 9090 true
}

// Examine a hive. Tolerant tells what Windows lives with from what it does not.
func ExampleMode_Check() {
	file := sampleHive()
	file = append(file, "old bytes behind the last bin"...)
	for _, f := range hives.Tolerant.Check(bytes.NewReader(file), int64(len(file))) {
		fmt.Println(f, f.Warning)
	}
	file[0] = 'R'
	for _, f := range hives.Tolerant.CheckBytes(file) {
		fmt.Println(f, f.Warning)
	}
	// Output:
	// 0x2000: tail: 29 bytes of something follow the last bin true
	// 0x0: signature: no regf signature false
}

// Walk a large hive without allocating anything for each key.
func ExampleHive_Walk() {
	hive := must(hives.OpenBytes(sampleHive()))
	for key, err := range hive.Walk() {
		check(err)
		size := 0
		for value, err := range key.Values() {
			check(err)
			size += len(value.Data)
		}
		fmt.Println(strings.Repeat("  ", key.Depth())+key.Name(), size)
	}
	// Output:
	// ROOT 0
	//   Acme 0
	//     Old 14
	//     Server 12
}

// Address the registry of an image as people do.
func ExampleRegistry() {
	registry := hives.NewRegistry(func(hives.Name) (*hives.Stack, error) {
		return hives.NewStack(nil), nil // a program opens the image's own
	}, options())
	check(registry.SetValue(`HKLM\SYSTEM\CurrentControlSet\Services\Acme`, hives.DWORDValue("Start", 2)))
	check(registry.SetValue(hives.WOW64(`HKLM\SOFTWARE\Acme`), hives.StringValue("Bits", "32")))
	_, err := registry.Key(`HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\Acme`)
	fmt.Println(err)
	_, err = registry.Key(`HKLM\SOFTWARE\WOW6432Node\Acme`)
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
}

// Show a key as the text that reg.exe imports.
func Example_regfile() {
	hive := must(hives.OpenBytes(sampleHive()))
	server := must(hives.Find(must(hive.Root()), `Acme\Server`))
	var utf16 bytes.Buffer
	check(regfile.Write(&utf16, regfile.Version5, regfile.Root{Path: `HKEY_LOCAL_MACHINE\SOFTWARE\Acme\Server`, Key: server}))
	text := nt.FromUTF16Bytes(utf16.Bytes()[2:]) // after the byte order mark
	fmt.Print(strings.ReplaceAll(text, "\r\n", "\n"))
	// Output:
	// Windows Registry Editor Version 5.00
	//
	// [HKEY_LOCAL_MACHINE\SOFTWARE\Acme\Server]
	// "Name"="one"
	// "Port"=dword:00000050
}

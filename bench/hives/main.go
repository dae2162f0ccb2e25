// Hives compares programs that read registry hives, on one file and in one run: ours, the
// Go library of Velocidex, and hivexml where it is installed.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/mullion/mullion/hives"
	"www.velocidex.com/golang/regparser"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: hives HIVE")
		os.Exit(2)
	}
	if err := compare(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "hives:", err)
		os.Exit(1)
	}
}

// contender reads a whole hive, with all data, and counts.
type contender struct {
	name string
	read func() (counts, error)
}

type counts struct{ keys, values int }

// rounds is how often each reads the hive. The best counts: on a shared machine the
// others say more about the neighbours.
const rounds = 7

func compare(path string) error {
	file, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	list := []contender{
		{"mullion, walk in memory", func() (counts, error) { return walk(hives.OpenBytes(file)) }},
		{"mullion, walk of a file", func() (counts, error) { return walkFile(path) }},
		{"mullion, strict check in memory", func() (counts, error) { return counts{}, check(file) }},
		{"velocidex regparser in memory", func() (counts, error) { return velocidex(file) }},
	}
	if _, err := exec.LookPath("hivexml"); err == nil {
		list = append(list, contender{"hivexml, to nowhere", func() (counts, error) { return counts{}, exec.Command("hivexml", path).Run() }})
	}
	best := make([]time.Duration, len(list))
	seen := make([]counts, len(list))
	for range rounds {
		for i, c := range list {
			start := time.Now()
			if seen[i], err = c.read(); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if took := time.Since(start); best[i] == 0 || took < best[i] {
				best[i] = took
			}
		}
	}
	fmt.Printf("%d bytes, best of %d rounds\n", len(file), rounds)
	for i, c := range list {
		rate := float64(len(file)) / 1e6 / best[i].Seconds()
		fmt.Printf("%-34s %9.2f ms %8.0f MB/s %7.1fx", c.name, best[i].Seconds()*1e3, rate, best[i].Seconds()/best[0].Seconds())
		if seen[i].keys > 0 {
			fmt.Printf("  %d keys, %d values", seen[i].keys, seen[i].values)
		}
		fmt.Println()
	}
	return nil
}

func walk(h *hives.Hive, err error) (n counts, _ error) {
	if err != nil {
		return n, err
	}
	for k, err := range h.Walk() {
		if err != nil {
			return n, err
		}
		n.keys++
		for v, err := range k.Values() {
			if err != nil {
				return n, err
			}
			n.values++
			_ = v.Data
		}
	}
	return n, nil
}

func walkFile(path string) (n counts, err error) {
	f, err := os.Open(path)
	if err != nil {
		return n, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return n, err
	}
	return walk(hives.Open(f, info.Size()))
}

func check(file []byte) error {
	if found := hives.Strict.CheckBytes(file); len(found) > 0 {
		return errors.New(found[0].String())
	}
	return nil
}

func velocidex(file []byte) (n counts, err error) {
	r, err := regparser.NewRegistry(bytes.NewReader(file))
	if err != nil {
		return n, err
	}
	var below func(k *regparser.CM_KEY_NODE)
	below = func(k *regparser.CM_KEY_NODE) {
		n.keys++
		for _, v := range k.Values() {
			n.values++
			_ = v.ValueData()
		}
		for _, c := range k.Subkeys() {
			below(c)
		}
	}
	below(r.OpenKey(`\`))
	return n, nil
}

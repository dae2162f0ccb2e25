package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// tree is a folder of generated files.
type tree struct {
	files int
	bytes int64            // of all files together
	kind  func(i int) byte // what file i holds: r(andom), t(ext) or c(ode)
	even  bool             // all files are of one size
}

// mixed gives of ten files three random ones, three of text and four of code, which is how programs are shipped.
func mixed(i int) byte { return "rrrtttcccc"[i%10] }

func text(int) byte { return 't' }

func code(int) byte { return 'c' }

// The contexts, and the files of the base image.
var trees = map[string]tree{
	"A":    {files: 1, bytes: 20 << 20, kind: code, even: true},
	"B":    {files: 5000, bytes: 1 << 30, kind: mixed},
	"C":    {files: 50000, bytes: 50000 * 2048, kind: text, even: true},
	"base": {files: 20000, bytes: 672 << 20, kind: mixed},
}

// poolSize is how much of real programs the code is cut from.
const poolSize = 40 << 20

// codePool returns the beginning of the Go tools, which are the same for everyone with this version of Go.
func codePool() ([]byte, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("look for Go's own programs: %w", err)
	}
	var pool []byte
	root := strings.TrimSpace(string(out))
	for _, name := range []string{"bin/go", "pkg/tool/" + runtime.GOOS + "_" + runtime.GOARCH + "/compile", "bin/gofmt"} {
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			continue // not every distribution has all of them
		}
		if pool = append(pool, b...); len(pool) >= poolSize {
			return pool[:poolSize], nil
		}
	}
	if len(pool) < 1<<20 {
		return nil, fmt.Errorf("cut code out of Go's own programs: there are none in %s", root)
	}
	return pool, nil
}

// words is what the text is made of.
var words = strings.Fields(`the a of to in is service config value file error window system request response cache user
	name path false true null return public static void string int new if else while for import module version update
	0 1 2 10 255 1024 0x80070005 <item> </item> {"id": "type": "data"} // /* */ ; = == => != && || INFO WARN`)

// write makes the files below dir, a hundred to a folder. The same tree is always the same bytes.
func (t tree) write(dir string) error {
	pool, err := codePool()
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(7, uint64(t.files)))
	source := rand.NewChaCha8([32]byte{byte(t.files)})
	sizes := t.sizes(rng)
	buf := make([]byte, 0, 1<<20)
	for i, size := range sizes {
		folder := filepath.Join(dir, fmt.Sprintf("d%02d", i/1000), fmt.Sprintf("s%d", i/100%10))
		if i%100 == 0 {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return err
			}
		}
		kind := t.kind(i)
		buf = fill(buf[:0], size, kind, rng, source, pool)
		ext := map[byte]string{'r': "dat", 't': "txt", 'c': "dll"}[kind]
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("file%05d.%s", i, ext)), buf, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// sizes spreads the bytes over the files: between 1 and 64 parts each, small ones more often.
func (t tree) sizes(rng *rand.Rand) []int {
	weights := make([]float64, t.files)
	total := 0.0
	for i := range weights {
		weights[i] = 1
		if !t.even {
			for range rng.IntN(7) {
				weights[i] *= 2
			}
			weights[i] *= 1 + rng.Float64()
		}
		total += weights[i]
	}
	sizes := make([]int, t.files)
	for i, w := range weights {
		sizes[i] = int(w / total * float64(t.bytes))
	}
	return sizes
}

func fill(b []byte, size int, kind byte, rng *rand.Rand, source io.Reader, pool []byte) []byte {
	switch kind {
	case 'r':
		b = append(b, make([]byte, size)...)
		_, _ = io.ReadFull(source, b) // it never ends and never fails
	case 'c':
		for len(b) < size {
			n := min(size-len(b), 1<<20, len(pool))
			at := rng.IntN(len(pool) - n + 1)
			b = append(b, pool[at:at+n]...)
		}
	case 't':
		for len(b) < size {
			b = append(b, words[rng.IntN(len(words))]...)
			if b = append(b, ' '); rng.IntN(12) == 0 {
				b = append(b, '\n')
			}
		}
	}
	return b[:size]
}

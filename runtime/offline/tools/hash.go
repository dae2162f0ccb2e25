package tools

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"io"
	"strings"

	"github.com/mullion/mullion/runtime/offline/proc"
)

// NewHash returns the hash of a name that Windows knows; nil for any other.
func NewHash(name string) hash.Hash {
	switch strings.ToUpper(name) {
	case "MD5":
		return md5.New()
	case "SHA1":
		return sha1.New()
	case "SHA256":
		return sha256.New()
	case "SHA384":
		return sha512.New384()
	case "SHA512":
		return sha512.New()
	}
	return nil
}

// certutil prints the hash of a file. It can do much more on Windows.
func certutil(_ context.Context, p *proc.Process, args []string) (uint32, error) {
	if len(args) < 2 || len(args) > 3 || !strings.EqualFold(strings.TrimLeft(args[0], "-/"), "hashfile") {
		return 0, &proc.Unsupported{Command: "certutil " + strings.Join(args, " "), Why: "only -hashfile is known without Windows"}
	}
	algorithm := "SHA1"
	if len(args) == 3 {
		algorithm = strings.ToUpper(args[2])
	}
	h := NewHash(algorithm)
	if h == nil {
		return 0, &proc.Unsupported{Command: "certutil " + strings.Join(args, " "), Why: algorithm + " is not known without Windows"}
	}
	f, ok := p.Find(args[1])
	if !ok || f.IsDir() {
		p.Println("CertUtil: -hashfile command FAILED: 0x80070002 (WIN32: 2 ERROR_FILE_NOT_FOUND)")
		p.Println("CertUtil: The system cannot find the file specified.")
		return 0x80070002, nil
	}
	r, err := p.Files.Open(f)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if _, err := io.Copy(h, r); err != nil {
		return 0, err
	}
	p.Println("%s hash of %s:", algorithm, args[1])
	p.Println("%x", h.Sum(nil))
	p.Println("CertUtil: -hashfile command completed successfully.")
	return 0, nil
}

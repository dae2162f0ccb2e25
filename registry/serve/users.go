package serve

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// maxUsers bounds the list of users, in bytes.
const maxUsers = 1 << 20

// Users are those who may use a server, with their passwords' hashes.
type Users struct {
	hashes map[string][]byte

	mu    sync.Mutex // one password is compared at a time: that takes long by design
	right map[[sha256.Size]byte]bool
}

// ReadUsers reads what Apache's htpasswd -B writes: USER:HASH in a line, the hash one of bcrypt's. Empty lines and those
// that begin with # are left out.
func ReadUsers(r io.Reader) (*Users, error) {
	u := &Users{hashes: map[string][]byte{}, right: map[[sha256.Size]byte]bool{}}
	lines := bufio.NewScanner(io.LimitReader(r, maxUsers))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		user, hash, _ := strings.Cut(line, ":")
		if _, err := bcrypt.Cost([]byte(hash)); err != nil || user == "" {
			return nil, fmt.Errorf("line %d is not USER:HASH with a hash of bcrypt; htpasswd -B writes such", n)
		}
		u.hashes[user] = []byte(hash)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(u.hashes) == 0 {
		return nil, fmt.Errorf("it names no user")
	}
	return u, nil
}

// know reports whether the password is the user's.
func (u *Users) know(user, password string) bool {
	hash, ok := u.hashes[user]
	if !ok {
		return false
	}
	key := sha256.Sum256([]byte(user + "\x00" + password))
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.right[key] {
		if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil {
			return false
		}
		u.right[key] = true // a push makes hundreds of requests
	}
	return true
}

// welcome lets those in who may use the server, and tells the others what it takes.
func (h *Handler) welcome(w http.ResponseWriter, r *http.Request) bool {
	if h.opts.Users == nil {
		return true
	}
	if user, password, ok := r.BasicAuth(); ok && h.opts.Users.know(user, password) {
		return true
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="mullion"`)
	fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "this registry wants a user name and a password")
	return false
}

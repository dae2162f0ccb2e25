package registry_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/mullion/mullion/registry"
	"github.com/mullion/mullion/registry/internal/memstore"
)

// basicAuth lets only user with password through. Whoever fails is told what
// they sent, as careless servers do.
func basicAuth(user, password string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, _ := r.BasicAuth()
		if u == user && p == password {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		write(w, fmt.Sprintf(`{"errors":[{"code":"UNAUTHORIZED","message":"%s with %s is not welcome"}]}`, p, r.Header.Get("Authorization")))
	})
}

// tokens is a registry with its token server. Each token serves a number of
// requests only.
type tokens struct {
	mu      sync.Mutex
	uses    int // of each token
	left    map[string]int
	issued  int
	scopes  []string
	refused int
	next    http.Handler
}

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		s.issue(w, r)
		return
	}
	s.mu.Lock()
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	ok := s.left[token] > 0
	s.left[token]--
	if !ok {
		s.refused++
	}
	s.mu.Unlock()
	if !ok {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test",scope="repository:app:pull,push"`, r.Host))
		w.WriteHeader(http.StatusUnauthorized)
		write(w, `{"errors":[{"code":"UNAUTHORIZED","message":"`+token+` has expired"}]}`)
		return
	}
	s.next.ServeHTTP(w, r)
}

func (s *tokens) issue(w http.ResponseWriter, r *http.Request) {
	if u, p, _ := r.BasicAuth(); u != "user" || p != "pass word" {
		w.WriteHeader(http.StatusUnauthorized)
		write(w, `{"errors":[{"code":"UNAUTHORIZED","message":"`+p+` is wrong"}]}`)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued++
	s.scopes = append(s.scopes, r.URL.Query()["scope"]...)
	token := fmt.Sprintf("token-%d", s.issued)
	s.left[token] = s.uses
	write(w, `{"token":"`+token+`"}`)
}

func basicLogin(user, password string) string {
	return fmt.Sprintf(`{"auth":%q}`, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

func TestBasicAuth(t *testing.T) {
	host, _ := start(t, basicAuth("user", "s3cret-pass", ours(memstore.New())))
	st := memstore.New()
	root := simpleImage(st)

	login(t, host, basicLogin("user", "s3cret-pass"))
	c := client(registry.Options{})
	if err := c.Push(t.Context(), st, root, host+"/app:v1"); err != nil {
		t.Fatal(err)
	}
	to := memstore.New()
	if _, err := c.Pull(t.Context(), to, host+"/app:v1", nil); err != nil {
		t.Fatal(err)
	}
	sameBlobs(t, to, st)

	login(t, host, basicLogin("user", "wr0ng-pass"))
	_, err := client(registry.Options{}).Pull(t.Context(), to, host+"/app:v1", nil)
	wantError(t, err, host, "401", "build login "+host, "REGISTRY_AUTH_FILE")
	wantNoSecret(t, err, "wr0ng-pass", basicLogin("user", "wr0ng-pass")[9:])

	noCredentials(t)
	_, err = client(registry.Options{}).Pull(t.Context(), to, host+"/app:v1", nil)
	wantError(t, err, host, "wants a login")
}

func wantNoSecret(t *testing.T, err error, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(err.Error(), strings.Trim(s, `"}`)) {
			t.Errorf("error %q shows the secret %q", err, s)
		}
	}
}

func TestBearerTokensThatExpireOnTheWay(t *testing.T) {
	// A request is sent once more with a new token, which has to last until those beside it have had their turns.
	s := &tokens{uses: 6, left: map[string]int{}, next: ours(memstore.New())}
	host, _ := start(t, s)
	login(t, host, basicLogin("user", "pass word"))
	st := memstore.New()
	root := simpleImage(st)
	c := client(registry.Options{})
	if err := c.Push(t.Context(), st, root, host+"/app:v1"); err != nil {
		t.Fatal(err)
	}
	to := memstore.New()
	if _, err := c.Pull(t.Context(), to, host+"/app:v1", nil); err != nil {
		t.Fatal(err)
	}
	sameBlobs(t, to, st)
	if s.issued < 3 || s.refused < 2 {
		t.Errorf("%d tokens issued, %d requests refused: the tokens should have run out several times", s.issued, s.refused)
	}
	if len(s.scopes) == 0 || s.scopes[0] != "repository:app:push,pull" {
		t.Errorf("scopes %q", s.scopes)
	}
}

func TestBearerWithWrongCredentials(t *testing.T) {
	s := &tokens{uses: 2, left: map[string]int{}, next: ours(memstore.New())}
	host, _ := start(t, s)
	login(t, host, basicLogin("user", "wr0ng-pass"))
	_, err := client(registry.Options{}).Pull(t.Context(), memstore.New(), host+"/app:v1", nil)
	wantError(t, err, host, "401", "UNAUTHORIZED", "build login")
	wantNoSecret(t, err, "wr0ng-pass")
}

func TestTokenAnswersAreNotShown(t *testing.T) {
	host, _ := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			write(w, `{"refresh_token":"hidden"}`)
			return
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test"`, r.Host))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	login(t, host, basicLogin("user", "pass word"))
	_, err := client(registry.Options{}).Pull(t.Context(), memstore.New(), host+"/app:v1", nil)
	wantError(t, err, host)
	wantNoSecret(t, err, "hidden")
}

func TestServersEchoNoSecrets(t *testing.T) {
	for name, status := range map[string]int{"refused": 403, "broken": 418} {
		t.Run(name, func(t *testing.T) {
			host, _ := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v2/" {
					w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				w.WriteHeader(status)
				_, p, _ := r.BasicAuth()
				write(w, fmt.Sprintf(`{"errors":[{"code":"DENIED","message":"%s\n%s"}]}`, p, r.Header.Get("Authorization")))
			}))
			login(t, host, basicLogin("user", "s3cret-pass"))
			_, err := client(registry.Options{}).Pull(t.Context(), memstore.New(), host+"/app:v1", nil)
			wantError(t, err, host, fmt.Sprint(status), "DENIED")
			wantNoSecret(t, err, "s3cret-pass", basicLogin("user", "s3cret-pass")[9:])
		})
	}
}

// A login is tried before it is kept, where pulls then find it; a logout forgets it.
func TestLogin(t *testing.T) {
	for name, auth := range map[string]func(http.Handler) http.Handler{
		"basic":  func(next http.Handler) http.Handler { return basicAuth("user", "pass word", next) },
		"bearer": func(next http.Handler) http.Handler { return &tokens{uses: 100, left: map[string]int{}, next: next} },
	} {
		t.Run(name, func(t *testing.T) {
			noCredentials(t)
			from := memstore.New()
			tagged(t, from, "app:v1", simpleImage(from))
			host, _ := start(t, auth(ours(from)))
			c := client(registry.Options{})
			_, err := c.Login(t.Context(), host, "user", "wr0ng-pass")
			wantError(t, err, "log in to "+host, "does not take this user name and password")
			wantNoSecret(t, err, "wr0ng-pass")
			pull := func() error {
				_, err := client(registry.Options{}).Pull(t.Context(), memstore.New(), host+"/app:v1", nil)
				return err
			}
			if err := pull(); err == nil {
				t.Error("what was refused was kept")
			}
			file, err := c.Login(t.Context(), host, "user", "pass word")
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %v, %v", file, info.Mode(), err)
			}
			if err := pull(); err != nil {
				t.Error(err)
			}
			if again, err := c.Logout(host); err != nil || again != file {
				t.Errorf("%s, %v", again, err)
			}
			if err := pull(); err == nil {
				t.Error("what was to be forgotten is kept")
			}
		})
	}
	_, err := client(registry.Options{}).Login(t.Context(), "127.0.0.1:1", "user", "")
	wantError(t, err, "a user name and a password")
}

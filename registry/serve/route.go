package serve

import (
	"net"
	"net/http"
	"regexp"
	"strings"

	"github.com/mullion/mullion/registry"
)

// Names as the distribution specification has them.
var (
	repoPattern = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagPattern  = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

const maxRepo = 255

func validRepo(s string) bool { return len(s) <= maxRepo && repoPattern.MatchString(s) }

// endpoint is a kind of address.
type endpoint int

const (
	nowhere endpoint = iota
	base
	catalog
	tagList
	manifests
	blobs
	uploadsRoot
	uploadSession
)

// parsePath splits /v2/REPO/KIND/ID. A repository may have any number of
// parts, so the path is read from its end.
func parsePath(path string) (e endpoint, repo, id string) {
	rest, ok := strings.CutPrefix(path, "/v2")
	switch {
	case !ok:
		return nowhere, "", ""
	case rest == "" || rest == "/":
		return base, "", ""
	case rest == "/_catalog":
		return catalog, "", ""
	}
	if rest, ok = strings.CutPrefix(rest, "/"); !ok {
		return nowhere, "", ""
	}
	if repo, ok = strings.CutSuffix(rest, "/tags/list"); ok {
		return tagList, repo, ""
	}
	head, id, ok := cutLast(rest, "/")
	if !ok {
		return nowhere, "", ""
	}
	if repo, ok = strings.CutSuffix(head, "/blobs/uploads"); ok {
		if id == "" {
			return uploadsRoot, repo, ""
		}
		return uploadSession, repo, id
	}
	if repo, ok = strings.CutSuffix(head, "/manifests"); ok {
		return manifests, repo, id
	}
	repo, kind, _ := cutLast(head, "/")
	switch {
	case kind == "blobs" && id == "uploads": // the slash at the end is often forgotten
		return uploadsRoot, repo, ""
	case kind == "blobs":
		return blobs, repo, id
	}
	return nowhere, "", ""
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	w.Header().Set("X-Content-Type-Options", "nosniff") // what a blob looks like must not matter to anybody
	if !h.welcome(w, r) {
		return
	}
	e, repo, id := parsePath(r.URL.Path)
	if e == nowhere {
		fail(w, http.StatusNotFound, "UNSUPPORTED", "there is no such endpoint")
		return
	}
	if e > catalog && !validRepo(repo) {
		fail(w, http.StatusBadRequest, "NAME_INVALID", "the repository name is not a valid one")
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && !h.mayWrite(w, r) {
		return
	}
	h.dispatch(w, r, e, repo, id)
}

func (h *Handler) dispatch(w http.ResponseWriter, r *http.Request, e endpoint, repo, id string) {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case e == base && read:
		writeJSON(w, http.StatusOK, struct{}{})
	case e == catalog && read:
		h.listRepos(w, r)
	case e == tagList && read:
		h.listTags(w, r, repo)
	case e == manifests && read:
		h.getManifest(w, r, repo, id)
	case e == manifests && r.Method == http.MethodPut:
		h.putManifest(w, r, repo, id)
	case e == manifests && r.Method == http.MethodDelete:
		h.deleteManifest(w, r, repo, id)
	case e == blobs && read:
		h.getBlob(w, r, id)
	case e == uploadsRoot && r.Method == http.MethodPost:
		h.startUpload(w, r, repo)
	case e == uploadSession:
		h.session(w, r, repo, id)
	default:
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "this cannot be done here")
	}
}

// mayWrite keeps read-only stores as they are, and web pages away from
// writable ones: a page can make its reader's browser send requests, to this
// machine too, and give this machine's address its own host's name.
func (h *Handler) mayWrite(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case !h.opts.Writable:
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "this registry is read-only; start it with --writable")
	case h.foreign.Check(r) != nil:
		fail(w, http.StatusForbidden, "DENIED", "requests on behalf of other sites are refused")
	case arrivedOnLoopback(r) && !registry.IsLoopback(r.Host):
		fail(w, http.StatusForbidden, "DENIED", "this registry must be addressed as localhost or 127.0.0.1 to change it")
	default:
		return true
	}
	return false
}

func arrivedOnLoopback(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

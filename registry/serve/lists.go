package serve

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

func (h *Handler) listRepos(w http.ResponseWriter, r *http.Request) {
	repos, err := h.repositories(r.Context(), r.Host)
	if err != nil {
		failStore(w, err)
		return
	}
	if names, ok := page(w, r, slices.Sorted(maps.Keys(repos))); ok {
		writeJSON(w, http.StatusOK, map[string][]string{"repositories": names})
	}
}

func (h *Handler) listTags(w http.ResponseWriter, r *http.Request, repo string) {
	repos, err := h.repositories(r.Context(), r.Host)
	if err != nil {
		failStore(w, err)
		return
	}
	tags, ok := repos[repo]
	if !ok {
		fail(w, http.StatusNotFound, "NAME_UNKNOWN", "no image of this name is in the store")
		return
	}
	if names, ok := page(w, r, slices.Sorted(maps.Keys(tags))); ok {
		writeJSON(w, http.StatusOK, struct {
			Name string   `json:"name"`
			Tags []string `json:"tags"`
		}{repo, names})
	}
}

// page cuts a sorted list to what the query's n and last ask for, and links to
// what follows. When it returns false the request has been answered.
func page(w http.ResponseWriter, r *http.Request, all []string) ([]string, bool) {
	q := r.URL.Query()
	start, found := slices.BinarySearch(all, q.Get("last"))
	if found {
		start++
	}
	all = append([]string{}, all[start:]...) // never nil: an empty list is [] to clients
	if !q.Has("n") {
		return all, true
	}
	n, err := strconv.Atoi(q.Get("n"))
	if err != nil || n < 0 {
		fail(w, http.StatusBadRequest, "PAGINATION_NUMBER_INVALID", "n is not a number of entries")
		return nil, false
	}
	if n >= len(all) {
		return all, true
	}
	if n > 0 {
		next := url.Values{"n": {strconv.Itoa(n)}, "last": {all[n-1]}}
		w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, r.URL.EscapedPath(), next.Encode()))
	}
	return all[:n], true
}

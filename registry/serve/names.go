package serve

import (
	"context"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// entry is one tag as the server shows it.
type entry struct {
	name string // in the store
	desc ocispec.Descriptor
}

// repositories arranges the store's names as repositories and their tags for a
// client that addresses the server as host. A name with that host counts as one
// without; where both are there, the one without wins.
func (h *Handler) repositories(ctx context.Context, host string) (map[string]map[string]entry, error) {
	tags, err := h.st.Tags(ctx)
	if err != nil {
		return nil, err
	}
	repos := map[string]map[string]entry{}
	for name, desc := range tags {
		short := strings.TrimPrefix(name, host+"/")
		repo, tag, ok := cutLast(short, ":")
		if !ok || !validRepo(repo) || !tagPattern.MatchString(tag) {
			continue // names of other kinds are the store's own business
		}
		if repos[repo] == nil {
			repos[repo] = map[string]entry{}
		}
		if old, taken := repos[repo][tag]; taken && len(old.name) < len(name) {
			continue
		}
		repos[repo][tag] = entry{name: name, desc: desc}
	}
	return repos, nil
}

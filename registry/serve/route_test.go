package serve

import (
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	for path, want := range map[string]struct {
		e        endpoint
		repo, id string
	}{
		"/v2/a/b/manifests/v1":                {manifests, "a/b", "v1"},
		"/v2/a/manifests/manifests/v1":        {manifests, "a/manifests", "v1"},
		"/v2/a/blobs/sha256:1":                {blobs, "a", "sha256:1"},
		"/v2/a/blobs/uploads/":                {uploadsRoot, "a", ""},
		"/v2/a/blobs/uploads":                 {uploadsRoot, "a", ""},
		"/v2/a/blobs/uploads/ID":              {uploadSession, "a", "ID"},
		"/v2/a/tags/list":                     {tagList, "a", ""},
		"/v2/tags/list/tags/list":             {tagList, "tags/list", ""},
		"/v2/_catalog":                        {catalog, "", ""},
		"/v2/a/b":                             {nowhere, "", ""},
		"":                                    {nowhere, "", ""},
		"/v2/blobs/uploads/blobs/uploads/ID":  {uploadSession, "blobs/uploads", "ID"},
		"/v2/a/b/blobs/uploads/x/manifests/t": {manifests, "a/b/blobs/uploads/x", "t"},
	} {
		e, repo, id := parsePath(path)
		if e != want.e || e != nowhere && (repo != want.repo || id != want.id) {
			t.Errorf("%s: %d %q %q", path, e, repo, id)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add("/v2/a/b/manifests/v1")
	f.Add("/v2/a/blobs/uploads/x")
	f.Add("/v2/a/tags/list")
	f.Fuzz(func(t *testing.T, path string) {
		e, repo, id := parsePath(path)
		again := map[endpoint]string{
			tagList: "/v2/" + repo + "/tags/list", manifests: "/v2/" + repo + "/manifests/" + id, blobs: "/v2/" + repo + "/blobs/" + id,
			uploadsRoot: "/v2/" + repo + "/blobs/uploads", uploadSession: "/v2/" + repo + "/blobs/uploads/" + id,
		}
		if want, ok := again[e]; ok && strings.TrimSuffix(path, "/") != want && path != want {
			t.Errorf("%q read as %q", path, want)
		}
		if validRepo(repo) && strings.Contains(repo, "..") {
			t.Errorf("repository %q", repo)
		}
	})
}

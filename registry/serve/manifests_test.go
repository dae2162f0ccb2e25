package serve_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/registry"
	"github.com/mullion/mullion/registry/internal/memstore"
)

func TestPutManifest(t *testing.T) {
	full := memstore.New()
	d := image(full, "layer")
	body := text(t, full, d)
	layer := digest.FromString("layer")
	index := text(t, full, full.PutJSON(ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []ocispec.Descriptor{d},
	}))
	mt, it := ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex
	tests := map[string]struct {
		target, contentType, body string
		without                   digest.Digest
		status                    int
		code                      string
	}{
		"by tag":               {"v1", mt, body, "", 201, ""},
		"by digest":            {string(d.Digest), mt, body, "", 201, ""},
		"parameters":           {"v1", mt + "; charset=utf-8", body, "", 201, ""},
		"index":                {"v1", it, index, "", 201, ""},
		"by another digest":    {missing, mt, body, "", 400, "DIGEST_INVALID"},
		"bad tag":              {"-v1", mt, body, "", 400, "TAG_INVALID"},
		"no type":              {"v1", "", body, "", 400, "MANIFEST_INVALID"},
		"another type":         {"v1", "text/plain", body, "", 400, "MANIFEST_INVALID"},
		"docker type for OCI":  {"v1", "application/vnd.docker.distribution.manifest.list.v2+json", index, "", 400, "MANIFEST_INVALID"},
		"not a manifest":       {"v1", mt, "{}", "", 400, "MANIFEST_INVALID"},
		"layer missing":        {"v1", mt, body, layer, 400, "MANIFEST_BLOB_UNKNOWN"},
		"child missing":        {"v1", it, index, d.Digest, 400, "MANIFEST_BLOB_UNKNOWN"},
		"layer of wrong size":  {"v1", mt, strings.Replace(body, `"size":5`, `"size":6`, 1), "", 400, "MANIFEST_INVALID"},
		"larger than any":      {"v1", mt, body + strings.Repeat(" ", registry.MaxManifest), "", 413, "SIZE_INVALID"},
		"foreign layer absent": {"v1", mt, strings.Replace(body, ocispec.MediaTypeImageLayer+`"`, `application/vnd.oci.image.layer.nondistributable.v1.tar","urls":["https://x"]`, 1), layer, 201, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			st := memstore.New()
			d := image(st, "layer")
			st.Drop(test.without)
			if strings.HasPrefix(name, "by") || name == "parameters" {
				st.Drop(d.Digest)
			}
			h := writable(st)
			a := ask(t, h, "PUT", "/v2/app/manifests/"+test.target, test.body, "Content-Type", test.contentType).want(t, test.status, test.code)
			tags, err := st.Tags(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if test.status != 201 {
				if len(tags) != 0 {
					t.Errorf("tags %v", tags)
				}
				return
			}
			id := string(digest.FromString(test.body))
			a.wantHeader(t, "Docker-Content-Digest", id).wantHeader(t, "Location", "/v2/app/manifests/"+id)
			if got := tags["app:v1"].Digest; test.target == "v1" && string(got) != id {
				t.Errorf("the tag stands for %s", got)
			}
			if a := ask(t, h, "GET", "/v2/app/manifests/"+test.target, ""); a.body != test.body {
				t.Errorf("came back as %s", a.body)
			}
		})
	}
}

func TestDelete(t *testing.T) {
	st := memstore.New()
	d, other := image(st, "layer"), image(st, "other")
	for name, d := range map[string]ocispec.Descriptor{"app:v1": d, "app:v2": d, "app:v3": other, "x:5000/app:v4": d, "lib:v1": d} {
		tag(t, st, name, d)
	}
	h := writable(st)
	left := func() string {
		tags, err := st.Tags(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for name := range tags {
			names = append(names, name)
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	ask(t, h, "DELETE", "http://x:5000/v2/app/manifests/v1", "").want(t, 202, "")
	if got := left(); got != "app:v2 app:v3 lib:v1 x:5000/app:v4" {
		t.Errorf("left: %s", got)
	}
	ask(t, h, "DELETE", "http://x:5000/v2/app/manifests/"+string(d.Digest), "").want(t, 202, "")
	if got := left(); got != "app:v3 lib:v1" {
		t.Errorf("left: %s", got)
	}
	ask(t, h, "DELETE", "http://x:5000/v2/app/manifests/"+string(d.Digest), "").want(t, 404, "MANIFEST_UNKNOWN")
}

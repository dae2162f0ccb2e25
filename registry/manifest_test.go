package registry_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/registry"
	"github.com/mullion/mullion/registry/internal/memstore"
)

const someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestDecodeManifest(t *testing.T) {
	config := `"config":{"mediaType":"c","digest":"` + someDigest + `","size":0}`
	image, index := ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex
	tests := map[string]struct {
		mediaType, body string
		want            string // the media type found, or
		err             string // part of the error
	}{
		"image":                {image, `{"schemaVersion":2,` + config + `}`, image, ""},
		"image by its shape":   {"", `{"schemaVersion":2,` + config + `}`, image, ""},
		"image by its word":    {"", `{"schemaVersion":2,"mediaType":"` + dockerManifest + `",` + config + `}`, dockerManifest, ""},
		"index":                {index, `{"schemaVersion":2,"manifests":[]}`, index, ""},
		"index by its shape":   {"", `{"schemaVersion":2,"manifests":[]}`, index, ""},
		"list":                 {dockerList, `{"schemaVersion":2,"manifests":[]}`, dockerList, ""},
		"not JSON":             {image, `<html>`, "", "not valid JSON"},
		"more after the end":   {image, `{"schemaVersion":2,` + config + `}{}`, "", "not valid JSON"},
		"schema 1":             {image, `{"schemaVersion":1}`, "", "schema version 1"},
		"another type":         {"text/html", `{"schemaVersion":2}`, "", "not one of an image"},
		"two types":            {index, `{"schemaVersion":2,"mediaType":"` + image + `","manifests":[]}`, "", "calls itself"},
		"both shapes, image":   {image, `{"schemaVersion":2,` + config + `,"manifests":[]}`, "", "only an index"},
		"both shapes, index":   {index, `{"schemaVersion":2,` + config + `,"manifests":[]}`, "", "only an image"},
		"index with layers":    {index, `{"schemaVersion":2,"layers":[],"manifests":[]}`, "", "only an image"},
		"no config":            {image, `{"schemaVersion":2,"layers":[]}`, "", "no config"},
		"no digest":            {image, `{"schemaVersion":2,"config":{"size":1}}`, "", "digest"},
		"digest with a path":   {image, `{"schemaVersion":2,"config":{"digest":"sha256:../../etc/passwd"}}`, "", "digest"},
		"another algorithm":    {image, `{"schemaVersion":2,"config":{"digest":"sha512:` + strings.Repeat("0", 128) + `"}}`, "", "sha512"},
		"negative size":        {image, `{"schemaVersion":2,"config":{"digest":"` + someDigest + `","size":-1}}`, "", "size -1"},
		"immense size":         {image, `{"schemaVersion":2,"config":{"digest":"` + someDigest + `","size":1099511627777}}`, "", "size 1099511627777"},
		"manifest beyond 4MiB": {index, `{"schemaVersion":2,"manifests":[{"mediaType":"` + image + `","digest":"` + someDigest + `","size":4194305}]}`, "", "size 4194305"},
		"too many":             {index, `{"schemaVersion":2,"manifests":[` + strings.Repeat(`{"digest":"`+someDigest+`"},`, 10_000) + `{}]}`, "", "10001"},
		"too long":             {index, strings.Repeat(" ", registry.MaxManifest+1), "", "limit"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := registry.DecodeManifest(test.mediaType, []byte(test.body))
			if test.err != "" {
				wantError(t, err, test.err)
				return
			}
			if err != nil || m.MediaType != test.want {
				t.Errorf("got %+v, %v", m, err)
			}
		})
	}
}

func TestHostileGraphs(t *testing.T) {
	noCredentials(t)
	deep := func(st *memstore.Store, levels int) ocispec.Descriptor {
		d := putImage(st, ocispec.MediaTypeImageManifest, "", ociLayer(st, 1, 10))
		for range levels {
			d = putIndex(st, ocispec.MediaTypeImageIndex, d)
		}
		return d
	}
	t.Run("deep", func(t *testing.T) {
		served := memstore.New()
		tagged(t, served, "seven:v1", deep(served, 7))
		tagged(t, served, "eight:v1", deep(served, 8))
		host, _ := start(t, ours(served))
		c := client(registry.Options{})
		if _, err := c.Pull(t.Context(), memstore.New(), host+"/seven:v1", nil); err != nil {
			t.Error(err)
		}
		st := memstore.New()
		_, err := c.Pull(t.Context(), st, host+"/eight:v1", nil)
		wantError(t, err, "nests more than 8 levels deep")
		_, err = c.Pull(t.Context(), st, host+"/eight:v1", func(ds []ocispec.Descriptor) (ocispec.Descriptor, error) { return ds[0], nil })
		wantError(t, err, "nests more than 8 levels deep")
		if len(st.Digests()) != 0 {
			t.Error("something was stored")
		}
	})
	t.Run("child before parent at any depth", func(t *testing.T) {
		// The leaf is named by the root and by an index beside it: the index
		// must not be pushed before the leaf.
		st := memstore.New()
		leaf := deep(st, 0)
		root := putIndex(st, ocispec.MediaTypeImageIndex, leaf, putIndex(st, ocispec.MediaTypeImageIndex, leaf))
		host, _ := start(t, ours(memstore.New()))
		if err := client(registry.Options{}).Push(t.Context(), st, root, host+"/app:v1"); err != nil {
			t.Error(err)
		}
	})
	t.Run("lie about a child", func(t *testing.T) {
		served := memstore.New()
		child := deep(served, 0)
		child.Size++
		tagged(t, served, "app:v1", putIndex(served, ocispec.MediaTypeImageIndex, child))
		host, _ := start(t, ours(served))
		_, err := client(registry.Options{}).Pull(t.Context(), memstore.New(), host+"/app:v1", nil)
		wantError(t, err, string(child.Digest), "other bytes")
	})
}

func TestContentRange(t *testing.T) {
	for _, test := range []struct {
		in           string
		start, total int64
		ok           bool
	}{
		{"bytes 0-9/10", 0, 10, true}, {"bytes 5-9/10", 5, 10, true}, {"bytes 5-9/*", 5, -1, true},
		{"bytes 5-9/9", 0, 0, false}, {"bytes 9-5/10", 0, 0, false}, {"bytes */10", 0, 0, false}, {"5-9/10", 0, 0, false},
		{"bytes 5-9", 0, 0, false}, {"bytes -5-9/10", 0, 0, false}, {"bytes +5-9/10", 0, 0, false}, {"", 0, 0, false},
		{"bytes 0-9223372036854775808/*", 0, 0, false},
	} {
		start, total, err := registry.ParseContentRange(test.in)
		if start != test.start || total != test.total || (err == nil) != test.ok {
			t.Errorf("%q: %d, %d, %v", test.in, start, total, err)
		}
	}
}

func FuzzDecodeManifest(f *testing.F) {
	f.Add("", []byte(`{"schemaVersion":2,"config":{"digest":"`+someDigest+`","size":3},"layers":[{"digest":"`+someDigest+`"}]}`))
	f.Add(ocispec.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"`+dockerManifest+`","digest":"`+someDigest+`","size":4}]}`))
	f.Fuzz(func(t *testing.T, mediaType string, body []byte) {
		m, err := registry.DecodeManifest(mediaType, body)
		if err != nil {
			return
		}
		if !registry.IsManifest(m.MediaType) || len(m.Manifests) > 0 && !registry.IsIndex(m.MediaType) {
			t.Errorf("accepted as %q with %d manifests", m.MediaType, len(m.Manifests))
		}
		for _, d := range append(m.Manifests, m.Blobs...) {
			if registry.CheckDigest(string(d.Digest)) != nil || d.Size < 0 || d.Size > registry.MaxBlob {
				t.Errorf("accepted %+v", d)
			}
		}
		if !json.Valid(body) {
			t.Error("accepted what is not JSON")
		}
		again, err := registry.DecodeManifest(m.MediaType, body)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(m) {
			t.Errorf("second reading: %v, %v", again, err)
		}
	})
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 5-9/10")
	f.Add("bytes 5-9/*")
	f.Add("5-9")
	f.Fuzz(func(t *testing.T, s string) {
		if start, total, err := registry.ParseContentRange(s); err == nil && (start < 0 || total >= 0 && start >= total) {
			t.Errorf("%q: %d of %d", s, start, total)
		}
		first, last, err := registry.ParseSpan(s)
		if err == nil && (first < 0 || last < first) {
			t.Errorf("%q: %d to %d", s, first, last)
		}
		if err != nil {
			return
		}
		a, b, err := registry.ParseSpan(fmt.Sprintf("%d-%d", first, last))
		if a != first || b != last || err != nil {
			t.Errorf("%q does not come back", s)
		}
	})
}

func TestDigests(t *testing.T) {
	for s, ok := range map[string]bool{
		someDigest: true, "": false, "sha256:": false, "sha256:ab": false, strings.ToUpper(someDigest): false,
		string(digest.SHA512.FromString("")): false, someDigest + "0": false, "latest": false,
	} {
		if err := registry.CheckDigest(s); (err == nil) != ok {
			t.Errorf("CheckDigest(%q) = %v", s, err)
		}
	}
}

package store

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mullion/mullion/fixtures"
	"github.com/mullion/mullion/layers/pack"
)

func TestSaveAndLoad(t *testing.T) {
	s := open(t, t.TempDir())
	a, child := image(t, s, "a"), image(t, s, "child")
	idx := putJSON(t, s, ocispec.MediaTypeImageIndex, ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{child}})
	tag(t, s, "a:1", a)
	tag(t, s, "host:5000/idx:2", idx)
	b := save(t, s, "a:1", "host:5000/idx:2", "a:1")
	if !bytes.Equal(b, save(t, s, "a:1", "host:5000/idx:2")) {
		t.Error("saved again, it has other bytes")
	}
	other := open(t, t.TempDir())
	list, err := other.Load(t.Context(), bytes.NewReader(b))
	if want := []Tagged{{"a:1", a}, {"host:5000/idx:2", idx}}; err != nil || !cmp.Equal(list, want) {
		t.Errorf("%s, %v", cmp.Diff(want, list), err)
	}
	clean(t, other)
	if again := save(t, other, "a:1", "host:5000/idx:2"); !bytes.Equal(b, again) {
		t.Error("saved from the other store, it has other bytes")
	}
	if p, err := other.Prune(t.Context(), PruneOptions{DryRun: true}); err != nil || p.Freed != 0 {
		t.Errorf("loading left what nothing needs: %+v, %v", p, err)
	}
}

func TestSaveByDigest(t *testing.T) {
	s := open(t, t.TempDir())
	d := image(t, s, "a")
	other := open(t, t.TempDir())
	list, err := other.Load(t.Context(), bytes.NewReader(save(t, s, string(d.Digest))))
	if want := []Tagged{{"", d}}; err != nil || !cmp.Equal(list, want) {
		t.Errorf("%v, %v", list, err)
	}
}

func TestSaveRefuses(t *testing.T) {
	s := open(t, t.TempDir())
	d := image(t, s, "a")
	tag(t, s, "a:1", d)
	children, err := s.children(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.blobPath(children[1].Digest)); err != nil {
		t.Fatal(err)
	}
	for _, names := range [][]string{nil, {"b:1"}, {"a:1"}} {
		_, err := s.Save(t.Context(), &bytes.Buffer{}, Both, names...)
		if err == nil || len(names) > 0 && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: %v", names, err)
		}
	}
}

// member is one of a hand-made archive.
type member struct{ name, link, data string }

func archiveOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, m := range members {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Size: int64(len(m.data)), Mode: 0o644}
		if m.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, m.link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// The form that "docker save" had for ten years: uncompressed layers in folders, repeated ones as links.
func TestLoadDockerArchive(t *testing.T) {
	s := open(t, t.TempDir())
	d, diffID := layer(t, s, "hello", pack.None)
	plain, err := s.ReadBlob(t.Context(), d, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(ocispec.Image{
		Platform: ocispec.Platform{OS: "windows", Architecture: "amd64"}, RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID, diffID}},
	})
	if err != nil {
		t.Fatal(err)
	}
	list := `[{"Config":"c.json","RepoTags":["hello:latest","hello:2"],"Layers":["one/layer.tar","two/layer.tar"]}]`
	b := archiveOf(t, member{"one/layer.tar", "", string(plain)}, member{"one/VERSION", "", "1.0"}, member{"two/layer.tar", "../one/layer.tar", ""},
		member{"c.json", "", string(config)}, member{"manifest.json", "", list}, member{"repositories", "", "{}"})
	got, err := s.Load(t.Context(), bytes.NewReader(b))
	if err != nil || len(got) != 2 || got[0].Name != "hello:latest" || got[1].Name != "hello:2" || got[0].Desc.Digest != got[1].Desc.Digest {
		t.Fatalf("%v, %v", got, err)
	}
	clean(t, s)
	children, err := s.children(t.Context(), got[0].Desc)
	if err != nil || len(children) != 3 || children[1].MediaType != ocispec.MediaTypeImageLayer || children[2].Digest != diffID {
		t.Errorf("%+v, %v", children, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	hex := digest.FromString("x").Encoded()
	for _, c := range []struct {
		name    string
		members []member
		want    string
	}{
		{"neither list", []member{{"a", "", "b"}}, "neither"},
		{"blob with other bytes", []member{{"blobs/sha256/" + hex, "", "y"}}, "its bytes have the digest"},
		{"blob with a bad name", []member{{"blobs/sha256/zz", "", "y"}}, "digest"},
		{"image that is missing", []member{{"index.json", "", `{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:` + hex + `","size":1}]}`}}, "not in the archive"},
		{"digest that is a path", []member{{"index.json", "", `{"manifests":[{"digest":"sha256:../x"}]}`}}, "digest"},
		{"broken index", []member{{"index.json", "", `[`}}, "index.json"},
		{"broken list", []member{{"manifest.json", "", `{}`}}, "manifest.json"},
		{"missing config", []member{{"manifest.json", "", `[{"Config":"c","RepoTags":["a:1"]}]`}}, "not in the archive"},
		{"link cycle", []member{{"c", "d", ""}, {"d", "c", ""}, {"manifest.json", "", `[{"Config":"c"}]`}}, "not in the archive"},
		{"other number of layers", []member{{"c", "", `{}`}, {"manifest.json", "", `[{"Config":"c","Layers":["l"]}]`}}, "1 layers"},
		{"layer that is none", []member{{"c", "", `{"rootfs":{"diff_ids":["sha256:` + hex + `"]}}`}, {"l", "", "text"},
			{"manifest.json", "", `[{"Config":"c","Layers":["l"]}]`}}, "neither a tar"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, t.TempDir())
			_, err := s.Load(t.Context(), bytes.NewReader(archiveOf(t, c.members...)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if list, err := s.Tags(t.Context()); err != nil || len(list) != 0 {
				t.Errorf("tags: %v, %v", list, err)
			}
		})
	}
	if _, err := open(t, t.TempDir()).Load(t.Context(), strings.NewReader("text")); err == nil {
		t.Error("text was loaded")
	}
}

func TestLoadRefusesOtherContent(t *testing.T) {
	s := open(t, t.TempDir())
	d, _ := layer(t, s, "hello", pack.None)
	plain, err := s.ReadBlob(t.Context(), d, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	config := `{"rootfs":{"diff_ids":["` + string(digest.FromString("x")) + `"]}}`
	b := archiveOf(t, member{"c", "", config}, member{"l", "", string(plain)}, member{"manifest.json", "", `[{"Config":"c","Layers":["l"]}]`})
	if _, err := s.Load(t.Context(), bytes.NewReader(b)); err == nil || !strings.Contains(err.Error(), "as the config says") {
		t.Error(err)
	}
}

func TestImageName(t *testing.T) {
	for _, c := range []struct {
		ref, full string
		docker    []string
		want      string
	}{
		{"hello:latest", "", nil, "hello:latest"},
		{"latest", "docker.io/library/hello:latest", []string{"hello:latest"}, "hello:latest"},
		{"latest", "docker.io/library/hello:latest", nil, "docker.io/library/hello:latest"},
		{"v1", "", nil, "v1"},
		{"", "", nil, ""},
	} {
		got := imageName(map[string]string{ocispec.AnnotationRefName: c.ref, containerdName: c.full}, c.docker)
		if got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// Other tools read the store as it is, and what Save writes.
func TestPeersRead(t *testing.T) {
	s := open(t, t.TempDir())
	d := image(t, s, "hello")
	tag(t, s, "hello:latest", d)
	tar := filepath.Join(t.TempDir(), "hello.tar")
	if err := os.WriteFile(tar, save(t, s, "hello:latest"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Run("skopeo on the store", func(t *testing.T) {
		if out := peer(t, "skopeo", "inspect", "oci:"+s.Dir()+":hello:latest"); !strings.Contains(out, string(d.Digest)) {
			t.Error(out)
		}
	})
	t.Run("skopeo on an OCI archive", func(t *testing.T) {
		if out := peer(t, "skopeo", "inspect", "oci-archive:"+tar+":hello:latest"); !strings.Contains(out, string(d.Digest)) {
			t.Error(out)
		}
	})
	t.Run("skopeo on a Docker archive", func(t *testing.T) {
		if out := peer(t, "skopeo", "inspect", "docker-archive:"+tar); !strings.Contains(out, `"Os": "windows"`) {
			t.Error(out)
		}
	})
	t.Run("skopeo on an archive of one format", func(t *testing.T) {
		for format, transport := range map[Format]string{OCI: "oci-archive:", Docker: "docker-archive:"} {
			file := filepath.Join(t.TempDir(), "one.tar")
			if err := WriteFile(file, func(f *os.File) error { _, err := s.Save(t.Context(), f, format, "hello:latest"); return err }); err != nil {
				t.Fatal(err)
			}
			if out := peer(t, "skopeo", "inspect", transport+file); !strings.Contains(out, `"Os": "windows"`) {
				t.Error(out)
			}
			if format == Docker {
				peer(t, "crane", "validate", "--tarball", file)
			}
		}
	})
	t.Run("skopeo copies", func(t *testing.T) {
		dir := t.TempDir()
		peer(t, "skopeo", "--insecure-policy", "copy", "oci:"+s.Dir()+":hello:latest", "oci-archive:"+dir+"/o.tar:hello:latest")
		peer(t, "skopeo", "--insecure-policy", "copy", "oci:"+s.Dir()+":hello:latest", "docker-archive:"+dir+"/d.tar:hello:latest")
		for _, name := range []string{"o.tar", "d.tar"} {
			f, err := os.Open(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			other := open(t, t.TempDir())
			list, err := other.Load(t.Context(), f)
			if err != nil || len(list) != 1 || !strings.HasSuffix(list[0].Name, "hello:latest") {
				t.Errorf("%s: %v, %v", name, list, err)
			}
			if name == "o.tar" && err == nil && list[0].Desc.Digest != d.Digest {
				t.Errorf("%s: another digest", name)
			}
			clean(t, other)
		}
	})
	t.Run("crane", func(t *testing.T) { peer(t, "crane", "validate", "--tarball", tar) })
	t.Run("umoci", func(t *testing.T) {
		if out := peer(t, "umoci", "ls", "--layout", s.Dir()); strings.TrimSpace(out) != "hello:latest" {
			t.Error(out)
		}
	})
}

func TestFormats(t *testing.T) {
	s := open(t, t.TempDir())
	a, child := image(t, s, "a"), image(t, s, "child")
	other := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("never pulled"), Size: 9}
	idx := putJSON(t, s, ocispec.MediaTypeImageIndex, ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{child, other}})
	tag(t, s, "a:1", a)
	tag(t, s, "idx:1", idx)
	for _, c := range []struct {
		format Format
		names  []string // of the lists in the archive
		want   []Tagged // what is loaded; of a Docker archive, new manifests
	}{
		{Both, []string{"oci-layout", "index.json", "manifest.json"}, []Tagged{{"a:1", a}, {"idx:1", idx}}},
		{OCI, []string{"oci-layout", "index.json"}, []Tagged{{"a:1", a}, {"idx:1", idx}}},
		{Docker, []string{"manifest.json"}, nil},
	} {
		var buf bytes.Buffer
		left, err := s.Save(t.Context(), &buf, c.format, "a:1", "idx:1")
		if err != nil || len(left) != 1 || left[0].Digest != other.Digest {
			t.Fatalf("%d: left %v, %v", c.format, left, err)
		}
		var names []string
		for r := tar.NewReader(bytes.NewReader(buf.Bytes())); ; {
			h, err := r.Next()
			if err != nil {
				break
			}
			if !strings.HasPrefix(h.Name, "blobs/") {
				names = append(names, h.Name)
			}
		}
		if !cmp.Equal(names, c.names) {
			t.Errorf("%d holds %v", c.format, names)
		}
		to := open(t, t.TempDir())
		got, err := to.Load(t.Context(), &buf)
		if err != nil || c.want != nil && !cmp.Equal(got, c.want) || len(got) != 2 {
			t.Errorf("%d: %v, %v", c.format, got, err)
		}
		clean(t, to)
		from, err := s.children(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if made, err := to.children(t.Context(), got[0].Desc); err != nil || !cmp.Equal(made, from) {
			t.Errorf("%d: config and layers: %v, %v", c.format, cmp.Diff(from, made), err)
		}
	}
}

func TestFolders(t *testing.T) {
	s := open(t, t.TempDir())
	a := image(t, s, "a")
	tag(t, s, "a:1", a)
	dir := filepath.Join(t.TempDir(), "layout")
	if _, err := s.SaveDir(t.Context(), dir, "a:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SaveDir(t.Context(), dir, "a:1"); err == nil || !strings.Contains(err.Error(), "no empty folder") {
		t.Errorf("written over: %v", err)
	}
	if left := files(t, filepath.Dir(dir)); len(left) != 1 {
		t.Errorf("left beside it: %v", left)
	}
	for _, from := range []string{dir, s.Dir()} {
		to := open(t, t.TempDir())
		got, err := to.LoadDir(t.Context(), from)
		if err != nil || !cmp.Equal(got, []Tagged{{"a:1", a}}) {
			t.Errorf("%s: %v, %v", from, got, err)
		}
		clean(t, to)
	}
	if out := peer(t, "skopeo", "inspect", "oci:"+dir+":a:1"); !strings.Contains(out, string(a.Digest)) {
		t.Error(out)
	}
}

// A folder is read to its edge and no further.
func TestLoadDirRefuses(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join("blobs", "sha256", digest.FromString("secret").Encoded())
	for _, c := range []struct {
		name string
		make func(dir string) error
		want string
	}{
		{"nothing", func(string) error { return nil }, "no such file"},
		{"link to the outside", func(dir string) error { return os.Symlink(secret, filepath.Join(dir, name)) }, "escapes"},
		{"folder", func(dir string) error { return os.Mkdir(filepath.Join(dir, name), 0o755) }, "no regular file"},
		{"other bytes", func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644) }, "its bytes have the digest"},
		{"no list", func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte("secret"), 0o644) }, "neither index.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			err := c.make(dir)
			if err != nil {
				if err = os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err == nil {
					err = c.make(dir)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if list, err := open(t, t.TempDir()).LoadDir(t.Context(), dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, %v", list, err)
			}
		})
	}
}

// Others read the layout at any moment while we write, prune and move names.
func TestPeersReadWhileWriting(t *testing.T) {
	skopeo := fixtures.Tool(t, "skopeo", "skopeo")
	s := open(t, t.TempDir())
	tag(t, s, "fixed:1", image(t, s, "fixed"))
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		var err error
		for n := 0; err == nil; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			var d ocispec.Descriptor
			config := fmt.Appendf(nil, `{"n":%d,"os":"windows","rootfs":{"type":"layers","diff_ids":[]}}`, n)
			if d, err = s.Put(context.Background(), ocispec.MediaTypeImageConfig, config); err != nil {
				break
			}
			manifest := fmt.Appendf(nil, `{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[]}`, d.MediaType, d.Digest, d.Size)
			if d, err = s.Put(context.Background(), ocispec.MediaTypeImageManifest, manifest); err != nil {
				break
			}
			if err = s.Tag(context.Background(), "moving:1", d); err == nil && n%5 == 0 {
				_, err = s.Prune(context.Background(), PruneOptions{})
			}
		}
		stopped <- err
	}()
	for range 8 {
		for _, args := range [][]string{
			{"inspect", "oci:" + s.Dir() + ":fixed:1"}, {"--insecure-policy", "copy", "-q", "oci:" + s.Dir() + ":fixed:1", "dir:" + t.TempDir()},
		} {
			if out, err := exec.CommandContext(t.Context(), skopeo, args...).CombinedOutput(); err != nil {
				t.Errorf("skopeo %s: %v\n%s", args[0], err, out)
			}
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	clean(t, s)
}

func FuzzLoad(f *testing.F) {
	hex := digest.FromString("x").Encoded()
	for _, members := range [][]member{
		{{"index.json", "", `{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:` + hex + `","size":1}]}`}, {"blobs/sha256/" + hex, "", "x"}},
		{{"c", "", `{"rootfs":{"diff_ids":["sha256:` + hex + `"]}}`}, {"l", "c", ""}, {"manifest.json", "", `[{"Config":"c","Layers":["l"]}]`}},
	} {
		f.Add(archiveOf(f, members...))
	}
	s := open(f, f.TempDir())
	f.Fuzz(func(t *testing.T, data []byte) {
		images, err := s.Load(t.Context(), bytes.NewReader(data))
		for _, i := range images {
			if absent, aerr := s.Absent(t.Context(), i.Desc); err == nil && (aerr != nil || len(absent) > 0) {
				t.Errorf("loaded %s without %v, %v", i.Desc.Digest, absent, aerr)
			}
		}
	})
}

package solve

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/layers"
	"github.com/mullion/mullion/layers/view"
)

// files is an image as the source of COPY --from. Names have no case.
type files struct{ v *view.View }

// find lists what a source names, which may have patterns in any component.
func (f files) find(source string) ([]string, error) {
	if file, err := f.v.Resolve(source); err == nil {
		return []string{file.Path}, nil
	}
	list := []string{""}
	for part := range strings.SplitSeq(source, "/") {
		var next []string
		for _, dir := range list {
			children, err := f.v.ReadDir(dir)
			if err != nil {
				continue
			}
			for _, c := range children {
				ok, err := path.Match(nt.Fold(part), nt.Fold(c.Name()))
				if err != nil {
					return nil, fmt.Errorf("%s: %w", source, err)
				}
				if ok {
					next = append(next, c.Path)
				}
			}
		}
		list = next
	}
	if len(list) == 0 {
		return nil, &notFoundError{nt.Win(source), "the image to copy from"}
	}
	return list, nil
}

// walk lists what COPY takes from a file or directory of the image.
func (f files) walk(name string) ([]item, error) {
	file, err := f.v.Resolve(name)
	if err != nil {
		return nil, err
	}
	if !file.IsDir() {
		it, err := f.item(file, file.Name())
		return []item{it}, err
	}
	list := []item{{dir: true}}
	return list, f.below(file.Path, "", &list)
}

// below lists a directory and what is in it. The folders that Windows keeps on
// every volume for itself are not files of the image.
func (f files) below(dir, rel string, list *[]item) error {
	children, err := f.v.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, c := range children {
		if dir == "" && (nt.EqualFold(c.Name(), "System Volume Information") || nt.EqualFold(c.Name(), "WcSandboxState")) {
			continue
		}
		name := strings.TrimPrefix(rel+"/"+c.Name(), "/")
		if c.IsDir() {
			*list = append(*list, item{name: name, from: nt.Win(c.Path), dir: true})
			if err := f.below(c.Path, name, list); err != nil {
				return err
			}
			continue
		}
		it, err := f.item(c, name)
		if err != nil {
			return err
		}
		*list = append(*list, it)
	}
	return nil
}

// item describes a file of the image. The layer's table of contents has its
// digest, so that its bytes are only read when they are copied.
func (f files) item(file *view.File, rel string) (item, error) {
	if file.Kind() != layers.File {
		target, err := f.v.Resolve(file.Path)
		if err != nil || target.IsDir() {
			return item{}, fmt.Errorf("%s: links to directories, and links that lead nowhere, are not supported yet", nt.Win(file.Path))
		}
		file = target
	}
	if file.Item == nil {
		return item{}, fmt.Errorf("%s: its content is not in a layer", nt.Win(file.Path))
	}
	return item{name: rel, from: nt.Win(file.Path), size: file.Size(), digest: file.Item.Content, attributes: file.Entry.Attributes,
		open: func() (io.ReadCloser, error) { return f.v.Open(file) }}, nil
}

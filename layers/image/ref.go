package image

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Ref is the name of an image: a repository and a tag or digest.
type Ref struct {
	Name   string // repository, with the registry's host in front if the reference had one
	Tag    string // "latest" if the reference had neither tag nor digest
	Digest digest.Digest
}

// The grammar of the distribution specification and, for the host, of every tool that uses it.
var (
	hostPattern = regexp.MustCompile(`^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$`)
	pathPattern = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagPattern  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

const maxName = 255

// ParseRef reads a reference such as "hello", "hello:v1", "127.0.0.1:5000/team/hello:v1" or "hello@sha256:...". Without
// a tag or digest the tag is "latest". Unlike Docker it adds no registry: a name without a host is one of the store.
func ParseRef(s string) (Ref, error) {
	r, err := parseRef(s)
	if err != nil {
		return Ref{}, fmt.Errorf("image reference %q: %w", s, err)
	}
	return r, nil
}

func parseRef(s string) (Ref, error) {
	var r Ref
	name, sum, hasDigest := strings.Cut(s, "@")
	if hasDigest {
		r.Digest = digest.Digest(sum)
		if err := r.Digest.Validate(); err != nil {
			return r, err
		}
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name, r.Tag = name[:i], name[i+1:]
		if !tagPattern.MatchString(r.Tag) {
			return r, fmt.Errorf("tag %q is not 1 to 128 letters, digits, dots, dashes and underscores", r.Tag)
		}
	} else if !hasDigest {
		r.Tag = "latest"
	}
	r.Name = name
	return r, checkName(r)
}

func checkName(r Ref) error {
	host, path := r.Host(), r.Repository()
	switch {
	case path == "":
		return errors.New("no repository name")
	case len(r.Name) > maxName:
		return fmt.Errorf("name of more than %d bytes", maxName)
	case host != "" && !hostPattern.MatchString(host):
		return fmt.Errorf("%q is no host name", host)
	case pathPattern.MatchString(path):
		return nil
	case pathPattern.MatchString(strings.ToLower(path)):
		return fmt.Errorf("repository names are lower case: write %s", strings.ToLower(path))
	}
	return fmt.Errorf("%q is no repository name: it may hold lower-case letters and digits, joined by . _ - or /", path)
}

// Host returns the registry's host and port, or "" for a name of the store alone. As everywhere, the first component is
// a host if it has a dot or a colon or is "localhost".
func (r Ref) Host() string {
	first, _, more := strings.Cut(r.Name, "/")
	if more && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return first
	}
	return ""
}

// Repository returns the name without the host.
func (r Ref) Repository() string {
	if host := r.Host(); host != "" {
		return r.Name[len(host)+1:]
	}
	return r.Name
}

// String returns the full form, NAME:TAG, or NAME@DIGEST if there is a digest.
func (r Ref) String() string {
	if r.Digest != "" {
		return r.Name + "@" + r.Digest.String()
	}
	return r.Name + ":" + r.Tag
}

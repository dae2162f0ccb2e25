package solve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// git adds the files of a repository.
func (g *gathering) git(src string) error {
	dir, err := os.MkdirTemp(g.s.spool, "git-")
	if err != nil {
		return err
	}
	sub, err := FetchGit(g.s.ctx, dir, src, g.c.Checksum)
	if err != nil {
		return err
	}
	c, err := OpenContext(sub)
	if err != nil {
		return err
	}
	g.s.onEnd(c.Close)
	list, err := c.walk(".")
	if err != nil {
		return err
	}
	g.matches, g.dir = g.matches+1, true
	for _, it := range list {
		if g.c.KeepGit || it.name != ".git" && !strings.HasPrefix(it.name, ".git/") {
			if err := g.keep([]item{it}); err != nil {
				return err
			}
		}
	}
	return nil
}

// gitHash is the name of a commit, short or whole.
var gitHash = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

// FetchGit brings a repository into the empty folder dir with the git program. address
// may end in #REF:FOLDER, both optional. checksum is the beginning of the commit's
// hash that is wanted, or "". The result is the folder of the files.
//
// Nothing of the user's or the system's git configuration has a say but what helps
// with access: two people get the same files.
func FetchGit(ctx context.Context, dir, address, checksum string) (string, error) {
	remote, fragment, _ := strings.Cut(address, "#")
	ref, sub, _ := strings.Cut(fragment, ":")
	if strings.Contains(remote, "?") {
		return "", fmt.Errorf("%s: name what to take as #REF:FOLDER", address)
	}
	if strings.HasPrefix(ref, "-") || strings.HasPrefix(remote, "-") {
		return "", fmt.Errorf("%s: neither address nor reference can begin with a dash", address)
	}
	if ref == "" {
		ref = "HEAD"
	}
	r := gitRepo{ctx, dir}
	if _, err := r.run("init", "--quiet"); err != nil {
		return "", err
	}
	if _, err := r.run("remote", "add", "origin", "--", remote); err != nil {
		return "", err
	}
	commit, err := r.fetch(ref)
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", address, err)
	}
	if checksum != "" && (!gitHash.MatchString(checksum) || !strings.HasPrefix(commit, checksum)) {
		return "", fmt.Errorf("fetch %s: the commit is %s, not %s", address, commit, checksum)
	}
	if _, err := r.run("checkout", "--quiet", "--force", "--detach", commit); err != nil {
		return "", fmt.Errorf("check out %s: %w", address, err)
	}
	if _, err := r.run("submodule", "--quiet", "update", "--init", "--recursive"); err != nil {
		return "", fmt.Errorf("fetch the submodules of %s: %w", address, err)
	}
	files := filepath.Join(dir, filepath.FromSlash(sub))
	if sub != "" && !filepath.IsLocal(filepath.FromSlash(sub)) {
		return "", fmt.Errorf("%s: the folder leads out of the repository", address)
	}
	if info, err := os.Lstat(files); err != nil || !info.IsDir() {
		return "", fmt.Errorf("%s: the repository has no folder %s", address, sub)
	}
	return files, nil
}

// gitRepo is a repository being fetched.
type gitRepo struct {
	ctx context.Context
	dir string
}

// fetch gets one commit, or where the server cannot give one alone, all of them, and
// returns its hash.
func (r gitRepo) fetch(ref string) (string, error) {
	_, err := r.run("fetch", "--quiet", "--depth=1", "--no-tags", "origin", "--", ref)
	if err == nil {
		return r.run("rev-parse", "--verify", "FETCH_HEAD^{commit}")
	}
	if r.ctx.Err() != nil {
		return "", r.ctx.Err()
	}
	if _, all := r.run("fetch", "--quiet", "--no-tags", "origin", "+refs/*:refs/all/*", "+HEAD:refs/all/HEAD"); all != nil {
		return "", err
	}
	for _, name := range []string{"refs/all/" + ref, "refs/all/heads/" + ref, "refs/all/tags/" + ref} {
		if commit, err := r.run("rev-parse", "--verify", "--quiet", name+"^{commit}"); err == nil {
			return commit, nil
		}
	}
	if gitHash.MatchString(ref) {
		if commit, err := r.run("rev-parse", "--verify", "--quiet", ref+"^{commit}"); err == nil {
			return commit, nil
		}
	}
	return "", fmt.Errorf("it has no branch, tag or commit %s", ref)
}

// run runs git and returns what it prints.
func (r gitRepo) run(args ...string) (string, error) {
	cmd := exec.CommandContext(r.ctx, "git", append([]string{
		"-c", "core.autocrlf=false", "-c", "core.hooksPath=" + os.DevNull, "-c", "core.symlinks=true", "-c", "advice.detachedHead=false",
		"-c", "protocol.ext.allow=never", "-c", "init.defaultBranch=main", "-c", "gc.auto=0",
	}, args...)...)
	cmd.Dir, cmd.Env = r.dir, gitEnviron()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err == nil {
		return strings.TrimSpace(out.String()), nil
	}
	if r.ctx.Err() != nil {
		return "", r.ctx.Err()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("the git program is not installed")
	}
	if text := strings.TrimSpace(errs.String()); text != "" {
		return "", fmt.Errorf("git %s: %s", args[0], text)
	}
	return "", fmt.Errorf("git %s: %w", args[0], err)
}

// gitEnviron is the environment of git: what it needs to run and to reach a server.
func gitEnviron() []string {
	env := []string{"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "LC_ALL=C"}
	for _, name := range []string{
		"PATH", "HOME", "USERPROFILE", "SystemRoot", "TEMP", "TMP", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
	} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

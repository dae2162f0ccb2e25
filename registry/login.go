package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// Login asks the registry at host whether it takes the user and password, and keeps them where docker does: with the
// credential helper that its configuration names, else in its config.json, which file it returns.
func (c *Client) Login(ctx context.Context, host, user, password string) (file string, err error) {
	file, err = c.login(ctx, host, user, password)
	if err != nil {
		return "", fmt.Errorf("log in to %s: %w", host, err)
	}
	return file, nil
}

func (c *Client) login(ctx context.Context, host, user, password string) (file string, err error) {
	reg, err := c.parseHost(host)
	if err != nil {
		return "", err
	}
	if user == "" || password == "" {
		return "", errors.New("it takes a user name and a password")
	}
	logged, err := c.handshake(ctx, reg, &authn.Basic{Username: user, Password: password})
	if err == nil {
		err = c.retry(ctx, reg.RegistryStr(), func() error { return c.welcome(ctx, reg, logged) })
	}
	if answered(err, http.StatusUnauthorized, http.StatusForbidden) {
		return "", errors.New("the registry does not take this user name and password")
	}
	if err != nil {
		return "", err
	}
	docker, err := dockerConfig()
	if err != nil {
		return "", err
	}
	key := credentialKey(reg)
	err = docker.GetCredentialsStore(key).Store(types.AuthConfig{Username: user, Password: password, ServerAddress: key})
	return docker.Filename, err
}

// welcome asks for what nobody but a known user gets.
func (c *Client) welcome(ctx context.Context, reg name.Registry, logged http.RoundTripper) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+reg.RegistryStr()+"/v2/", nil)
	if err != nil {
		return err
	}
	resp, err := c.sendWith(&http.Client{Transport: logged}, req, http.StatusOK)
	if err != nil {
		return err
	}
	drain(resp)
	return nil
}

// Logout forgets the user and password of the registry at host. It returns docker's configuration file.
func (c *Client) Logout(host string) (file string, err error) {
	reg, err := c.parseHost(host)
	if err != nil {
		return "", err
	}
	docker, err := dockerConfig()
	if err != nil {
		return "", err
	}
	if err := docker.GetCredentialsStore(credentialKey(reg)).Erase(credentialKey(reg)); err != nil {
		return "", fmt.Errorf("log out of %s: %w", host, err)
	}
	return docker.Filename, nil
}

func (c *Client) parseHost(host string) (name.Registry, error) {
	if c.plainAllowed(host) {
		return name.NewRegistry(host, name.Insecure)
	}
	return name.NewRegistry(host)
}

func dockerConfig() (*configfile.ConfigFile, error) {
	docker, err := config.Load(os.Getenv("DOCKER_CONFIG"))
	if err != nil {
		return nil, fmt.Errorf("docker's configuration: %w", err)
	}
	return docker, nil
}

// credentialKey is the name that docker keeps credentials under.
func credentialKey(reg name.Registry) string {
	if reg.RegistryStr() == name.DefaultRegistry {
		return authn.DefaultAuthKey
	}
	return reg.RegistryStr()
}

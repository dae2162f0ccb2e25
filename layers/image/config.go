package image

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mullion/mullion/internal/nt"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Config is the configuration of an image: that of the OCI specification and what Docker adds to its config object.
type Config struct {
	ocispec.Image
	// ArgsEscaped says that the first element of Entrypoint and Cmd taken together is a command line, not an argument.
	ArgsEscaped bool
	// Shell is what runs the shell form of commands; nil stands for cmd /S /C.
	Shell []string
	// Healthcheck is nil if the image has none.
	Healthcheck *Healthcheck
	// OnBuild holds instructions for builds on top of the image.
	OnBuild []string

	// What other tools have put into the two objects, kept for the images built on this one.
	extra, extraConfig map[string]json.RawMessage
}

// Healthcheck is how to find out whether a container works. Times are in nanoseconds; zero stands for the default.
type Healthcheck struct {
	Test          []string      `json:"Test,omitempty"` // {"CMD", ARG...}, {"CMD-SHELL", LINE} or {"NONE"}
	Interval      time.Duration `json:"Interval,omitempty"`
	Timeout       time.Duration `json:"Timeout,omitempty"`
	StartPeriod   time.Duration `json:"StartPeriod,omitempty"`
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	Retries       int           `json:"Retries,omitempty"`
}

// dockerConfig is what Docker has in the config object and OCI has not.
type dockerConfig struct {
	ArgsEscaped bool         `json:"ArgsEscaped,omitempty"`
	Shell       []string     `json:"Shell,omitempty"`
	Healthcheck *Healthcheck `json:"Healthcheck,omitempty"`
	OnBuild     []string     `json:"OnBuild,omitempty"`
}

// NewConfig returns the configuration of an image without layers.
func NewConfig(p Platform) Config {
	c := Config{Image: ocispec.Image{RootFS: ocispec.RootFS{Type: "layers"}}}
	c.OS, c.Architecture, c.OSVersion = p.OS, p.Arch, p.OSVersion
	return c
}

// Platform returns what the image is for.
func (c *Config) Platform() Platform { return platformOf(c.Image.Platform) }

// Clone returns a copy that shares nothing with c.
func (c *Config) Clone() Config {
	d := *c
	d.OSFeatures = slices.Clone(c.OSFeatures)
	d.Config.Env = slices.Clone(c.Config.Env)
	d.Config.Entrypoint = slices.Clone(c.Config.Entrypoint)
	d.Config.Cmd = slices.Clone(c.Config.Cmd)
	d.Config.ExposedPorts = maps.Clone(c.Config.ExposedPorts)
	d.Config.Volumes = maps.Clone(c.Config.Volumes)
	d.Config.Labels = maps.Clone(c.Config.Labels)
	d.RootFS.DiffIDs = slices.Clone(c.RootFS.DiffIDs)
	d.History = slices.Clone(c.History)
	d.Shell, d.OnBuild = slices.Clone(c.Shell), slices.Clone(c.OnBuild)
	if c.Healthcheck != nil {
		h := *c.Healthcheck
		h.Test = slices.Clone(h.Test)
		d.Healthcheck = &h
	}
	return d
}

// Environ returns the image's environment, in which names differ beyond case and the last setting wins, with more
// settings NAME=value on top.
func (c *Config) Environ(more ...string) *nt.Env {
	return nt.NewEnv(slices.Concat(c.Config.Env, more)...)
}

// SetEnv sets one variable of the image's environment, in the place of one whose name differs at most in case.
func (c *Config) SetEnv(name, value string) {
	env := c.Environ()
	env.Set(name, value)
	c.Config.Env = env.List()
}

// MarshalJSON writes both objects with their keys in order of name, so that equal configurations are equal bytes.
func (c Config) MarshalJSON() ([]byte, error) {
	all, err := fields(c.Image)
	if err != nil {
		return nil, err
	}
	inner, err := fields(c.Image.Config)
	if err != nil {
		return nil, err
	}
	docker, err := fields(dockerConfig{c.ArgsEscaped, c.Shell, c.Healthcheck, c.OnBuild})
	if err != nil {
		return nil, err
	}
	addMissing(inner, docker)
	addMissing(inner, c.extraConfig)
	if all["config"], err = json.Marshal(inner); err != nil {
		return nil, err
	}
	addMissing(all, c.extra)
	return json.Marshal(all)
}

// UnmarshalJSON reads a configuration of OCI or Docker.
func (c *Config) UnmarshalJSON(b []byte) error {
	var all, inner map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	if raw, ok := all["config"]; ok {
		if err := json.Unmarshal(raw, &inner); err != nil {
			return fmt.Errorf("config: %w", err)
		}
	}
	var n Config
	var docker dockerConfig
	delete(all, "config")
	if err := convert(all, &n.Image); err != nil {
		return err
	}
	if err := convert(inner, &docker); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	for _, key := range []string{"ArgsEscaped", "Shell", "Healthcheck", "OnBuild"} {
		delete(inner, key)
	}
	if err := convert(inner, &n.Image.Config); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	n.ArgsEscaped, n.Shell, n.Healthcheck, n.OnBuild = docker.ArgsEscaped, docker.Shell, docker.Healthcheck, docker.OnBuild
	n.extra, n.extraConfig = all, inner
	*c = n
	c.dropKnown()
	return nil
}

// dropKnown leaves in extra what neither this package knows nor belongs to the build that wrote it.
func (c *Config) dropKnown() {
	maps.DeleteFunc(c.extra, func(key string, _ json.RawMessage) bool {
		switch key {
		case "created", "author", "architecture", "variant", "os", "os.version", "os.features", "rootfs", "history",
			"id", "parent", "container", "container_config", "docker_version", "throwaway", "Size":
			return true
		}
		return strings.HasPrefix(key, "moby.buildkit.")
	})
	maps.DeleteFunc(c.extraConfig, func(key string, _ json.RawMessage) bool {
		switch key {
		case "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal",
			"Image", "Hostname", "Domainname", "MacAddress":
			return true
		}
		return false
	})
}

// fields returns the object that v marshals to.
func fields(v any) (map[string]json.RawMessage, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var m map[string]json.RawMessage
	return m, json.Unmarshal(b, &m)
}

// convert decodes an object that is already in pieces.
func convert(m map[string]json.RawMessage, to any) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}

func addMissing(to, from map[string]json.RawMessage) {
	for key, v := range from {
		if _, ok := to[key]; !ok {
			to[key] = v
		}
	}
}

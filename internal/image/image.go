// Package image makes container images without Docker, out of a program, a
// folder, a tar archive or an OCI layout, and pushes them to a registry. Equal
// input gives an equal digest. It must not know Kubernetes. Start at Build and
// Push; package debian below brings programs from Debian packages.
package image

import (
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Config is how an image runs. Zero values keep those of the base image.
type Config struct {
	Entrypoint []string
	Cmd        []string
	// Env replaces variables of the same name.
	Env     map[string]string
	User    string
	Workdir string
	// Expose lists ports as "8080" or "53/udp".
	Expose []string
	Labels map[string]string
	// StopSignal is sent to end it, such as "SIGQUIT".
	StopSignal string
}

// NonRoot is the user that images of programs run as unless told otherwise.
const NonRoot = "65532:65532"

// certificates is where programs look for certificate authorities.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// Assemble puts trees as layers upon base (nil for nothing), in order, and
// sets how it runs.
func Assemble(cache *Cache, base v1.Image, config Config, trees ...*Tree) (v1.Image, error) {
	img := base
	if img == nil {
		img = mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	}
	for _, tree := range trees {
		layer, err := cache.Layer(func(w io.Writer) error { _, err := tree.WriteTo(w); return err })
		if err != nil {
			return nil, err
		}
		if img, err = appendLayer(img, layer); err != nil {
			return nil, err
		}
	}
	return configure(img, config)
}

func appendLayer(img v1.Image, layer v1.Layer) (v1.Image, error) {
	img, err := mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: "landfall"}})
	if err != nil {
		return nil, fmt.Errorf("adding layer: %w", err)
	}
	return img, nil
}

func configure(img v1.Image, config Config) (v1.Image, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading image configuration: %w", err)
	}
	file = file.DeepCopy()
	if file.OS == "" {
		file.OS, file.Architecture = "linux", runtime.GOARCH
	}
	c := &file.Config
	if len(config.Entrypoint) > 0 {
		c.Entrypoint, c.Cmd = config.Entrypoint, nil
	}
	if len(config.Cmd) > 0 {
		c.Cmd = config.Cmd
	}
	if config.User != "" {
		c.User = config.User
	}
	if config.Workdir != "" {
		c.WorkingDir = config.Workdir
	}
	if config.StopSignal != "" {
		c.StopSignal = config.StopSignal
	}
	c.Env = mergeEnv(c.Env, config.Env)
	for _, port := range config.Expose {
		if c.ExposedPorts == nil {
			c.ExposedPorts = map[string]struct{}{}
		}
		if !strings.Contains(port, "/") {
			port += "/tcp"
		}
		c.ExposedPorts[port] = struct{}{}
	}
	if len(config.Labels) > 0 {
		c.Labels = maps.Clone(c.Labels)
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		maps.Copy(c.Labels, config.Labels)
	}
	return mutate.ConfigFile(img, file)
}

// mergeEnv keeps the order of env and adds what is new sorted by name.
func mergeEnv(env []string, changes map[string]string) []string {
	merged := make([]string, 0, len(env)+len(changes))
	for _, variable := range env {
		name, _, _ := strings.Cut(variable, "=")
		if _, changed := changes[name]; !changed {
			merged = append(merged, variable)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		merged = append(merged, name+"="+changes[name])
	}
	return merged
}

// AddBasics adds what most programs expect of a system: users root and
// nonroot, /tmp, and this machine's certificate authorities, if it has some.
func (t *Tree) AddBasics() {
	t.AddBytes("/etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"))
	t.AddBytes("/etc/group", 0o644, []byte("root:x:0:\nnonroot:x:65532:\n"))
	t.AddDir("/home/nonroot", 0o700, 65532)
	t.AddDir("/tmp", 0o777|os.ModeSticky, 0)
	_ = t.AddFile(certificates, certificates) // absent is fine: plain HTTP works
}

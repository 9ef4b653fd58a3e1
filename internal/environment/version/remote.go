package version

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/singleflight"

	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/suggest"
	"github.com/landfall-dev/landfall/internal/fault"
)

const (
	// timeout of everything that is asked for one image or chart.
	timeout = 20 * time.Second
	// freshFor is how long an answer is used again: long enough that a hundred
	// environments created at once ask once, short enough that nobody waits for
	// a tag that was just pushed.
	freshFor = 10 * time.Second
	// suggestions of tags or versions in a message.
	suggestions = 3
)

// Options of a Remote. The zero value is useful.
type Options struct {
	// Mirrors are where registries are reached instead, by their host as
	// references name it: "localhost:5001" → "http://10.89.0.1:5000".
	Mirrors map[string]string
	// Platform that an image must have; Linux on this machine's architecture by
	// default.
	Platform v1.Platform
	// Keychain has the credentials of registries; those of the Docker
	// configuration by default.
	Keychain authn.Keychain
	// Transport for registries and chart repositories.
	Transport http.RoundTripper
	// Now tells the time; the clock by default.
	Now func() time.Time
}

// Remote is a Resolver that asks over the network. Registries on this machine
// and in private networks are asked by HTTP, others by HTTPS.
type Remote struct {
	options Options
	flights singleflight.Group
	mu      sync.Mutex
	fresh   map[string]answer
}

type answer struct {
	image environment.Image
	until time.Time
}

// New makes a Remote.
func New(options Options) *Remote {
	if options.Platform.OS == "" {
		options.Platform = v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	if options.Keychain == nil {
		options.Keychain = authn.DefaultKeychain
	}
	if options.Transport == nil {
		options.Transport = remote.DefaultTransport
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Remote{options: options, fresh: map[string]answer{}}
}

// MirrorsVariable is the environment variable that says where registries are
// reached from here, in ParseMirrors' form: in a pod, localhost is not what it
// is on the nodes.
const MirrorsVariable = "LANDFALL_REGISTRY_MIRRORS"

// ParseMirrors reads mirrors as HOST=URL, separated by commas.
func ParseMirrors(text string) (map[string]string, error) {
	mirrors := map[string]string{}
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		host, url, ok := strings.Cut(entry, "=")
		if !ok || host == "" || !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
			return nil, fault.New(fault.Invalid, "", "registry mirror %q is not HOST=http://… or HOST=https://…", entry)
		}
		mirrors[host] = strings.TrimSuffix(url, "/")
	}
	return mirrors, nil
}

// Image resolves a reference. One by digest is what it says: nobody is asked.
func (r *Remote) Image(ctx context.Context, reference string) (environment.Image, error) {
	repository, version, digest := environment.SplitImage(reference)
	if digest != "" {
		return environment.Image{Repository: repository, Version: version, Digest: digest}, nil
	}
	if image, ok := r.cached(reference); ok {
		return image, nil
	}
	result := r.flights.DoChan(reference, func() (any, error) {
		// Not the context of whoever asks first: others wait for the answer too.
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		digest, err := r.lookUp(shared, reference)
		if err != nil {
			return environment.Image{}, err
		}
		image := environment.Image{Repository: repository, Version: version, Digest: digest}
		r.remember(reference, image)
		return image, nil
	})
	select {
	case <-ctx.Done():
		return environment.Image{}, fmt.Errorf("resolving image %s: %w", reference, ctx.Err())
	case done := <-result:
		image, _ := done.Val.(environment.Image)
		return image, done.Err
	}
}

func (r *Remote) cached(reference string) (environment.Image, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.fresh[reference]
	return a.image, ok && r.options.Now().Before(a.until)
}

func (r *Remote) remember(reference string, image environment.Image) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.options.Now()
	for key, a := range r.fresh {
		if now.After(a.until) {
			delete(r.fresh, key)
		}
	}
	r.fresh[reference] = answer{image: image, until: now.Add(freshFor)}
}

// lookUp asks the registry which digest a tag points to, and whether it has the
// platform.
func (r *Remote) lookUp(ctx context.Context, reference string) (string, error) {
	ref, err := r.parse(reference)
	if err != nil {
		return "", err
	}
	description, err := remote.Get(ref, r.remote(ctx)...)
	if err != nil {
		return "", r.explain(ctx, reference, ref, err)
	}
	if err := r.checkPlatform(description); err != nil {
		return "", fmt.Errorf("image %s: %w", reference, err)
	}
	return description.Digest.String(), nil
}

// parse reads a reference, at its registry's mirror where there is one.
func (r *Remote) parse(reference string) (name.Reference, error) {
	ref, err := name.ParseReference(reference, name.WeakValidation)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "")
	}
	mirror, ok := r.options.Mirrors[ref.Context().RegistryStr()]
	if !ok {
		return ref, nil
	}
	scheme, host, _ := strings.Cut(mirror, "://")
	options := []name.Option{name.WeakValidation}
	if scheme == "http" {
		options = append(options, name.Insecure)
	}
	separator := ":"
	if _, byDigest := ref.(name.Digest); byDigest {
		separator = "@"
	}
	mirrored := host + "/" + ref.Context().RepositoryStr() + separator + ref.Identifier()
	ref, err = name.ParseReference(mirrored, options...)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "")
	}
	return ref, nil
}

func (r *Remote) remote(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(r.options.Keychain),
		remote.WithTransport(r.options.Transport),
		remote.WithUserAgent("landfall"),
	}
}

// checkPlatform makes sure that the image runs on the nodes: an image of many
// platforms has theirs, one of a single platform is for it.
func (r *Remote) checkPlatform(d *remote.Descriptor) error {
	if !d.MediaType.IsIndex() {
		image, err := d.Image()
		if err != nil {
			return fmt.Errorf("reading its manifest: %w", err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			return fmt.Errorf("reading its configuration: %w", err)
		}
		return r.suits(v1.Platform{OS: config.OS, Architecture: config.Architecture})
	}
	index, err := d.ImageIndex()
	if err != nil {
		return fmt.Errorf("reading its index: %w", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return fmt.Errorf("reading its index: %w", err)
	}
	var offered v1.Platform
	for _, m := range manifest.Manifests {
		if m.Platform == nil || r.suits(*m.Platform) == nil {
			return nil
		}
		offered = *m.Platform
	}
	return r.suits(offered)
}

func (r *Remote) suits(p v1.Platform) error {
	want := r.options.Platform
	if (p.OS == "" || p.OS == want.OS) && (p.Architecture == "" || p.Architecture == want.Architecture) {
		return nil
	}
	return fault.New(fault.Invalid, "Build it for "+want.String()+".", "it is for %s/%s, the nodes are %s", p.OS, p.Architecture, want.String())
}

// explain says what a registry's refusal means.
func (r *Remote) explain(ctx context.Context, reference string, ref name.Reference, err error) error {
	refused, ok := errors.AsType[*transport.Error](err)
	if !ok {
		return fault.New(fault.Failed, "Check that the registry runs and can be reached from here.", "resolving image %s: %w", reference, err)
	}
	switch refused.StatusCode {
	case http.StatusNotFound:
		return r.notFound(ctx, reference, ref)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fault.New(fault.Failed, "Check the credentials for "+ref.Context().RegistryStr()+", and the name: many registries hide what does not exist.",
			"resolving image %s: the registry denies access", reference)
	}
	return fault.New(fault.Failed, "", "resolving image %s: the registry answers %d %s", reference, refused.StatusCode, http.StatusText(refused.StatusCode))
}

// notFound names the tags that may have been meant.
func (r *Remote) notFound(ctx context.Context, reference string, ref name.Reference) error {
	tags, err := remote.List(ref.Context(), r.remote(ctx)...)
	if err != nil || len(tags) == 0 {
		return fault.New(fault.NotFound, "Push it first (landfall image push), or correct the name.",
			"image %s does not exist: the registry knows no repository of this name", reference)
	}
	hint := "Push it first (landfall image push), or choose another tag."
	if near := suggest.Closest(ref.Identifier(), tags, suggestions); len(near) > 0 {
		hint = "The nearest tags are " + strings.Join(near, ", ") + "."
	}
	return fault.New(fault.NotFound, hint, "image %s does not exist: the repository has no tag %s", reference, ref.Identifier())
}

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
	corev1 "k8s.io/api/core/v1"

	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/pullsecret"
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
	// Keychain has the credentials of registries that an environment's own do
	// not cover; those of the Docker configuration by default.
	Keychain authn.Keychain
	// Transport for registries and chart repositories.
	Transport http.RoundTripper
	// Now tells the time; the clock by default.
	Now func() time.Time
}

// Remote is a Resolver that asks over the network. Registries on this machine
// and in private networks are asked by HTTP, others by HTTPS.
type Remote struct {
	options     Options
	credentials *pullsecret.Credentials
	answers     *answers
}

// answers are what registries have said a moment ago, and are being asked, by
// question. All Resolvers made of one share them.
type answers struct {
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
	return &Remote{options: options, answers: &answers{fresh: map[string]answer{}}}
}

// With is part of Resolver.
func (r *Remote) With(credentials *pullsecret.Credentials) Resolver {
	return &Remote{options: r.options, credentials: credentials, answers: r.answers}
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
	question := r.credentials.Fingerprint() + " " + reference
	if image, ok := r.answers.get(question, r.options.Now()); ok {
		return image, nil
	}
	result := r.answers.flights.DoChan(question, func() (any, error) {
		// Not the context of whoever asks first: others wait for the answer too.
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		digest, err := r.lookUp(shared, reference)
		if err != nil {
			return environment.Image{}, err
		}
		image := environment.Image{Repository: repository, Version: version, Digest: digest}
		r.answers.keep(question, image, r.options.Now())
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

func (a *answers) get(question string, now time.Time) (environment.Image, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, ok := a.fresh[question]
	return known.image, ok && now.Before(known.until)
}

func (a *answers) keep(question string, image environment.Image, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, known := range a.fresh {
		if now.After(known.until) {
			delete(a.fresh, key)
		}
	}
	a.fresh[question] = answer{image: image, until: now.Add(freshFor)}
}

// lookUp asks the registry which digest a tag points to, and whether it has the
// platform.
func (r *Remote) lookUp(ctx context.Context, reference string) (string, error) {
	at, err := r.locate(reference)
	if err != nil {
		return "", err
	}
	description, err := remote.Get(at.Reference, r.remote(ctx, at)...)
	if err != nil {
		return "", r.explain(ctx, reference, at, err)
	}
	if err := r.checkPlatform(description); err != nil {
		return "", fmt.Errorf("image %s: %w", reference, err)
	}
	return description.Digest.String(), nil
}

// location is where an image or chart is asked for.
type location struct {
	// Reference at the registry, or at its mirror.
	name.Reference
	// named is the repository as the reference names it, which credentials are
	// for.
	named name.Repository
}

// locate reads a reference, at its registry's mirror where there is one.
func (r *Remote) locate(reference string) (location, error) {
	ref, err := name.ParseReference(reference, name.WeakValidation)
	if err != nil {
		return location{}, fault.Wrap(fault.Invalid, err, "")
	}
	at := location{ref, ref.Context()}
	mirror, ok := r.options.Mirrors[at.named.RegistryStr()]
	if !ok {
		return at, nil
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
	mirrored := host + "/" + at.named.RepositoryStr() + separator + ref.Identifier()
	if at.Reference, err = name.ParseReference(mirrored, options...); err != nil {
		return location{}, fault.Wrap(fault.Invalid, err, "")
	}
	return at, nil
}

// remote are the options of requests about what is at a location.
func (r *Remote) remote(ctx context.Context, at location) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(authn.NewMultiKeychain(keychainFor{r.credentials, at.named}, r.options.Keychain)),
		remote.WithTransport(r.options.Transport),
		remote.WithUserAgent("landfall"),
	}
}

// keychainFor has an environment's credentials for one repository, wherever it
// is asked for.
type keychainFor struct {
	authn.Keychain
	named name.Repository
}

// Resolve is part of authn.Keychain.
func (k keychainFor) Resolve(authn.Resource) (authn.Authenticator, error) {
	return k.Keychain.Resolve(k.named)
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
func (r *Remote) explain(ctx context.Context, reference string, at location, err error) error {
	refused, ok := errors.AsType[*transport.Error](err)
	if !ok {
		return fault.New(fault.Failed, "Check that the registry runs and can be reached from here.", "resolving image %s: %w", reference, err)
	}
	switch refused.StatusCode {
	case http.StatusNotFound:
		return r.notFound(ctx, reference, at)
	case http.StatusUnauthorized, http.StatusForbidden:
		return r.denied(reference, at)
	}
	return fault.New(fault.Failed, "", "resolving image %s: the registry answers %d %s", reference, refused.StatusCode, http.StatusText(refused.StatusCode))
}

// denied says with what credentials the registry was asked.
func (r *Remote) denied(reference string, at location) error {
	const hidden = " Check the name, too: many registries hide what does not exist."
	registry := at.named.RegistryStr()
	if secret := r.credentials.Covering(at.named); secret != "" {
		return fault.New(fault.Failed, "Put credentials that it takes into that Secret's key "+corev1.DockerConfigJsonKey+"."+hidden,
			"resolving image %s: the registry denies access to the credentials of Secret %s", reference, secret)
	}
	return fault.New(fault.Failed, "Name a Secret with credentials for "+registry+" in the blueprint's spec.imagePullSecrets."+hidden,
		"resolving image %s: the registry denies access, and no imagePullSecret is for %s", reference, registry)
}

// notFound names the tags that may have been meant.
func (r *Remote) notFound(ctx context.Context, reference string, at location) error {
	tags, err := remote.List(at.Context(), r.remote(ctx, at)...)
	if err != nil || len(tags) == 0 {
		return fault.New(fault.NotFound, "Push it first (landfall image push), or correct the name.",
			"image %s does not exist: the registry knows no repository of this name", reference)
	}
	hint := "Push it first (landfall image push), or choose another tag."
	if near := suggest.Closest(at.Identifier(), tags, suggestions); len(near) > 0 {
		hint = "The nearest tags are " + strings.Join(near, ", ") + "."
	}
	return fault.New(fault.NotFound, hint, "image %s does not exist: the repository has no tag %s", reference, at.Identifier())
}

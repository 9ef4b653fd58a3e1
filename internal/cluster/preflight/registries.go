package preflight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/authn/kubernetes"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
)

// Limits towards registries.
const (
	pullsAtOnce = 8
	pullTimeout = 10 * time.Second
	// allPulls bounds all questions together: what is not answered by then is
	// unknown.
	allPulls = 3 * time.Minute
)

// askRegistries asks for the manifest of every image that comes. Each registry
// that cannot be reached is tried once.
func (w *world) askRegistries(ctx context.Context) (string, error) {
	wanted := map[pull]bool{}
	for _, wl := range w.in.workloads {
		for _, p := range w.pullsOf(wl) {
			wanted[p] = true
		}
	}
	w.images = make(map[pull]pulled, len(wanted))
	asking := registries{w: w, cached: w.cached(), down: map[string]string{}}
	bounded, cancel := context.WithTimeout(ctx, allPulls)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(pullsAtOnce)
	for p := range wanted {
		group.Go(func() error {
			answer := asking.ask(bounded, p)
			asking.mu.Lock()
			defer asking.mu.Unlock()
			w.images[p] = answer
			return nil
		})
	}
	_ = group.Wait() // each answer says what went wrong
	there := 0
	for _, answer := range w.images {
		if answer.state == isThere {
			there++
		}
	}
	return fmt.Sprintf("%d of %s found", there, english.Plural(len(wanted), "image", "")), ctx.Err()
}

// registries are asked by several at once.
type registries struct {
	w      *world
	cached map[string]bool

	mu sync.Mutex
	// down are registries that did not answer, and why.
	down map[string]string
}

func (r *registries) ask(ctx context.Context, p pull) pulled {
	ref, err := name.ParseReference(p.image)
	if err != nil {
		return pulled{state: isMissing, reason: "its name is not one: " + err.Error()}
	}
	host := ref.Context().RegistryStr()
	r.mu.Lock()
	why, down := r.down[host]
	r.mu.Unlock()
	answer := pulled{state: isUnknown, reason: why}
	if !down {
		answer = r.askOnce(ctx, ref, p, host)
	}
	if answer.state != isThere && r.cached[ref.Name()] {
		return pulled{state: isThere}
	}
	return answer
}

// askOnce asks the registry, with the credentials that pods would use. Nothing
// of ours is sent: what this machine may pull says nothing about nodes.
func (r *registries) askOnce(ctx context.Context, ref name.Reference, p pull, host string) pulled {
	ctx, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	keychain, err := kubernetes.NewFromPullSecrets(ctx, r.w.secretsOf(p))
	if err != nil {
		return pulled{state: isUnknown, reason: "its pull secret cannot be read"}
	}
	descriptor, err := remote.Get(ref, remote.WithContext(ctx), remote.WithAuthFromKeychain(keychain), remote.WithUserAgent("landfall-preflight"))
	if err != nil {
		credentials, _ := keychain.Resolve(ref.Context())
		answer := explainPull(err, host, credentials != nil && credentials != authn.Anonymous)
		if unreachable(err) {
			r.mu.Lock()
			r.down[host] = answer.reason
			r.mu.Unlock()
		}
		return answer
	}
	return pulled{state: isThere, platforms: platformsOf(descriptor)}
}

func (w *world) secretsOf(p pull) []corev1.Secret {
	var secrets []corev1.Secret
	for key := range strings.SplitSeq(p.secrets, ",") {
		if secret, ok := w.in.pullSecrets[key]; ok {
			secrets = append(secrets, secret)
		}
	}
	return secrets
}

// explainPull tells a missing image from one that is refused. Without
// credentials of its own a refusal says nothing: nodes may have some.
func explainPull(err error, host string, credentials bool) pulled {
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return pulled{state: isUnknown, reason: fmt.Sprintf("registry %s does not answer from here: %s", host, rootCause(err))}
	}
	switch {
	case answer.StatusCode == http.StatusNotFound:
		return pulled{state: isMissing, reason: host + " does not have it"}
	case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden:
		if credentials {
			return pulled{state: isDenied, reason: host + " does not accept its pull secret for it"}
		}
		return pulled{state: isUnknown, reason: host + " wants credentials; there is no pull secret, so perhaps the nodes have them"}
	}
	return pulled{state: isUnknown, reason: fmt.Sprintf("registry %s answered %s", host, http.StatusText(answer.StatusCode))}
}

// unreachable: the registry itself does not answer, so that asking it for
// others is in vain.
func unreachable(err error) bool {
	var answer *transport.Error
	return !errors.As(err, &answer)
}

// rootCause leaves out addresses and tokens of the request.
func rootCause(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.As(err, &dns):
		return "its name is not known"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// platformsOf an image or an index of images; empty if it does not say.
func platformsOf(d *remote.Descriptor) []string {
	var platforms []string
	if d.MediaType.IsIndex() {
		index, err := d.ImageIndex()
		if err != nil {
			return nil
		}
		manifest, err := index.IndexManifest()
		if err != nil {
			return nil
		}
		for i := range manifest.Manifests {
			if p := manifest.Manifests[i].Platform; p != nil && p.OS != "unknown" { // attestations
				platforms = append(platforms, p.OS+"/"+p.Architecture)
			}
		}
	} else if image, err := d.Image(); err == nil {
		if config, err := image.ConfigFile(); err == nil && config.OS != "" {
			platforms = append(platforms, config.OS+"/"+config.Architecture)
		}
	}
	slices.Sort(platforms)
	return slices.Compact(platforms)
}

// normal is an image's full name: registry, repository and tag or digest.
func normal(image string) string {
	ref, err := name.ParseReference(image)
	if err != nil {
		return image
	}
	return ref.Name()
}

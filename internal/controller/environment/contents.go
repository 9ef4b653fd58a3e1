package environment

import (
	"context"
	"fmt"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment/release"
	"github.com/landfall-dev/landfall/internal/kube"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

const (
	// contentType of those Secrets.
	contentType corev1.SecretType = "landfall.dev/release"
	// labelRelease on those Secrets names the release.
	labelRelease = "landfall.dev/release"
	// cachedContents is how many releases' contents are kept decoded: those of
	// as many environments, a few hundred kilobytes each.
	cachedContents = 512
	// cachedKeeps is of how many releases it is known what is kept for them,
	// which is some names.
	cachedKeeps = 16384
)

// contentCache reads what releases hold, which never changes. Safe for
// concurrent use; the contents given must not be changed.
type contentCache struct {
	live  client.Reader
	known *lru.Cache // UID of the release → *release.Contents
	keeps *lru.Cache // UID of the release → keep
}

// keep is what of a release stays on the cluster while it is retained.
type keep struct {
	// config that never changes.
	config []v1alpha1.ObjectRef
	// jobs stay once they have completed.
	jobs []v1alpha1.ObjectRef
}

func newContentCache(live client.Reader) *contentCache {
	return &contentCache{live: live, known: lru.New(cachedContents), keeps: lru.New(cachedKeeps)}
}

// keep gives what is kept for a release.
func (c *contentCache) keep(ctx context.Context, rel *v1alpha1.Release) (keep, error) {
	if known, ok := c.keeps.Get(rel.UID); ok {
		return known.(keep), nil
	}
	var contents *release.Contents
	if known, ok := c.known.Get(rel.UID); ok {
		contents = known.(*release.Contents)
	} else {
		var err error
		// Not remembered: it would drive out that of a newest release.
		if contents, err = c.read(ctx, rel); err != nil {
			return keep{}, err
		}
	}
	var k keep
	for _, o := range contents.Desired.Objects() {
		switch {
		case isImmutableConfig(o.Object):
			k.config = append(k.config, kube.RefOf(o.Object))
		case isJob(o.Object):
			k.jobs = append(k.jobs, kube.RefOf(o.Object))
		}
	}
	c.keeps.Add(rel.UID, k)
	return k, nil
}

// get gives the contents of a release.
func (c *contentCache) get(ctx context.Context, rel *v1alpha1.Release) (*release.Contents, error) {
	if known, ok := c.known.Get(rel.UID); ok {
		return known.(*release.Contents), nil
	}
	contents, err := c.read(ctx, rel)
	if err == nil {
		c.known.Add(rel.UID, contents)
	}
	return contents, err
}

func (c *contentCache) read(ctx context.Context, rel *v1alpha1.Release) (*release.Contents, error) {
	var chunks [][]byte
	for _, name := range rel.Spec.Contents {
		secret := &corev1.Secret{}
		if err := c.live.Get(ctx, types.NamespacedName{Namespace: rel.Namespace, Name: name}, secret); err != nil {
			return nil, fmt.Errorf("reading contents of release %s: %w", rel.Name, err)
		}
		chunks = append(chunks, secret.Data[release.ContentKey])
	}
	contents, err := release.Decode(chunks)
	if err != nil {
		return nil, fmt.Errorf("reading contents of release %s: %w", rel.Name, err)
	}
	return &contents, nil
}

func contentName(releaseName string, chunk int) string {
	return fmt.Sprintf("release.%s.%d", releaseName, chunk)
}

// storeContents writes the Secrets of a release that does not exist yet. They
// belong to the environment until ownContents gives them to the release.
func (r *Reconciler) storeContents(ctx context.Context, env *v1alpha1.Environment, releaseName string, chunks [][]byte) ([]string, error) {
	names := make([]string, len(chunks))
	for i, chunk := range chunks {
		names[i] = contentName(releaseName, i)
		immutable := true
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: env.Namespace, Name: names[i],
				Labels: map[string]string{
					v1alpha1.LabelManagedBy: v1alpha1.FieldManager, v1alpha1.LabelEnvironment: env.Name, labelRelease: releaseName,
				},
			},
			Type: contentType, Immutable: &immutable, Data: map[string][]byte{release.ContentKey: chunk},
		}
		if err := controllerutil.SetOwnerReference(env, secret, r.Client.Scheme()); err != nil {
			return nil, err
		}
		if err := r.createAnew(ctx, secret); err != nil {
			return nil, fmt.Errorf("storing contents of release %s: %w", releaseName, err)
		}
	}
	return names, nil
}

// createAnew creates a Secret in place of one that a crash left behind before
// its release came to be.
func (r *Reconciler) createAnew(ctx context.Context, secret *corev1.Secret) error {
	err := r.Client.Create(ctx, secret)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	leftover := &corev1.Secret{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(secret), leftover); err != nil {
		return client.IgnoreNotFound(err)
	}
	if leftover.Type != contentType {
		return fmt.Errorf("secret %s exists already and is not Landfall's", secret.Name)
	}
	if err := r.Client.Delete(ctx, leftover, client.Preconditions{UID: &leftover.UID}); client.IgnoreNotFound(err) != nil {
		return err
	}
	return r.Client.Create(ctx, secret)
}

// ownContents gives the Secrets to the release, so that they go with it.
func (r *Reconciler) ownContents(ctx context.Context, rel *v1alpha1.Release) error {
	for _, name := range rel.Spec.Contents {
		secret := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: rel.Namespace, Name: name}}
		secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		before := secret.DeepCopy()
		if err := controllerutil.SetOwnerReference(rel, secret, r.Client.Scheme()); err != nil {
			return err
		}
		// A merge patch replaces the list: the release alone owns them now.
		if err := r.Client.Patch(ctx, secret, client.MergeFrom(before)); err != nil {
			return fmt.Errorf("giving contents to release %s: %w", rel.Name, err)
		}
	}
	return nil
}

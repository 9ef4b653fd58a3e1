package environment

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/landfall-dev/landfall/internal/fault"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// secretCache reads the Secrets that inputs come from. Only metadata of all
// Secrets is watched; the values of those that are used are read once for each
// of their versions. Safe for concurrent use.
type secretCache struct {
	metadata client.Reader // from the watch
	live     client.Reader

	mu    sync.Mutex
	known map[types.NamespacedName]*corev1.Secret
}

func newSecretCache(metadata, live client.Reader) *secretCache {
	return &secretCache{metadata: metadata, live: live, known: map[types.NamespacedName]*corev1.Secret{}}
}

// get gives a Secret that must not be changed. An absent one is
// fault.NotFound.
func (c *secretCache) get(ctx context.Context, key types.NamespacedName) (*corev1.Secret, error) {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	if err := c.metadata.Get(ctx, key, meta); err == nil {
		if secret := c.at(key, meta.ResourceVersion); secret != nil {
			return secret, nil
		}
	}
	secret := &corev1.Secret{}
	switch err := c.live.Get(ctx, key, secret); {
	case apierrors.IsNotFound(err):
		c.drop(key)
		return nil, fault.New(fault.NotFound, "Create it in the project's namespace.", "reading Secret %s in project %s: it does not exist", key.Name, key.Namespace)
	case err != nil:
		return nil, fmt.Errorf("reading Secret %s: %w", key.Name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[key] = secret
	return secret, nil
}

func (c *secretCache) at(key types.NamespacedName, version string) *corev1.Secret {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.known[key]; known != nil && known.ResourceVersion == version {
		return known
	}
	return nil
}

func (c *secretCache) drop(key types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, key)
}

// values reads several Secrets of a namespace; the optional ones may be absent.
func (c *secretCache) values(ctx context.Context, namespace string, names, optional []string) (map[string]map[string][]byte, error) {
	values := make(map[string]map[string][]byte, len(names)+len(optional))
	for _, name := range slices.Concat(names, optional) {
		secret, err := c.get(ctx, types.NamespacedName{Namespace: namespace, Name: name})
		if fault.ClassOf(err) == fault.NotFound && slices.Contains(optional, name) {
			continue
		}
		if err != nil {
			return nil, err
		}
		values[name] = maps.Clone(secret.Data)
	}
	return values, nil
}

// Package pullsecret reads the Secrets with the credentials for private
// registries, as `kubectl create secret docker-registry` makes them. It knows no
// cluster and asks no registry. Its errors name Secrets, keys and registries,
// never a value. Start at Read.
package pullsecret

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/authn/kubernetes"
	"github.com/google/go-containerregistry/pkg/name"
	corev1 "k8s.io/api/core/v1"
)

// Credentials are what several Secrets hold. They are a keychain, with the
// registries' names as the kubelet reads them (globs in hosts, prefixes of
// paths); of Secrets that cover the same image the first counts. Nil knows no
// registry. Safe for concurrent use.
type Credentials struct {
	secrets     []secret
	fingerprint string
}

type secret struct {
	name     string
	keychain authn.Keychain
}

// Read gives the credentials that the Secrets hold. The error is that of Check.
func Read(secrets ...*corev1.Secret) (*Credentials, error) {
	c, sum := &Credentials{}, sha256.New()
	for _, s := range secrets {
		if err := Check(s); err != nil {
			return nil, err
		}
		keychain, err := kubernetes.NewFromPullSecrets(context.Background(), []corev1.Secret{*s})
		if err != nil {
			// Its text may hold what it could not read.
			return nil, unreadable(s, "names a registry that cannot be one")
		}
		c.secrets = append(c.secrets, secret{s.Name, keychain})
		// No error: a hash takes everything.
		_ = json.NewEncoder(sum).Encode([]any{s.Name, s.Data[corev1.DockerConfigJsonKey]})
	}
	c.fingerprint = hex.EncodeToString(sum.Sum(nil))
	return c, nil
}

// Fingerprint tells credentials apart: equal values, equal fingerprints.
func (c *Credentials) Fingerprint() string {
	if c == nil {
		return ""
	}
	return c.fingerprint
}

// Resolve is part of authn.Keychain.
func (c *Credentials) Resolve(of authn.Resource) (authn.Authenticator, error) {
	authenticator, _, err := c.find(of)
	return authenticator, err
}

// Covering names the Secret whose credentials are shown for an image; empty for
// none.
func (c *Credentials) Covering(of authn.Resource) string {
	_, by, err := c.find(of)
	if err != nil {
		return ""
	}
	return by
}

func (c *Credentials) find(of authn.Resource) (found authn.Authenticator, by string, err error) {
	if c == nil {
		return authn.Anonymous, "", nil
	}
	for _, s := range c.secrets {
		for _, known := range names(of) {
			found, err := s.keychain.Resolve(known)
			if err != nil {
				return nil, "", fmt.Errorf("reading the credentials of Secret %s: %w", s.name, err)
			}
			if found != authn.Anonymous {
				return found, s.name, nil
			}
		}
	}
	return authn.Anonymous, "", nil
}

// names are those of an image: Docker Hub goes by two.
func names(of authn.Resource) []authn.Resource {
	if of.RegistryStr() != name.DefaultRegistry {
		return []authn.Resource{of}
	}
	return []authn.Resource{of, alias{of}}
}

// alias is an image of Docker Hub by the registry's short name.
type alias struct{ authn.Resource }

const shortName = "docker.io"

// String is part of authn.Resource.
func (a alias) String() string {
	return shortName + strings.TrimPrefix(a.Resource.String(), name.DefaultRegistry)
}

// RegistryStr is part of authn.Resource.
func (a alias) RegistryStr() string { return shortName }

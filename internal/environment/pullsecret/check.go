package pullsecret

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/landfall-dev/landfall/internal/fault"
)

// configuration is what of Docker's configuration a kubelet reads.
type configuration struct {
	Auths map[string]login `json:"auths"`
}

type login struct {
	Username string `json:"username"`
	Password string `json:"password"`
	// Auth is the base64 of USERNAME:PASSWORD.
	Auth string `json:"auth"`
}

// Check says what makes a Secret useless for pulling images, beyond what an API
// server checks. The error is fault.Invalid, names the Secret and the key, and
// has the command that makes a proper one as hint.
func Check(s *corev1.Secret) error {
	if s.Type != corev1.SecretTypeDockerConfigJson {
		kind := s.Type
		if kind == "" {
			kind = corev1.SecretTypeOpaque
		}
		return fault.New(fault.Invalid, "Delete it and "+makeOne(s.Namespace, s.Name),
			"Secret %s/%s is of type %s: credentials for registries are %s", s.Namespace, s.Name, kind, corev1.SecretTypeDockerConfigJson)
	}
	text := s.Data[corev1.DockerConfigJsonKey]
	if len(text) == 0 {
		return unreadable(s, "is missing or empty")
	}
	var read configuration
	if json.Unmarshal(text, &read) != nil {
		// The decoder's own words hold parts of the value.
		return unreadable(s, "is no Docker configuration: not the JSON object that is expected")
	}
	if len(read.Auths) == 0 {
		return unreadable(s, "names no registry under auths")
	}
	usable := false
	for _, registry := range slices.Sorted(maps.Keys(read.Auths)) {
		entry := read.Auths[registry]
		if !readable(entry.Auth) {
			return unreadable(s, fmt.Sprintf("has an auth for %q that is not the base64 of USERNAME:PASSWORD", registry))
		}
		usable = usable || entry.Auth != "" || entry.Username != ""
	}
	if !usable {
		return unreadable(s, fmt.Sprintf("has no username and password for %s, as when `docker login` left them to a credential store",
			strings.Join(slices.Sorted(maps.Keys(read.Auths)), ", ")))
	}
	return nil
}

func readable(auth string) bool {
	if auth == "" {
		return true
	}
	text, err := base64.StdEncoding.DecodeString(auth)
	if err != nil {
		text, err = base64.RawStdEncoding.DecodeString(auth)
	}
	return err == nil && strings.Contains(string(text), ":")
}

// Absent is the error for a Secret that does not exist, fault.NotFound.
func Absent(namespace, name string) error {
	return fault.New(fault.NotFound, capital(makeOne(namespace, name)), "Secret %s/%s, with which images are to be pulled, does not exist", namespace, name)
}

func unreadable(s *corev1.Secret, why string) error {
	return fault.New(fault.Invalid, "Delete it and "+makeOne(s.Namespace, s.Name),
		"key %s of Secret %s/%s %s", corev1.DockerConfigJsonKey, s.Namespace, s.Name, why)
}

// makeOne is the next step, whatever is wrong with a Secret.
func makeOne(namespace, name string) string {
	return fmt.Sprintf("make it with `kubectl create secret docker-registry %s -n %s --docker-server=REGISTRY --docker-username=USER --docker-password=…`.", name, namespace)
}

func capital(sentence string) string { return strings.ToUpper(sentence[:1]) + sentence[1:] }

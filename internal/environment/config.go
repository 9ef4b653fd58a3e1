package environment

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

// config is what a component's pods read beside their image: the content of
// files and the values of Secrets, each in one content-named, immutable object.
type config struct {
	objects []Object
	// configMap and secret name the objects; empty where there is none.
	configMap, secret string
	// files are the mounted files, in the blueprint's order.
	files []mountedFile
	// secretEnv are the variables whose value is in the secret; a variable
	// that refers to an optional key that is not there is in neither.
	secretEnv map[string]bool
}

type mountedFile struct {
	path   string
	key    string
	mode   int32
	secret bool
}

const defaultFileMode = 0o444

// config gathers the component's files and the project Secrets' values it uses.
func (r *renderer) config(p *part, at *field.Path) (config, error) {
	c := config{secretEnv: map[string]bool{}}
	plain, secret := map[string]string{}, map[string][]byte{}
	for i, f := range p.Files {
		file := mountedFile{path: path.Clean(f.Path), key: fileKey(i, f.Path), mode: fileMode(f), secret: f.SecretKeyRef != nil}
		if f.SecretKeyRef == nil {
			plain[file.key] = *f.Content
		} else {
			value, found, err := r.secretValue(f.SecretKeyRef, at.Child("files").Index(i))
			if err != nil {
				return config{}, err
			}
			if !found {
				continue
			}
			secret[file.key] = value
		}
		c.files = append(c.files, file)
	}
	for i, v := range p.Env {
		if v.ValueFrom == nil || v.ValueFrom.SecretKeyRef == nil {
			continue
		}
		value, found, err := r.secretValue(v.ValueFrom.SecretKeyRef, at.Child("env").Index(i))
		if err != nil {
			return config{}, err
		}
		if found {
			secret[envKey(v.Name)], c.secretEnv[v.Name] = value, true
		}
	}
	return c, r.addConfigObjects(&c, p, plain, secret, at)
}

func (r *renderer) addConfigObjects(c *config, p *part, plain map[string]string, secret map[string][]byte, at *field.Path) error {
	size := 0
	for _, value := range secret {
		size += len(value)
	}
	if size > maxFiles {
		return invalid("blueprint "+r.in.Blueprint.Name, field.ErrorList{field.TooLong(at, "the Secrets' values", maxFiles)})
	}
	if len(plain) > 0 {
		c.configMap = contentName(p.configName(), plain)
		c.objects = append(c.objects, object(p.Name, "v1", "ConfigMap", &corev1.ConfigMap{
			ObjectMeta: r.meta(p.Name, c.configMap), Data: plain, Immutable: new(true),
		}))
	}
	if len(secret) > 0 {
		c.secret = contentName(p.configName(), secret)
		c.objects = append(c.objects, object(p.Name, "v1", "Secret", &corev1.Secret{
			ObjectMeta: r.meta(p.Name, c.secret), Data: secret, Immutable: new(true), Type: corev1.SecretTypeOpaque,
		}))
	}
	return nil
}

// secretValue is a key of a project Secret. Not found is an error unless the
// reference is optional.
func (r *renderer) secretValue(ref *corev1.SecretKeySelector, at *field.Path) ([]byte, bool, error) {
	data, exists := r.in.Secrets[ref.Name]
	value, found := data[ref.Key]
	if found || (ref.Optional != nil && *ref.Optional) {
		return value, found, nil
	}
	what := fmt.Sprintf("secret %s/%s has no key %q", r.in.Environment.Namespace, shorten(ref.Name), shorten(ref.Key))
	if !exists {
		what = fmt.Sprintf("secret %s/%s does not exist", r.in.Environment.Namespace, shorten(ref.Name))
	}
	return nil, false, fault.New(fault.Invalid, "Create it in the project namespace, or mark the reference optional.", "%s: %s", at, what)
}

// settings are a store's connection settings.
func (r *renderer) settings(store string) (map[string]string, error) {
	settings, ok := r.in.Stores[store]
	if !ok {
		return nil, fault.New(fault.Failed, "", "store %s has no connection settings", store)
	}
	return settings, nil
}

// storeEnv are the variables that give a component its stores: store "db" with
// the setting "url" gives DB_URL.
func (r *renderer) storeEnv(p *part) ([]corev1.EnvVar, error) {
	var env []corev1.EnvVar
	for _, store := range p.Stores {
		settings, err := r.settings(store)
		if err != nil {
			return nil, err
		}
		for _, key := range sortedKeys(settings) {
			env = append(env, corev1.EnvVar{
				Name: envName(store, key),
				ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
					LocalObjectReference: corev1.LocalObjectReference{Name: StoreSecret(store)}, Key: key,
				}},
			})
		}
	}
	return env, nil
}

func envName(store, key string) string {
	return strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(store + "_" + key))
}

// envKey is the key of a variable's value in the component's Secret; it cannot
// be that of a file, which begins with a digit.
func envKey(name string) string { return "env." + name }

// fileKey is unique in the component and still tells which file it is.
func fileKey(index int, file string) string {
	base := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
			return c
		}
		return '_'
	}, path.Base(file))
	return fmt.Sprintf("%d-%s", index, base[:min(len(base), 200)])
}

func fileMode(f v1alpha1.File) int32 {
	mode, err := strconv.ParseInt(f.Mode, 8, 32)
	if err != nil { // empty: Validate refused everything else
		return defaultFileMode
	}
	return int32(mode)
}

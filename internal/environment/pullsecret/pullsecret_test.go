package pullsecret_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/landfall-dev/landfall/internal/environment/pullsecret"
	"github.com/landfall-dev/landfall/internal/fault"
)

// secret of the project "team", with a configuration of Docker.
func secret(name, configuration string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name},
		Type:       corev1.SecretTypeDockerConfigJson,
		Data:       map[string][]byte{corev1.DockerConfigJsonKey: []byte(configuration)},
	}
}

func auth(user string) string { return base64.StdEncoding.EncodeToString([]byte(user + ":hunter2")) }

func TestWhichCredentialsAreShown(t *testing.T) {
	c, err := pullsecret.Read(
		secret("paths", `{"auths": {"registry.example/shop": {"auth": "`+auth("shop")+`"}, "registry.example": {"username": "all", "password": "hunter2"}}}`),
		secret("globs", `{"auths": {"*.dkr.ecr.example": {"auth": "`+auth("ecr")+`"}, "registry.example": {"auth": "`+auth("second")+`"}}}`),
		secret("hub", `{"auths": {"docker.io": {"auth": "`+auth("hub")+`"}}}`),
		secret("v1", `{"auths": {"https://old.example/v1/": {"auth": "`+auth("old")+`"}}}`),
	)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ secret, user string }{
		"registry.example/shop/web:1":   {"paths", "shop"},
		"registry.example/other:1":      {"paths", "all"},
		"1234.dkr.ecr.example/web:1":    {"globs", "ecr"},
		"nginx:1":                       {"hub", "hub"},
		"docker.io/shop/web:1":          {"hub", "hub"},
		"old.example/web:1":             {"v1", "old"},
		"registry.example:5000/web:1":   {"", ""},
		"registry.example.evil/web:1":   {"", ""},
		"a.b.dkr.ecr.example/web:1":     {"", ""},
		"not-docker.io.example/shop:1":  {"", ""},
		"public.example/library/nginx1": {"", ""},
	}
	for image, want := range tests {
		ref, err := name.ParseReference(image)
		if err != nil {
			t.Fatal(err)
		}
		authenticator, err := c.Resolve(ref.Context())
		if err != nil {
			t.Fatal(err)
		}
		shown, err := authenticator.Authorization()
		if err != nil || shown.Username != want.user || c.Covering(ref.Context()) != want.secret {
			t.Errorf("%s: user %q of Secret %q, want %q of %q (%v)", image, shown.Username, c.Covering(ref.Context()), want.user, want.secret, err)
		}
	}
}

func TestFingerprintTellsValuesApart(t *testing.T) {
	fingerprint := func(secrets ...*corev1.Secret) string {
		c, err := pullsecret.Read(secrets...)
		if err != nil {
			t.Fatal(err)
		}
		return c.Fingerprint()
	}
	one := secret("a", `{"auths": {"x.example": {"auth": "`+auth("ada")+`"}}}`)
	other := secret("a", `{"auths": {"x.example": {"auth": "`+auth("bob")+`"}}}`)
	if fingerprint(one) != fingerprint(one.DeepCopy()) {
		t.Error("the same values have two fingerprints")
	}
	if fingerprint(one) == fingerprint(other) || fingerprint(one) == fingerprint() || fingerprint(one, other) == fingerprint(other, one) {
		t.Error("other values have the same fingerprint")
	}
	var none *pullsecret.Credentials
	ref, _ := name.ParseReference("x.example/web")
	if none.Fingerprint() != "" || none.Covering(ref.Context()) != "" {
		t.Error("no credentials know a registry")
	}
}

// TestUselessSecrets: what a person is told names the Secret, the key and what to
// do, and never the value.
func TestUselessSecrets(t *testing.T) {
	const password = "hunter2"
	opaque := secret("registry", "{}")
	opaque.Type = ""
	tests := map[string]struct {
		secret *corev1.Secret
		want   string
	}{
		"made with `create secret generic`": {opaque, "Secret team/registry is of type Opaque: credentials for registries are kubernetes.io/dockerconfigjson"},
		"empty":                             {secret("registry", ""), "key .dockerconfigjson of Secret team/registry is missing or empty"},
		"no JSON":                           {secret("registry", password), "is no Docker configuration"},
		"other JSON":                        {secret("registry", `{"auths": "`+password+`"}`), "is no Docker configuration"},
		"no registry":                       {secret("registry", `{"auths": {}}`), "names no registry under auths"},
		"the old format":                    {secret("registry", `{"x.example": {"auth": "`+auth("ada")+`"}}`), "names no registry under auths"},
		"not encoded":                       {secret("registry", `{"auths": {"x.example": {"auth": "ada:`+password+`"}}}`), `has an auth for "x.example" that is not the base64 of USERNAME:PASSWORD`},
		"no user":                           {secret("registry", `{"auths": {"x.example": {"auth": "`+base64.StdEncoding.EncodeToString([]byte(password))+`"}}}`), "that is not the base64"},
		"a credential store":                {secret("registry", `{"auths": {"x.example": {}}, "credsStore": "desktop"}`), "has no username and password for x.example"},
		"not a registry":                    {secret("registry", `{"auths": {"https://a b/`+password+`": {"auth": "`+auth("ada")+`"}}}`), "names a registry that cannot be one"},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			_, err := pullsecret.Read(test.secret)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "team/registry") {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if class := fault.ClassOf(err); class != fault.Invalid {
				t.Errorf("class %s", class)
			}
			if hint := fault.HintOf(err); !strings.Contains(hint, "kubectl create secret docker-registry registry -n team ") {
				t.Errorf("the hint is %q", hint)
			}
			if told := err.Error() + fault.HintOf(err); strings.Contains(told, password) {
				t.Errorf("the value is told: %s", told)
			}
		})
	}
}

func TestAbsentSecret(t *testing.T) {
	err := pullsecret.Absent("team", "registry")
	if fault.ClassOf(err) != fault.NotFound || !strings.Contains(err.Error(), "Secret team/registry") || !strings.HasPrefix(fault.HintOf(err), "Make it with `kubectl create secret docker-registry") {
		t.Errorf("got %v (%s)", err, fault.HintOf(err))
	}
}

// What is accepted can be read, and nothing panics.
func FuzzCheck(f *testing.F) {
	f.Add(`{"auths": {"x.example": {"auth": "` + auth("ada") + `"}}}`)
	f.Add(`{"auths": {"[::1": {"username": "a"}}}`)
	f.Add(`{"auths": {"%zz": {"auth": null}}}`)
	ref, err := name.ParseReference("x.example/web")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, configuration string) {
		c, err := pullsecret.Read(secret("registry", configuration))
		if err == nil {
			if _, err := c.Resolve(ref.Context()); err != nil {
				t.Error(err)
			}
			return
		}
		if !strings.Contains(err.Error(), "team/registry") {
			t.Errorf("the Secret is not named: %v", err)
		}
	})
}

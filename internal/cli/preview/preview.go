// Package preview says what a deploy would change before it does: it renders
// the environment as the controller would and compares the objects with those
// of the newest release. It changes nothing, neither in the cluster nor on
// store servers. Start at Of.
package preview

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/objects"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/pullsecret"
	"github.com/landfall-dev/landfall/internal/environment/release"
	"github.com/landfall-dev/landfall/internal/environment/store"
	"github.com/landfall-dev/landfall/internal/environment/version"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Of compares what env, edited and not written, would run with what its newest
// release holds. Objects that stay as they are are left out.
func Of(ctx context.Context, c *command.Context, env *v1alpha1.Environment) ([]objects.Difference, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	p := previewer{Client: cl, env: env}
	current, err := p.current(ctx, c)
	if err != nil {
		return nil, err
	}
	next, err := p.next(ctx, c)
	if err != nil {
		return nil, err
	}
	return compare(current, next), nil
}

type previewer struct {
	client.Client
	env *v1alpha1.Environment
}

// current reads the objects of the newest release; none where there is none.
func (p previewer) current(ctx context.Context, c *command.Context) ([]environment.Object, error) {
	rel, err := ask.CurrentRelease(ctx, c, p.env)
	if err != nil || rel == nil {
		return nil, err
	}
	var chunks [][]byte
	for _, name := range rel.Spec.Contents {
		data, err := p.secret(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("reading contents of release %s: %w", rel.Name, err)
		}
		chunks = append(chunks, data[release.ContentKey])
	}
	contents, err := release.Decode(chunks)
	if err != nil {
		return nil, fmt.Errorf("reading contents of release %s: %w", rel.Name, err)
	}
	return contents.Desired.Objects(), nil
}

// next renders what the edited environment would run.
func (p previewer) next(ctx context.Context, c *command.Context) ([]environment.Object, error) {
	bp, err := ask.Blueprint(ctx, c, p.env.Spec.Blueprint)
	if err != nil {
		return nil, err
	}
	cluster := &v1alpha1.Cluster{}
	if err := p.Get(ctx, client.ObjectKey{Name: p.env.Spec.Cluster}, cluster); err != nil {
		return nil, command.Explain(fmt.Errorf("reading cluster %s: %w", p.env.Spec.Cluster, err))
	}
	in := environment.Input{Blueprint: bp, Environment: p.env, Cluster: cluster}
	needs := environment.Needed(bp, p.env)
	if in.Secrets, err = p.secrets(ctx, needs); err != nil {
		return nil, err
	}
	if in.Stores, err = p.stores(ctx, needs.Stores); err != nil {
		return nil, err
	}
	mirrors, err := version.ParseMirrors(c.Getenv(version.MirrorsVariable))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", version.MirrorsVariable, err)
	}
	credentials, err := p.credentials(ctx, needs)
	if err != nil {
		return nil, err
	}
	resolver := version.New(version.Options{Mirrors: mirrors}).With(credentials)
	if in.Images, in.Charts, err = version.Resolve(ctx, resolver, needs); err != nil {
		return nil, err
	}
	desired, err := environment.Render(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := version.Pin(ctx, resolver, desired); err != nil {
		return nil, err
	}
	return desired.Objects(), nil
}

func (p previewer) secrets(ctx context.Context, needs environment.Needs) (map[string]map[string][]byte, error) {
	values := map[string]map[string][]byte{}
	for _, name := range slices.Concat(needs.Secrets, needs.Optional) {
		data, err := p.secret(ctx, name)
		if apierrors.IsNotFound(err) && slices.Contains(needs.Optional, name) {
			continue
		}
		if err != nil {
			return nil, command.Explain(fmt.Errorf("reading Secret %s: %w", name, err))
		}
		values[name] = data
	}
	return values, nil
}

// credentials reads the Secrets that images are pulled with.
func (p previewer) credentials(ctx context.Context, needs environment.Needs) (*pullsecret.Credentials, error) {
	var secrets []*corev1.Secret
	for _, name := range needs.PullSecrets {
		secret := &corev1.Secret{}
		err := p.read(ctx, name, secret)
		if apierrors.IsNotFound(err) {
			return nil, pullsecret.Absent(p.env.Namespace, name)
		}
		if err != nil {
			return nil, command.Explain(fmt.Errorf("reading Secret %s: %w", name, err))
		}
		secrets = append(secrets, secret)
	}
	return pullsecret.Read(secrets...)
}

// stores reads the settings of the environment's stores. One that is not made
// yet has only its place in the result: a deploy makes it first.
func (p previewer) stores(ctx context.Context, wanted []v1alpha1.Store) (map[string]map[string]string, error) {
	settings := map[string]map[string]string{}
	for _, st := range wanted {
		name := environment.StoreSettings(p.env.Name, st.Name)
		if st.External != "" {
			name = environment.StoreSource(st)
		}
		data, err := p.secret(ctx, name)
		if apierrors.IsNotFound(err) && st.External == "" {
			data, err = map[string][]byte{store.KeyURL: []byte("made by the deploy")}, nil
		}
		if err != nil {
			return nil, command.Explain(fmt.Errorf("reading the settings of store %s: %w", st.Name, err))
		}
		settings[st.Name] = map[string]string{}
		for key, value := range data {
			settings[st.Name][key] = string(value)
		}
	}
	return settings, nil
}

func (p previewer) secret(ctx context.Context, name string) (map[string][]byte, error) {
	secret := &corev1.Secret{}
	err := p.read(ctx, name, secret)
	return secret.Data, err
}

func (p previewer) read(ctx context.Context, name string, secret *corev1.Secret) error {
	err := p.Get(ctx, client.ObjectKey{Namespace: p.env.Namespace, Name: name}, secret)
	if apierrors.IsForbidden(err) {
		err = fault.Wrap(fault.Refused, err, "A preview needs the right to read the project's Secrets.")
	}
	return err
}

// compare pairs objects by what they are, in the order of the next ones, then
// those that go.
func compare(current, next []environment.Object) []objects.Difference {
	before := map[string]*unstructured.Unstructured{}
	for _, o := range current {
		before[identity(o.Object)] = o.Object
	}
	differences := []objects.Difference{}
	add := func(before, after *unstructured.Unstructured) {
		if c := objects.Compare(before, after); c.Change != "unchanged" {
			differences = append(differences, c.Difference("now", "then"))
		}
	}
	for _, o := range next {
		id := identity(o.Object)
		add(before[id], o.Object)
		delete(before, id)
	}
	for _, o := range current {
		if gone := before[identity(o.Object)]; gone != nil {
			add(gone, nil)
		}
	}
	return differences
}

func identity(u *unstructured.Unstructured) string {
	return u.GroupVersionKind().GroupKind().String() + " " + u.GetNamespace() + "/" + u.GetName()
}

package datacopy

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/store"
	"github.com/landfall-dev/landfall/internal/fault"
)

// side is one side of a copy, found.
type side struct {
	name   string
	stage  v1alpha1.Stage
	stores []located
}

// located is a store and its address.
type located struct{ name, kind, address string }

// resolve finds everything that the Job needs.
func (r *Reconciler) resolve(ctx context.Context, dc *v1alpha1.DataCopy) (batch.Job, error) {
	from, err := r.side(ctx, dc.Namespace, dc.Spec.From)
	if err != nil {
		return batch.Job{}, fmt.Errorf("source: %w", err)
	}
	to := side{}
	if dc.Spec.To != nil {
		if to, err = r.side(ctx, dc.Namespace, *dc.Spec.To); err != nil {
			return batch.Job{}, fmt.Errorf("target: %w", err)
		}
	}
	job := batch.Job{
		Name: dc.Name, From: from.name, To: to.name, FromStage: string(from.stage), ToStage: string(to.stage),
		Action: batch.Action(dc.Spec.Action), Choices: choices(dc), Follow: dc.Spec.Follow,
	}
	if job.Stores, err = pairs(dc, from, to); err != nil {
		return job, err
	}
	if job.Rules, job.Key, err = r.mask(ctx, dc); err != nil {
		return job, err
	}
	return job, job.Allow()
}

func choices(dc *v1alpha1.DataCopy) batch.Choices {
	c := batch.Choices{
		Unmasked: dc.Spec.Unmasked, IntoProduction: dc.Spec.IntoProduction, Mode: datacopy.Mode(dc.Spec.Mode),
		Replace: dc.Spec.Replace, Delete: dc.Spec.Delete, Include: dc.Spec.Include, Exclude: dc.Spec.Exclude,
		Parallel: int(dc.Spec.Parallel), MaxThreadsRunning: int(dc.Spec.MaxThreadsRunning), Options: dc.Spec.Options,
	}
	if limit := dc.Spec.MaxBytesPerSecond; limit != nil {
		c.MaxBytesPerSecond = limit.Value()
	}
	return c
}

// side finds the stores of one side.
func (r *Reconciler) side(ctx context.Context, project string, asked v1alpha1.DataCopySide) (side, error) {
	if asked.Secret != "" {
		secret, err := r.secret(ctx, project, asked.Secret)
		if err != nil {
			return side{}, err
		}
		address, err := datacopy.ParseAddress(string(secret.Data[store.KeyURL]))
		if err != nil {
			return side{}, fmt.Errorf("reading Secret %s: %w", asked.Secret, err)
		}
		return side{name: "secret/" + asked.Secret, stage: asked.Stage, stores: []located{{kind: string(address.Kind()), address: string(secret.Data[store.KeyURL])}}}, nil
	}
	env := &v1alpha1.Environment{}
	if err := r.get(ctx, project, asked.Environment, "environment", env); err != nil {
		return side{}, err
	}
	bp := &v1alpha1.Blueprint{}
	if err := r.get(ctx, project, env.Spec.Blueprint, "blueprint", bp); err != nil {
		return side{}, err
	}
	found := side{name: env.Name, stage: v1alpha1.StageOf(env)}
	for _, st := range environment.Needed(bp, env).Stores {
		address, err := r.address(ctx, env, st)
		if err != nil {
			return side{}, fmt.Errorf("store %s of %s: %w", st.Name, env.Name, err)
		}
		found.stores = append(found.stores, located{st.Name, string(st.Type), address})
	}
	return found, nil
}

// address is how Landfall itself reaches a store: an environment's own user may
// see neither the names of all keys nor take a snapshot.
func (r *Reconciler) address(ctx context.Context, env *v1alpha1.Environment, st v1alpha1.Store) (string, error) {
	source, err := r.secret(ctx, env.Namespace, environment.StoreSource(st))
	if err != nil {
		return "", err
	}
	if st.External != "" {
		return string(source.Data[store.KeyURL]), nil
	}
	own := &corev1.Secret{}
	err = r.Live.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: environment.StoreSettings(env.Name, st.Name)}, own)
	if apierrors.IsNotFound(err) {
		return "", fault.New(fault.Failed, "", "it is not made yet")
	}
	if err != nil {
		return "", fmt.Errorf("reading its settings: %w", err)
	}
	return within(string(source.Data[store.KeyURL]), string(st.Type), own.Data)
}

// within is the part of a server that is a store's own.
func within(server, kind string, own map[string][]byte) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", fault.New(fault.Invalid, "", "the server's address is not a URL")
	}
	query := u.Query()
	switch datacopy.Kind(kind) {
	case datacopy.MySQL:
		u.Path = "/" + string(own[store.KeyDatabase])
	case datacopy.Redis:
		u.Path = cmp.Or(u.Path, "/"+string(own[store.KeyDatabase]))
		query.Set("prefix", string(own[store.KeyPrefix]))
	case datacopy.S3:
		u.Path = "/" + string(own[store.KeyBucket])
		query.Set("region", string(own[store.KeyRegion]))
		query.Del("users")
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// pairs joins the stores that both sides have.
func pairs(dc *v1alpha1.DataCopy, from, to side) ([]batch.Store, error) {
	var stores []batch.Store
	for _, source := range from.stores {
		wanted := len(dc.Spec.Stores) == 0 || slices.Contains(dc.Spec.Stores, source.name) || source.name == "" || to.single()
		if !wanted {
			continue
		}
		target, found := to.find(source)
		if dc.Spec.To == nil || found {
			stores = append(stores, batch.Store{Name: cmp.Or(source.name, target.name, first(dc.Spec.Stores), source.kind), From: source.address, To: target.address})
		}
	}
	if to.single() || from.single() {
		return single(dc, stores)
	}
	for _, name := range dc.Spec.Stores {
		if !slices.ContainsFunc(stores, func(s batch.Store) bool { return s.Name == name }) {
			return nil, fault.New(fault.Invalid, "`landfall env get` shows an environment.", "%s and %s do not both have a store %s of one type", from.name, to.name, name)
		}
	}
	return stores, nil
}

// single makes sure that an address stands for one store.
func single(dc *v1alpha1.DataCopy, stores []batch.Store) ([]batch.Store, error) {
	if name := first(dc.Spec.Stores); name != "" {
		named := slices.DeleteFunc(slices.Clone(stores), func(s batch.Store) bool { return s.Name != name })
		if len(named) > 0 {
			stores = named
		}
	}
	if len(stores) > 1 {
		return nil, fault.New(fault.Invalid, "Name it with --store (spec.stores).", "the environment has %d stores of that type, and the other side is one", len(stores))
	}
	return stores, nil
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// single says that the side is one store, by its address.
func (s side) single() bool { return len(s.stores) == 1 && s.stores[0].name == "" }

// find gives the store that goes with one of the other side.
func (s side) find(other located) (located, bool) {
	at := slices.IndexFunc(s.stores, func(own located) bool {
		return own.kind == other.kind && (own.name == other.name || own.name == "" || other.name == "")
	})
	if at < 0 {
		return located{}, false
	}
	return s.stores[at], true
}

// The Secret that mask keys come from by default.
const (
	maskKeySecret = "landfall-mask-key"
	maskKeyKey    = "key"
)

// mask reads rules and key.
func (r *Reconciler) mask(ctx context.Context, dc *v1alpha1.DataCopy) (rules, key string, err error) {
	spec := dc.Spec.Mask
	if spec == nil {
		return "", "", nil
	}
	rules = spec.Rules
	if ref := spec.ConfigMap; ref != nil {
		kept := &corev1.ConfigMap{}
		if err := r.get(ctx, dc.Namespace, ref.Name, "ConfigMap", kept); err != nil {
			return "", "", err
		}
		if rules = kept.Data[ref.Key]; rules == "" {
			return "", "", fault.New(fault.Invalid, "", "ConfigMap %s has no key %s", ref.Name, ref.Key)
		}
	}
	if ref := spec.Key; ref != nil {
		secret, err := r.secret(ctx, dc.Namespace, ref.Name)
		if err != nil {
			return "", "", err
		}
		return rules, string(secret.Data[ref.Key]), nil
	}
	key, err = r.projectKey(ctx, dc.Namespace)
	return rules, key, err
}

// projectKey is the mask key of a project, made at the first use and kept: with
// another one the same person would be another.
func (r *Reconciler) projectKey(ctx context.Context, project string) (string, error) {
	secret := &corev1.Secret{}
	at := client.ObjectKey{Namespace: project, Name: maskKeySecret}
	err := r.Live.Get(ctx, at, secret)
	if err == nil {
		return string(secret.Data[maskKeyKey]), nil
	}
	if !apierrors.IsNotFound(err) {
		return "", fmt.Errorf("reading Secret %s: %w", maskKeySecret, err)
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	secret = &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: project, Name: maskKeySecret, Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.FieldManager}},
		Data:       map[string][]byte{maskKeyKey: []byte(hex.EncodeToString(random))},
	}
	if err := r.Client.Create(ctx, secret); err != nil {
		return "", fmt.Errorf("making Secret %s: %w", maskKeySecret, err)
	}
	return string(secret.Data[maskKeyKey]), nil
}

func (r *Reconciler) secret(ctx context.Context, project, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	return secret, r.get(ctx, project, name, "Secret", secret)
}

func (r *Reconciler) get(ctx context.Context, project, name, kind string, object client.Object) error {
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: project, Name: name}, object)
	if apierrors.IsNotFound(err) {
		return fault.New(fault.NotFound, "", "%s %s does not exist in project %s", kind, name, project)
	}
	if err != nil {
		return fmt.Errorf("reading %s %s: %w", kind, name, err)
	}
	return nil
}

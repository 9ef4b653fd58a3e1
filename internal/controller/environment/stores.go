package environment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/store"
	"github.com/landfall-dev/landfall/internal/fault"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

const (
	// labelStore on a Secret names the store whose settings it holds.
	labelStore = "landfall.dev/store"
	// annotationServer is the fingerprint of the server that made the store, so
	// that another server makes it anew.
	annotationServer = "landfall.dev/store-server"
	// annotationServers names the Secrets of all servers that ever made it,
	// separated by commas: on each it must be removed.
	annotationServers = "landfall.dev/store-servers"
)

// ensureStores gives the settings of the stores, and makes those that the
// environment has not got yet. A store that leaves the blueprint keeps its
// data until the environment is deleted: a rollback may want it back.
func (r *Reconciler) ensureStores(ctx context.Context, s *scope, stores []v1alpha1.Store) (map[string]map[string]string, error) {
	settings := make(map[string]map[string]string, len(stores))
	for _, st := range stores {
		found, err := r.ensureStore(ctx, s, st)
		if err != nil {
			return nil, fmt.Errorf("store %s: %w", st.Name, err)
		}
		settings[st.Name] = found
	}
	return settings, nil
}

func (r *Reconciler) ensureStore(ctx context.Context, s *scope, st v1alpha1.Store) (store.Settings, error) {
	source, err := r.secrets.get(ctx, types.NamespacedName{Namespace: s.env.Namespace, Name: environment.StoreSource(st)})
	if err != nil {
		return nil, err
	}
	address := string(source.Data[store.KeyURL])
	if address == "" {
		return nil, fault.New(fault.Invalid, "Put the address under the key url.", "Secret %s has no url", source.Name)
	}
	if err := reachedFrom(s.cluster, source.Name, address); err != nil {
		return nil, err
	}
	if st.External != "" {
		return settingsOf(source), nil
	}
	own, err := r.secrets.get(ctx, types.NamespacedName{Namespace: s.env.Namespace, Name: environment.StoreSettings(s.env.Name, st.Name)})
	switch {
	case fault.ClassOf(err) == fault.NotFound:
		own = nil
	case err != nil:
		return nil, err
	case !metav1.IsControlledBy(own, s.env):
		return nil, fault.New(fault.Refused, "Delete it, or choose another name for the environment.", "Secret %s exists already and is not this environment's", own.Name)
	case own.Annotations[annotationServer] == fingerprint(address):
		return settingsOf(own), nil
	}
	return r.makeStore(ctx, s, st, source, own)
}

// reachedFrom refuses a server that pods of the cluster cannot know: names of
// Services mean something on the management cluster only.
func reachedFrom(cluster *v1alpha1.Cluster, secret, address string) error {
	if cluster.Spec.KubeconfigSecret == nil {
		return nil
	}
	server, err := store.ParseServer(address)
	if err != nil {
		return err
	}
	host := server.Hostname()
	if !strings.HasSuffix(host, ".svc") && !strings.Contains(host, ".svc.") {
		return nil
	}
	return fault.New(fault.Invalid, "Give the Secret an address that pods of both clusters reach.",
		"its server %s cannot be reached from cluster %s: give Secret %s an address that pods there reach", host, cluster.Name, secret)
}

// makeStore makes a store on the server of source and remembers its settings.
func (r *Reconciler) makeStore(ctx context.Context, s *scope, st v1alpha1.Store, source, own *corev1.Secret) (store.Settings, error) {
	address := string(source.Data[store.KeyURL])
	server, err := r.OpenStore(address)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	req := storeRequest(s.env, st.Name)
	if own != nil {
		req.Existing = settingsOf(own)
	}
	settings, err := server.Ensure(ctx, req)
	if err != nil {
		return nil, err
	}
	r.Reached(pointStores)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.env.Namespace, Name: environment.StoreSettings(s.env.Name, st.Name)}}
	if own != nil {
		secret = own.DeepCopy()
	}
	fillStoreSecret(secret, s.env.Name, st.Name, source.Name, address, settings)
	if err := controllerutil.SetControllerReference(s.env, secret, r.Client.Scheme()); err != nil {
		return nil, err
	}
	if own == nil {
		err = r.Client.Create(ctx, secret)
	} else {
		err = r.Client.Update(ctx, secret)
	}
	if err != nil {
		return nil, fmt.Errorf("keeping its settings: %w", err)
	}
	return settings, nil
}

func fillStoreSecret(secret *corev1.Secret, env, storeName, source, address string, settings store.Settings) {
	metav1.SetMetaDataLabel(&secret.ObjectMeta, v1alpha1.LabelManagedBy, v1alpha1.FieldManager)
	metav1.SetMetaDataLabel(&secret.ObjectMeta, v1alpha1.LabelEnvironment, env)
	metav1.SetMetaDataLabel(&secret.ObjectMeta, labelStore, storeName)
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, annotationServer, fingerprint(address))
	servers := serversOf(secret)
	if !slices.Contains(servers, source) {
		servers = append(servers, source)
	}
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, annotationServers, strings.Join(servers, ","))
	secret.Data = make(map[string][]byte, len(settings))
	for key, value := range settings {
		secret.Data[key] = []byte(value)
	}
}

// removeStores takes away the stores made for an environment, with their data.
func (r *Reconciler) removeStores(ctx context.Context, s *scope) error {
	var made corev1.SecretList
	err := r.Live.List(ctx, &made, client.InNamespace(s.env.Namespace),
		client.MatchingLabels{v1alpha1.LabelEnvironment: s.env.Name}, client.HasLabels{labelStore})
	if err != nil {
		return fmt.Errorf("listing stores: %w", err)
	}
	for i := range made.Items {
		own := &made.Items[i]
		if !metav1.IsControlledBy(own, s.env) {
			continue
		}
		if err := r.removeStore(ctx, s, own); err != nil {
			return fmt.Errorf("removing store %s: %w", own.Labels[labelStore], err)
		}
	}
	return nil
}

func (r *Reconciler) removeStore(ctx context.Context, s *scope, own *corev1.Secret) error {
	req := storeRequest(s.env, own.Labels[labelStore])
	req.Existing = settingsOf(own)
	for _, name := range serversOf(own) {
		source, err := r.secrets.get(ctx, types.NamespacedName{Namespace: s.env.Namespace, Name: name})
		if err != nil {
			return err
		}
		server, err := r.OpenStore(string(source.Data[store.KeyURL]))
		if err != nil {
			return err
		}
		err = server.Remove(ctx, req)
		_ = server.Close()
		if err != nil {
			return err
		}
	}
	r.Reached(pointRemove)
	return client.IgnoreNotFound(r.Client.Delete(ctx, own))
}

func storeRequest(env *v1alpha1.Environment, name string) store.Request {
	return store.Request{Project: env.Namespace, Environment: env.Name, UID: string(env.UID), Store: name}
}

func serversOf(secret *corev1.Secret) []string {
	if listed := secret.Annotations[annotationServers]; listed != "" {
		return strings.Split(listed, ",")
	}
	return nil
}

func settingsOf(secret *corev1.Secret) store.Settings {
	settings := make(store.Settings, len(secret.Data))
	for key, value := range secret.Data {
		settings[key] = string(value)
	}
	return settings
}

// fingerprint identifies an address without showing the password in it.
func fingerprint(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:8])
}

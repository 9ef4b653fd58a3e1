package provision

import (
	"errors"
	"fmt"
	"net"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

// KeyKubeconfig is the key of a kubeconfig in its Secret.
const KeyKubeconfig = "kubeconfig"

// SecretRef is where the kubeconfig of a cluster is kept unless it is chosen
// otherwise.
func SecretRef(cluster string) *v1alpha1.SecretKeyRef {
	return &v1alpha1.SecretKeyRef{Namespace: Namespace, Name: secretName(cluster), Key: KeyKubeconfig}
}

func secretName(cluster string) string { return "cluster-" + cluster }

// Secret holds the kubeconfig of a cluster. Errors: fault.Invalid if Landfall's
// pods could not use it.
func Secret(cluster string, config *api.Config) (*corev1.Secret, error) {
	return secretAt(SecretRef(cluster), config)
}

func secretAt(ref *v1alpha1.SecretKeyRef, config *api.Config) (*corev1.Secret, error) {
	if err := usableByPods(config); err != nil {
		return nil, err
	}
	text, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name, Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.FieldManager}},
		Type:       corev1.SecretTypeOpaque,
		Data:       map[string][]byte{keyOf(ref): text},
	}, nil
}

// Complete reduces a kubeconfig to its current context, files read in.
func Complete(config *api.Config) error {
	if config.Contexts[config.CurrentContext] == nil {
		return fmt.Errorf("there is no context %q", config.CurrentContext)
	}
	if err := api.MinifyConfig(config); err != nil {
		return err
	}
	for _, cluster := range config.Clusters {
		if cluster.Server == "" {
			return errors.New("the cluster has no server")
		}
	}
	return api.FlattenConfig(config)
}

// SetServer replaces the address of the API server, and gives the one that was
// there; "" leaves it.
func SetServer(config *api.Config, server string) (before string) {
	if server == "" {
		return ""
	}
	for _, cluster := range config.Clusters {
		before, cluster.Server = cluster.Server, server
	}
	return before
}

// usableByPods refuses what works on this machine only.
func usableByPods(config *api.Config) error {
	for _, cluster := range config.Clusters {
		u, err := url.Parse(cluster.Server)
		if err != nil {
			return fault.New(fault.Invalid, "", "the server's URL: %w", err)
		}
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			return fault.New(fault.Invalid, "Give the address that pods reach it by: --server https://HOST:6443.",
				"its server %s is this machine's own: Landfall's pods cannot reach it", cluster.Server)
		}
	}
	for _, user := range config.AuthInfos {
		if user.Exec != nil {
			return fault.New(fault.Invalid, "Use a ServiceAccount's token, or a client certificate.",
				"its user logs in by the program %s, which Landfall's pods do not have", user.Exec.Command)
		}
	}
	return nil
}

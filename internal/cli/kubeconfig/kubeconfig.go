// Package kubeconfig keeps the contexts of local clusters in the user's
// kubeconfig, as kind and minikube do. It touches only contexts, clusters and
// users called landfall-NAME.
package kubeconfig

import (
	"errors"
	"fmt"
	"io/fs"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// ContextName of a local cluster.
func ContextName(cluster string) string { return "landfall-" + cluster }

// Merge takes the kubeconfig file of a local cluster over into the user's
// kubeconfig (explicit, when not empty; else $KUBECONFIG or ~/.kube/config) as
// context landfall-NAME and makes it the current one. It gives the context's
// name. Merging again is fine.
func Merge(explicit, file, cluster string) (string, error) {
	from, err := clientcmd.LoadFromFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the kubeconfig of %s: %w", cluster, err)
	}
	current := from.Contexts[from.CurrentContext]
	if current == nil || from.Clusters[current.Cluster] == nil || from.AuthInfos[current.AuthInfo] == nil {
		return "", fmt.Errorf("reading the kubeconfig of %s: %s has no usable current context", cluster, file)
	}
	name := ContextName(cluster)
	err = modify(explicit, func(config *api.Config) {
		// Entries are written to the file they say they come from.
		config.Clusters[name] = from.Clusters[current.Cluster]
		config.Clusters[name].LocationOfOrigin = ""
		config.AuthInfos[name] = from.AuthInfos[current.AuthInfo]
		config.AuthInfos[name].LocationOfOrigin = ""
		config.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
		config.CurrentContext = name
	})
	return name, err
}

// Remove takes the context of a local cluster out of the user's kubeconfig.
// One that is not there is fine.
func Remove(explicit, cluster string) error {
	name := ContextName(cluster)
	return modify(explicit, func(config *api.Config) {
		delete(config.Clusters, name)
		delete(config.AuthInfos, name)
		delete(config.Contexts, name)
		if config.CurrentContext == name {
			config.CurrentContext = ""
		}
	})
}

func modify(explicit string, edit func(*api.Config)) error {
	options := clientcmd.NewDefaultPathOptions()
	options.LoadingRules.ExplicitPath = explicit
	config, err := options.GetStartingConfig()
	if errors.Is(err, fs.ErrNotExist) {
		config, err = api.NewConfig(), nil
	}
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	edit(config)
	if err := clientcmd.ModifyConfig(options, *config, false); err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	return nil
}

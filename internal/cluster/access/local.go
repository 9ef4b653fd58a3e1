package access

import (
	"context"
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
)

// SourceLocal keeps the contexts of local clusters.
const SourceLocal = "local"

// LocalContext is the name of a local cluster's context.
func LocalContext(cluster string) string { return "landfall-" + cluster }

// MergeLocal takes the kubeconfig file of a local cluster over as context
// landfall-NAME, makes it the current one, and gives its name. Merging again is
// fine.
func (f Files) MergeLocal(ctx context.Context, file, cluster string) (string, error) {
	from, err := clientcmd.LoadFromFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the kubeconfig of %s: %w", cluster, err)
	}
	current := from.Contexts[from.CurrentContext]
	if current == nil || from.Clusters[current.Cluster] == nil || from.AuthInfos[current.AuthInfo] == nil {
		return "", fmt.Errorf("reading the kubeconfig of %s: %s has no usable current context", cluster, file)
	}
	edit := localEdit(cluster)
	name := LocalContext(cluster)
	edit.Use = name
	edit.Want = []Entry{{
		Context: name, Mark: Mark{Source: SourceLocal, Cluster: cluster},
		ServerName: name, Server: *from.Clusters[current.Cluster],
		LoginName: name, Login: *from.AuthInfos[current.AuthInfo],
	}}
	_, err = f.Edit(ctx, edit, false)
	return name, err
}

// RemoveLocal takes the context of a local cluster out. One that is not there is
// fine.
func (f Files) RemoveLocal(ctx context.Context, cluster string) error {
	_, err := f.Edit(ctx, localEdit(cluster), false)
	return err
}

// localEdit is about one local cluster. Everything called landfall-NAME is its
// own, also what an earlier version has written without a mark.
func localEdit(cluster string) Edit {
	return Edit{Source: SourceLocal, Only: []string{cluster}, Claim: []string{LocalContext(cluster)}}
}

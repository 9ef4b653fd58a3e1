package kubeconfig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/access"
	"github.com/landfall-dev/landfall/internal/cluster/access/eks"
	"github.com/landfall-dev/landfall/internal/fault"
)

// soleRole is the role of clusters that say nothing of roles.
const soleRole = "admin"

// gatherer turns the Clusters of a management cluster into what there is access
// to.
type gatherer struct {
	client     client.Client
	management *rest.Config
	kubeconfig string
	source     access.Source
	groups     []string
	only       []string
	accounts   *accounts
}

func gather(ctx context.Context, c *command.Context, f *flags, source access.Source, accounts *accounts) ([]access.Cluster, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	config, err := c.RESTConfig()
	if err != nil {
		return nil, err
	}
	var list v1alpha1.ClusterList
	if err := cl.List(ctx, &list); err != nil {
		return nil, command.Explain(err)
	}
	groups := f.groups
	if len(groups) == 0 {
		if groups, err = groupsOf(ctx, cl); err != nil {
			return nil, err
		}
	}
	g := gatherer{client: cl, management: config, source: source, groups: groups, only: f.roles, accounts: accounts}
	if c.Kube.Kubeconfig != "" {
		if g.kubeconfig, err = filepath.Abs(c.Kube.Kubeconfig); err != nil {
			return nil, fmt.Errorf("naming the kubeconfig: %w", err)
		}
	}
	var clusters []access.Cluster
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil {
			clusters = append(clusters, g.cluster(ctx, &list.Items[i]))
		}
	}
	return clusters, nil
}

// groupsOf asks the cluster who one is.
func groupsOf(ctx context.Context, cl client.Client) ([]string, error) {
	review := &authenticationv1.SelfSubjectReview{}
	if err := cl.Create(ctx, review); err != nil {
		return nil, fault.New(fault.Failed, "Say your groups with --group.", "asking the cluster for your groups: %w", err)
	}
	return review.Status.UserInfo.Groups, nil
}

// cluster is what is known of one. What could not be found out makes it unknown.
func (g gatherer) cluster(ctx context.Context, from *v1alpha1.Cluster) access.Cluster {
	c := access.Cluster{
		Name: from.Name, Created: from.CreationTimestamp.Time, Latest: from.Spec.Latest,
		Ready: from.Spec.Ready == nil || *from.Spec.Ready,
	}
	if err := g.byTags(ctx, from, &c); err != nil {
		c.Unknown = err.Error()
		return c
	}
	if !c.Ready {
		return c
	}
	stored, unusable, err := g.reach(ctx, from, &c)
	if err != nil {
		c.Unknown = err.Error()
		return c
	}
	for _, role := range g.roles(from) {
		c.Roles = append(c.Roles, g.role(ctx, from, role, stored, unusable))
	}
	return c
}

// byTags lets the tags of an EKS cluster decide, where it has any.
func (g gatherer) byTags(ctx context.Context, from *v1alpha1.Cluster, c *access.Cluster) error {
	if from.Spec.EKS == nil {
		return nil
	}
	said, err := g.accounts.describe(ctx, from.Spec.EKS.Region, from.Spec.EKS.Name)
	if err != nil {
		return err
	}
	c.Server = said.Server
	if said.Ready != nil {
		c.Ready = *said.Ready
	}
	if said.Latest != nil {
		c.Latest = *said.Latest
	}
	return nil
}

// reach finds out where the API server is: from the cluster's kubeconfig for
// those who may read it, or from what its status says. The login is that of the
// kubeconfig; unusable says why there is none.
func (g gatherer) reach(ctx context.Context, from *v1alpha1.Cluster, c *access.Cluster) (login api.AuthInfo, unusable string, err error) {
	ref := from.Spec.KubeconfigSecret
	switch {
	case from.Spec.EKS != nil:
		return login, "", nil // AWS has said where it is
	case ref == nil:
		c.Server = api.Cluster{
			Server: g.management.Host, CertificateAuthorityData: g.management.CAData, CertificateAuthority: g.management.CAFile,
			TLSServerName: g.management.ServerName, InsecureSkipTLSVerify: g.management.Insecure,
		}
		return login, "it is the cluster that Landfall runs in: use context " + g.source.Via, nil
	}
	var secret corev1.Secret
	err = g.client.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, &secret)
	switch {
	case apierrors.IsForbidden(err):
		c.Server = api.Cluster{Server: from.Status.Endpoint, CertificateAuthorityData: from.Status.CertificateAuthority}
		unusable = "its kubeconfig is not for you to read"
		if c.Server.Server == "" {
			return login, "", fmt.Errorf("it has not answered yet")
		}
	case err != nil:
		return login, "", fmt.Errorf("reading its kubeconfig: %w", err)
	default:
		key := ref.Key
		if key == "" {
			key = "kubeconfig"
		}
		if c.Server, login, unusable, err = access.Stored(secret.Data[key]); err != nil {
			return login, "", fmt.Errorf("reading its kubeconfig, Secret %s/%s: %w", ref.Namespace, ref.Name, err)
		}
	}
	if from.Spec.Endpoint != "" {
		c.Server.Server = from.Spec.Endpoint
	}
	return login, unusable, nil
}

// roles that the person has, in the cluster's order.
func (g gatherer) roles(from *v1alpha1.Cluster) []v1alpha1.ClusterRole {
	all := from.Spec.Roles
	if len(all) == 0 {
		all = []v1alpha1.ClusterRole{{Name: soleRole}}
	}
	var roles []v1alpha1.ClusterRole
	for _, role := range all {
		mine := len(role.Groups) == 0 || slices.ContainsFunc(role.Groups, func(group string) bool { return slices.Contains(g.groups, group) })
		if mine && (len(g.only) == 0 || slices.Contains(g.only, role.Name)) {
			roles = append(roles, role)
		}
	}
	return roles
}

// role says how one logs in by it.
func (g gatherer) role(ctx context.Context, from *v1alpha1.Cluster, role v1alpha1.ClusterRole, stored api.AuthInfo, unusable string) access.Role {
	r := access.Role{Name: role.Name}
	switch {
	case role.ServiceAccount != nil:
		r.Login, r.Unusable = g.tokens(from.Name, role.Name), g.tokenless(ctx, tokenSecret(from, role.ServiceAccount))
	case from.Spec.EKS != nil:
		login, err := eks.Login(from.Spec.EKS.Name, from.Spec.EKS.Region, role.AWSRoleARN, g.accounts.profile)
		if r.Login = login; err != nil {
			r.Unusable = err.Error()
		}
	case role.AWSRoleARN != "":
		r.Unusable = "it is a role of AWS, and the cluster does not say what EKS calls it (spec.eks)"
	case unusable != "":
		r.Unusable = unusable
	default:
		r.Login = stored
	}
	return r
}

// tokenless says why one cannot get tokens with the kubeconfig in a Secret. What
// cannot be told now is told when a token is needed.
func (g gatherer) tokenless(ctx context.Context, ref *v1alpha1.SecretKeyRef) string {
	if ref == nil {
		return ""
	}
	switch err := g.client.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, &corev1.Secret{}); {
	case apierrors.IsForbidden(err):
		return "its tokens are got with Secret " + ref.Namespace + "/" + ref.Name + ", which is not for you to read"
	case apierrors.IsNotFound(err):
		return "its tokens are got with Secret " + ref.Namespace + "/" + ref.Name + ", which is not there"
	}
	return ""
}

// tokens lets this program get a token whenever one is needed. It names the
// management cluster's context: the current one will be another then.
func (g gatherer) tokens(cluster, role string) api.AuthInfo {
	args := []string{"kubeconfig", "token", cluster, role}
	if g.source.Via != "" {
		args = append(args, "--context", g.source.Via)
	}
	if g.kubeconfig != "" {
		args = append(args, "--kubeconfig", g.kubeconfig)
	}
	return api.AuthInfo{Exec: &api.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: api.IfAvailableExecInteractiveMode,
		Command: thisProgram(), Args: args, InstallHint: "landfall gets the token.",
	}}
}

// thisProgram is its name where that finds it, else its path.
func thisProgram() string {
	self, err := os.Executable()
	if err != nil {
		return "landfall"
	}
	found, err := exec.LookPath("landfall")
	if err != nil {
		return self
	}
	a, err1 := os.Stat(self)
	b, err2 := os.Stat(found)
	if err1 != nil || err2 != nil || !os.SameFile(a, b) {
		return self
	}
	return "landfall"
}

package kubeconfig

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	clientauthenticationv1 "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

// tokenLife is how long a token is good for, in seconds: kubectl asks for one
// each time, long watches ask again.
const tokenLife = 15 * 60

func newToken(c *command.Context) *cobra.Command {
	return &cobra.Command{
		Use:    "token CLUSTER ROLE",
		Short:  "Get a short-lived token of a role's ServiceAccount",
		Hidden: true,
		Long: `Get a short-lived token of a role's ServiceAccount, for kubectl: contexts of
roles by ServiceAccount run this command. The token is printed as an
ExecCredential and stored nowhere.`,
		Example:           "  landfall kubeconfig token blue viewer",
		Args:              command.Args(cobra.ExactArgs(2)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return token(cmd.Context(), c, args[0], args[1])
		},
	}
}

func token(ctx context.Context, c *command.Context, name, roleName string) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	cluster := &v1alpha1.Cluster{}
	if err := cl.Get(ctx, client.ObjectKey{Name: name}, cluster); err != nil {
		return command.Explain(err)
	}
	i := slices.IndexFunc(cluster.Spec.Roles, func(r v1alpha1.ClusterRole) bool { return r.Name == roleName })
	if i < 0 || cluster.Spec.Roles[i].ServiceAccount == nil {
		return fault.New(fault.NotFound, "Run `landfall kubeconfig` to bring your contexts up to date.", "cluster %s has no role %s by ServiceAccount", name, roleName)
	}
	account := cluster.Spec.Roles[i].ServiceAccount
	config, err := tokenConfig(ctx, c, cluster, account)
	if err != nil {
		return err
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to cluster %s: %w", name, err)
	}
	life := int64(tokenLife)
	request, err := clients.CoreV1().ServiceAccounts(account.Namespace).CreateToken(ctx, account.Name,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &life}}, metav1.CreateOptions{})
	if err != nil {
		return command.Explain(fmt.Errorf("getting a token of ServiceAccount %s/%s on cluster %s: %w", account.Namespace, account.Name, name, err))
	}
	// The form is kubectl's, whatever -o says.
	return json.NewEncoder(c.Out).Encode(clientauthenticationv1.ExecCredential{
		TypeMeta: metav1.TypeMeta{APIVersion: clientauthenticationv1.SchemeGroupVersion.String(), Kind: "ExecCredential"},
		Status:   &clientauthenticationv1.ExecCredentialStatus{Token: request.Status.Token, ExpirationTimestamp: &request.Status.ExpirationTimestamp},
	})
}

// tokenConfig reaches the cluster with the right to get tokens of the account.
func tokenConfig(ctx context.Context, c *command.Context, cluster *v1alpha1.Cluster, account *v1alpha1.ServiceAccountRef) (*rest.Config, error) {
	ref := tokenSecret(cluster, account)
	if ref == nil {
		return c.RESTConfig()
	}
	config, err := ask.SecretConfig(ctx, c, cluster.Name, *ref)
	if apierrors.IsForbidden(err) {
		return nil, fault.New(fault.Refused, "Ask for the right to get that Secret; docs/access.md says how it is given.", "getting a token of ServiceAccount %s/%s on cluster %s: Secret %s/%s is not yours to read", account.Namespace, account.Name, cluster.Name, ref.Namespace, ref.Name)
	}
	return config, err
}

// tokenSecret has the kubeconfig that gets tokens of an account; nil where one's
// own login does.
func tokenSecret(cluster *v1alpha1.Cluster, account *v1alpha1.ServiceAccountRef) *v1alpha1.SecretKeyRef {
	if account.KubeconfigSecret != nil {
		return account.KubeconfigSecret
	}
	return cluster.Spec.KubeconfigSecret
}

package logs

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Tokens admit to the gathered logs of a project. Kubernetes decides who has
// one: it is a Secret in the project's namespace.
type Tokens struct {
	// Client reads Secrets as they are, not as a cache remembers them.
	Client client.Client
}

// Token gives a project's token, "" when it has none.
func (t Tokens) Token(ctx context.Context, project string) (string, error) {
	secret := &corev1.Secret{}
	err := t.Client.Get(ctx, types.NamespacedName{Namespace: project, Name: v1alpha1.SecretLogs}, secret)
	return string(secret.Data[v1alpha1.KeyToken]), client.IgnoreNotFound(err)
}

// Ensure makes the project's token where there is none.
func (t Tokens) Ensure(ctx context.Context, project string) error {
	switch token, err := t.Token(ctx, project); {
	case err != nil:
		return fmt.Errorf("reading Secret %s of project %s: %w", v1alpha1.SecretLogs, project, err)
	case token != "":
		return nil
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: project, Name: v1alpha1.SecretLogs,
			Labels: map[string]string{
				v1alpha1.LabelManagedBy:     v1alpha1.FieldManager,
				"app.kubernetes.io/part-of": "landfall", // goes with `landfall down`
			},
		},
		Data: map[string][]byte{v1alpha1.KeyToken: []byte(rand.Text())},
	}
	err := t.Client.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) { // without a token in it
		err = t.Client.Update(ctx, secret)
	}
	if err != nil {
		return fmt.Errorf("making Secret %s of project %s: %w", v1alpha1.SecretLogs, project, err)
	}
	return nil
}

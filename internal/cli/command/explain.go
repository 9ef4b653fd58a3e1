package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/clientcmd"
)

// Explain classifies an error of the Kubernetes API or of the way there and
// adds the next step. Errors that are classified already stay as they are.
func Explain(err error) error {
	var classified *fault.Error
	var status apierrors.APIStatus
	var request *url.Error
	switch {
	case err == nil, errors.As(err, &classified):
		return err
	case errors.Is(err, context.Canceled):
		return err
	case meta.IsNoMatchError(err):
		return fault.Wrap(fault.Failed, err, "Landfall is not installed in this cluster: run `landfall up`, or choose another cluster with --context.")
	case errors.As(err, &status):
		return explainStatus(err)
	case errors.As(err, &request):
		return fault.New(fault.Failed,
			"Is the cluster running? `landfall local list` shows the local ones; --context chooses another.",
			"reaching the API server %s: %w", host(request.URL), requestCause(request))
	}
	return err
}

func explainStatus(err error) error {
	switch {
	case NotInstalled(err):
		return fault.Wrap(fault.Failed, err, "Landfall is not installed in this cluster: run `landfall up`, or choose another cluster with --context.")
	case apierrors.IsNotFound(err):
		return fault.Wrap(fault.NotFound, err, "")
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fault.Wrap(fault.Refused, err, "Ask an administrator for the role landfall-editor in this namespace, or choose another with -n.")
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return fault.Wrap(fault.Invalid, err, "")
	case apierrors.IsAlreadyExists(err):
		return fault.Wrap(fault.Refused, err, "")
	case apierrors.IsConflict(err):
		return fault.Wrap(fault.Failed, err, "Somebody else changed it at the same moment: look again, then repeat.")
	}
	return fault.Wrap(fault.Failed, err, "")
}

// NotInstalled says that err means that the cluster does not know Landfall's
// kinds, rather than that an object is absent.
func NotInstalled(err error) bool {
	return meta.IsNoMatchError(err) ||
		apierrors.IsNotFound(err) && strings.Contains(err.Error(), "could not find the requested resource")
}

// NotFound is the error for an object that the user named and that is not
// there; list is the command that shows what there is.
func NotFound(kind, name, namespace, list string) error {
	return fault.New(fault.NotFound, fmt.Sprintf("`landfall %s` shows what there is; -n chooses another project.", list),
		"%s %s does not exist in project %s", kind, name, namespace)
}

func host(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		return u.Host
	}
	return raw
}

func requestCause(err *url.Error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op
	}
	return err.Err
}

func kubeconfigError(err error) error {
	if clientcmd.IsEmptyConfig(err) {
		return errors.New("looking for a cluster: there is no kubeconfig")
	}
	return fmt.Errorf("reading the kubeconfig: %w", err)
}

// sharedUser says that a user name of a cluster names a role that many share
// and so nobody in particular.
func sharedUser(name string) bool {
	for _, prefix := range []string{"system:", "kubernetes-admin", "kubernetes-super-admin", "localkube:", "admin", "default"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return name == "" || name == "minikube"
}

package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// access makes what a module put out into the Cluster's access: a Secret with a
// kubeconfig, and what the object says of AWS.
func (p *Provisioner) access(ctx context.Context, cluster *v1alpha1.Cluster, raw map[string]json.RawMessage, opts ApplyOptions, reporter progress.Reporter) error {
	outputs, err := readOutputs(raw)
	if err != nil {
		return err
	}
	config, err := outputs.config(cluster.Name)
	if err != nil {
		return err
	}
	if shortLived(config, outputs) {
		if config, err = p.ownAccount(ctx, cluster.Name, config, opts.Wait, reporter); err != nil {
			return err
		}
	}
	endpoint := SetServer(config, opts.Server)
	secret, err := secretAt(cluster.Spec.KubeconfigSecret, config)
	if err != nil {
		return fault.Wrap(fault.ClassOf(err), fmt.Errorf("reaching cluster %s: %w", cluster.Name, err), fault.HintOf(err))
	}
	if err := p.put(ctx, secret); err != nil {
		return fmt.Errorf("keeping the kubeconfig of cluster %s: %w", cluster.Name, err)
	}
	return p.describe(ctx, cluster, outputs, endpoint)
}

// put makes a Secret what it is to be.
func (p *Provisioner) put(ctx context.Context, secret *corev1.Secret) error {
	there := secret.DeepCopy()
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(secret), there)
	if apierrors.IsNotFound(err) {
		return p.Client.Create(ctx, secret)
	}
	if err != nil {
		return err
	}
	before := there.DeepCopy()
	if there.Data == nil {
		there.Data = map[string][]byte{}
	}
	maps.Copy(there.Data, secret.Data)
	return p.Client.Patch(ctx, there, client.MergeFrom(before))
}

// describe writes into the object what the module found out; endpoint is how
// people reach the cluster, where that is another way than Landfall's.
func (p *Provisioner) describe(ctx context.Context, cluster *v1alpha1.Cluster, o Outputs, endpoint string) error {
	before := cluster.DeepCopy()
	if cluster.Spec.EKS == nil && o.ClusterName != "" && o.Region != "" {
		cluster.Spec.EKS = &v1alpha1.EKS{Name: o.ClusterName, Region: o.Region}
	}
	if endpoint != "" {
		cluster.Spec.Endpoint = endpoint
	}
	cluster.Spec.Roles = roles(cluster.Spec.Roles, o.RoleARNs)
	if err := p.Client.Patch(ctx, cluster, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("writing cluster %s: %w", cluster.Name, err)
	}
	return nil
}

// account is the ServiceAccount of Landfall on clusters where what the module
// puts out logs in for minutes only.
const account = "landfall"

// ownAccount makes Landfall a ServiceAccount on the cluster, and gives a
// kubeconfig with its token. Landfall is an administrator there: charts may
// bring any kind, and Kubernetes lets nobody grant rights he does not have.
func (p *Provisioner) ownAccount(ctx context.Context, name string, config *api.Config, timeout time.Duration, reporter progress.Reporter) (*api.Config, error) {
	step := reporter.Step("making Landfall an account on cluster " + name)
	made, err := makeAccount(ctx, config, max(timeout, time.Minute), step)
	if err != nil {
		step.Fail(err)
		return nil, fmt.Errorf("making Landfall an account on cluster %s: %w", name, err)
	}
	step.Done("%s/%s", Namespace, account)
	return made, nil
}

func makeAccount(ctx context.Context, config *api.Config, timeout time.Duration, step progress.Step) (*api.Config, error) {
	reach, err := clientcmd.NewDefaultClientConfig(*config, nil).ClientConfig()
	if err != nil {
		return nil, err
	}
	kube, err := cautious(reach)
	if err != nil {
		return nil, err
	}
	if err := until(ctx, timeout, step, answers(kube)); err != nil {
		return nil, err
	}
	cl, err := client.New(reach, client.Options{})
	if err != nil {
		return nil, err
	}
	meta := metav1.ObjectMeta{Namespace: Namespace, Name: account, Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.FieldManager}}
	secret := &corev1.Secret{ObjectMeta: *meta.DeepCopy(), Type: corev1.SecretTypeServiceAccountToken}
	secret.Annotations = map[string]string{corev1.ServiceAccountNameKey: account}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}},
		&corev1.ServiceAccount{ObjectMeta: *meta.DeepCopy()},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "landfall-admin", Labels: meta.Labels},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: Namespace, Name: account}},
		},
		secret,
	} {
		if err := cl.Create(ctx, object); err != nil && !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("making %T: %w", object, err)
		}
	}
	err = wait.PollUntilContextTimeout(ctx, time.Second, time.Minute, true, func(ctx context.Context) (bool, error) {
		err := cl.Get(ctx, client.ObjectKeyFromObject(secret), secret)
		return err == nil && len(secret.Data[corev1.ServiceAccountTokenKey]) > 0, err
	})
	if err != nil {
		return nil, fmt.Errorf("waiting for its token: %w", err)
	}
	for user := range config.AuthInfos {
		config.AuthInfos[user] = &api.AuthInfo{Token: string(secret.Data[corev1.ServiceAccountTokenKey])}
	}
	return config, nil
}

// reach says how a cluster is reached by its object's kubeconfig.
func (p *Provisioner) reach(ctx context.Context, cluster *v1alpha1.Cluster) (*rest.Config, error) {
	ref := cluster.Spec.KubeconfigSecret
	text, err := p.secretValue(ctx, v1alpha1.SecretKeyRef{Namespace: ref.Namespace, Name: ref.Name, Key: keyOf(ref)})
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of cluster %s: %w", cluster.Name, err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of cluster %s: it is not one", cluster.Name)
	}
	config.WarningHandler = rest.NoWarnings{}
	config.QPS, config.Burst = 100, 200
	return config, nil
}

func keyOf(ref *v1alpha1.SecretKeyRef) string {
	if ref.Key == "" {
		return KeyKubeconfig
	}
	return ref.Key
}

// await waits until the cluster answers and has a node that is ready.
func (p *Provisioner) await(ctx context.Context, cluster *v1alpha1.Cluster, timeout time.Duration, reporter progress.Reporter) error {
	step := reporter.Step("waiting for cluster " + cluster.Name)
	host, err := p.awaitNodes(ctx, cluster, timeout, step)
	if err != nil {
		step.Fail(err)
		return fault.New(fault.Failed, "Look at the cluster; `landfall cluster apply "+cluster.Name+"` waits again.", "waiting for cluster %s: %w", cluster.Name, err)
	}
	step.Done("answers at %s", host)
	return nil
}

func (p *Provisioner) awaitNodes(ctx context.Context, cluster *v1alpha1.Cluster, timeout time.Duration, step progress.Step) (host string, err error) {
	config, err := p.reach(ctx, cluster)
	if err != nil {
		return "", err
	}
	kube, err := cautious(config)
	if err != nil {
		return "", err
	}
	if err := until(ctx, timeout, step, answers(kube)); err != nil {
		return "", fmt.Errorf("asking whether it is ready: %w", err)
	}
	if err := until(ctx, timeout, step, nodesReady(kube)); err != nil {
		return "", fmt.Errorf("asking for its nodes: %w", err)
	}
	return config.Host, nil
}

// answerTimeout bounds each request to a cluster that may not be there yet.
const answerTimeout = 5 * time.Second

// cautious is a client for a cluster that may not be there yet.
func cautious(config *rest.Config) (*kubernetes.Clientset, error) {
	config = rest.CopyConfig(config)
	config.Timeout = answerTimeout
	return kubernetes.NewForConfig(config)
}

// until asks every second until the answer is no error, and says what the last
// one was if that takes too long.
func until(ctx context.Context, timeout time.Duration, step progress.Step, ask func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, time.Second, timeout, true, func(ctx context.Context) (bool, error) {
		if last = ask(ctx); last != nil {
			step.Update("%v", last)
		}
		return last == nil, nil
	})
	if err != nil && last != nil && ctx.Err() == nil {
		return fmt.Errorf("not within %s: %w", timeout, last)
	}
	return err
}

// answers asks the API server whether it is ready.
func answers(kube kubernetes.Interface) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := kube.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err
	}
}

// nodesReady asks whether there is a node, and pods are let onto all there are.
func nodesReady(kube kubernetes.Interface) func(context.Context) error {
	return func(ctx context.Context) error {
		nodes, err := kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		return notReady(nodes.Items)
	}
}

// notReady says which node keeps pods away because it is not ready, or that
// there is none.
func notReady(nodes []corev1.Node) error {
	if len(nodes) == 0 {
		return errors.New("no node has joined")
	}
	for _, node := range nodes {
		// The taint goes a moment after the condition says ready.
		if slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady }) {
			return fmt.Errorf("node %s is not ready", node.Name)
		}
		if !slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		}) {
			return fmt.Errorf("node %s is not ready", node.Name)
		}
	}
	return nil
}

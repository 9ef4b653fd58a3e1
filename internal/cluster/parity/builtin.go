package parity

import (
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
)

// builtins are differences between two clusters that mean nothing, with where
// that is written down. transfer.FilledIn has what any copy knows already.
func builtins() []*rule {
	var rules []*rule
	for _, b := range builtinRules {
		made := b
		made.prepare()
		rules = append(rules, &made)
	}
	return rules
}

func meant(kind, path, reason string) v1alpha1.ParityIgnore {
	return v1alpha1.ParityIgnore{Kind: kind, Path: path, Reason: reason}
}

var builtinRules = []rule{
	{
		ParityIgnore: meant("", "metadata.ownerReferences", "the owner is not compared: each cluster makes its own"),
		source:       "https://kubernetes.io/docs/concepts/architecture/garbage-collection/", only: ownerStays,
	},
	{
		ParityIgnore: meant("", "spec.replicas", "an autoscaler sets it, by the load of each side"),
		source:       "https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/", only: autoscaled,
	},
	{
		ParityIgnore: meant("HorizontalPodAutoscaler.autoscaling", "metadata.annotations[autoscaling.alpha.kubernetes.io/*]", "what the autoscaler sees, kept in annotations"),
		source:       "https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v1/",
	},
	{
		ParityIgnore: meant("", "metadata.annotations[control-plane.alpha.kubernetes.io/leader]", "who leads in each cluster"),
		source:       "https://pkg.go.dev/k8s.io/client-go/tools/leaderelection/resourcelock",
	},
	{
		ParityIgnore: meant("Endpoints", "metadata.annotations[endpoints.kubernetes.io/last-change-trigger-time]", "when a controller wrote it"),
		source:       "https://kubernetes.io/docs/reference/labels-annotations-taints/",
	},
	{
		ParityIgnore: meant("Deployment.apps", "metadata.annotations[deployment.kubernetes.io/*]", "counted by each cluster's controller"),
		source:       "https://kubernetes.io/docs/reference/labels-annotations-taints/",
	},
	{ParityIgnore: meant("Pod", "spec.containers[istio-proxy]", "the mesh's sidecar, put in by each cluster"), source: istio},
	{ParityIgnore: meant("Pod", "spec.initContainers[istio-*]", "the mesh's sidecar, put in by each cluster"), source: istio},
	{ParityIgnore: meant("Pod", "spec.volumes[istio-*]", "the mesh's sidecar, put in by each cluster"), source: istio},
	{ParityIgnore: meant("Pod", "metadata.annotations[sidecar.istio.io/status]", "the mesh's sidecar, put in by each cluster"), source: istio},
	{ParityIgnore: meant("Pod", "spec.containers[linkerd-proxy]", "the mesh's sidecar, put in by each cluster"), source: linkerd},
	{ParityIgnore: meant("Pod", "spec.initContainers[linkerd-*]", "the mesh's sidecar, put in by each cluster"), source: linkerd},
	{ParityIgnore: meant("Pod", "spec.volumes[linkerd-*]", "the mesh's sidecar, put in by each cluster"), source: linkerd},
	{ParityIgnore: meant("Pod", "metadata.annotations[linkerd.io/*]", "the mesh's sidecar, put in by each cluster"), source: linkerd},
	{ParityIgnore: meant("Pod", "spec.containers[vault-agent]", "secrets' sidecar, put in by each cluster"), source: vault},
	{ParityIgnore: meant("Pod", "spec.initContainers[vault-agent-init]", "secrets' sidecar, put in by each cluster"), source: vault},
	{ParityIgnore: meant("Pod", "spec.volumes[aws-iam-token]", "the account's token, put in by each cluster"), source: podIdentity},
	{ParityIgnore: meant("Pod", "spec.containers[*].volumeMounts[aws-iam-token]", "the account's token, put in by each cluster"), source: podIdentity},
	{ParityIgnore: meant("Pod", "spec.containers[*].env[AWS_ROLE_ARN]", "the account's role, put in by each cluster"), source: podIdentity},
	{ParityIgnore: meant("Pod", "spec.containers[*].env[AWS_WEB_IDENTITY_TOKEN_FILE]", "the account's token, put in by each cluster"), source: podIdentity},
}

// Documentation of what the rules know.
const (
	transferGuide = "docs/transfer.md"
	dryRun        = "https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run"
	istio         = "https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/"
	linkerd       = "https://linkerd.io/2/features/proxy-injection/"
	vault         = "https://developer.hashicorp.com/vault/docs/platform/k8s/injector"
	podIdentity   = "https://github.com/aws/amazon-eks-pod-identity-webhook"
)

// Rules that are applied by more than their path; they match nothing by
// themselves.
var (
	runsElsewhere = v1alpha1.ParityIgnore{Kind: "CronJob.batch", Path: "spec.suspend", Reason: "it runs on one side only, as a transfer or a hand-over said"}
	targetFillsIn = v1alpha1.ParityIgnore{Reason: "the target fills it in: asked by dry run, it makes the same of the source's object"}
)

// ownerStays: the object's owner is one that stays in the source, and the
// reference could not be copied.
func ownerStays(c *comparison, k transfer.Key, d transfer.Difference) bool {
	owner, ok := d.From.(map[string]any)
	if !ok || d.To != nil {
		return false
	}
	name, _ := owner["name"].(string)
	kind, _ := owner["kind"].(string)
	version, _ := owner["apiVersion"].(string)
	group, _, found := strings.Cut(version, "/")
	if !found {
		group = ""
	}
	for _, namespace := range slices.Compact([]string{k.Namespace, ""}) {
		key := transfer.Key{Namespace: namespace, Name: name}
		key.Kind.Group, key.Kind.Kind = group, kind
		if _, stays := c.stays[key]; stays {
			return true
		}
	}
	return false
}

// autoscaled: an autoscaler of both sides names the workload.
func autoscaled(c *comparison, k transfer.Key, _ transfer.Difference) bool {
	return c.from.scaled[k] && c.to.scaled[k]
}

package job

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/provision"
	"github.com/landfall-dev/landfall/internal/fault"
)

// DefaultImage has terraform; the Cluster's spec.terraform.job.image is another.
const DefaultImage = "docker.io/hashicorp/terraform:1.11"

// Files of the request, in the folder where its Secret is.
const (
	FileRequest = "request.json"
	fileModule  = "module.tar.gz"
)

// Variables of the pod's environment.
const (
	// EnvPod is the name of the pod, and EnvJob that of its Job.
	EnvPod = "LANDFALL_POD"
	EnvJob = "LANDFALL_JOB"
)

const (
	// account is the pods' ServiceAccount, see config/rbac/terraform.yaml.
	account = "landfall-terraform"
	// containerName is that of Terraform's container.
	containerName = "terraform"
	requestFolder = "/etc/landfall"
	programFolder = "/landfall"
	workFolder    = "/workspace"
	// nobody is who runs in the pod.
	nobody = 65532
	// attempts of the pod; each goes on where the last one was killed.
	attempts = 6
	// keptFor is how long a Job and its log can be looked at.
	keptFor = 24 * 60 * 60
	// grace lets Terraform finish the request under way, and write its state.
	grace = 180
)

// Annotations of the Job.
const (
	// annotationRequest is a digest of the request, to find the Job that does the
	// same already.
	annotationRequest = "landfall.dev/request"
	// annotationApproved says what was approved; see gate.
	annotationApproved = "landfall.dev/approved"
	// annotationAnswered says that somebody has read the answer: Kubernetes takes
	// its time to call a Job ended.
	annotationAnswered = "landfall.dev/answered"
)

// made is what a Job is made of.
type made struct {
	request Request
	by      string
	unasked bool
	archive []byte
	// landfall is the image with this program.
	landfall string
	pod      v1alpha1.TerraformJob
}

func (m made) image() string { return cmp.Or(m.pod.Image, DefaultImage) }

// create makes the Job, which waits, then what it reads, then lets it go: no
// pod ever starts without its request, and nothing stays without its Job.
func (r *Runner) create(ctx context.Context, m made) (string, error) {
	job := m.job()
	if err := r.Client.Create(ctx, job); err != nil {
		return "", fmt.Errorf("making a Job: %w", err)
	}
	text, err := json.Marshal(m.request)
	if err != nil {
		return "", err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: job.Namespace, Name: job.Name, Labels: job.Labels, OwnerReferences: []metav1.OwnerReference{
			*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job")),
		}},
		Data: map[string][]byte{FileRequest: text},
	}
	if m.archive != nil {
		secret.Data[fileModule] = m.archive
	}
	if err := r.Client.Create(ctx, secret); err != nil {
		return "", fmt.Errorf("making the Secret of Job %s: %w", job.Name, err)
	}
	before := job.DeepCopy()
	job.Spec.Suspend = new(bool)
	if err := r.Client.Patch(ctx, job, client.MergeFrom(before)); err != nil {
		return "", fmt.Errorf("starting Job %s: %w", job.Name, err)
	}
	return job.Name, nil
}

// job runs a request. A pod that is killed is followed by another one, and never
// before it has ended; an answer is not tried again.
func (m made) job() *batchv1.Job {
	meta := metav1.ObjectMeta{
		Namespace: provision.Namespace, Name: namePrefix(m.request) + rand.String(5), Labels: labels(m.request),
		Annotations: map[string]string{annotationRequest: m.request.digest(), v1alpha1.AnnotationAuthor: m.by},
	}
	if m.unasked {
		meta.Annotations[annotationApproved] = approvedAll
	}
	replacement := batchv1.Failed
	return &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{
		Suspend: pointer(true), BackoffLimit: pointer(int32(attempts)), TTLSecondsAfterFinished: pointer(int32(keptFor)), PodReplacementPolicy: &replacement,
		PodFailurePolicy: &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{
			{Action: batchv1.PodFailurePolicyActionIgnore, OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{
				{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue},
			}},
			{Action: batchv1.PodFailurePolicyActionFailJob, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
				ContainerName: pointer(containerName), Operator: batchv1.PodFailurePolicyOnExitCodesOpIn,
				Values: []int32{fault.ExitNotHolding, fault.ExitUsage, fault.ExitFailed, fault.ExitRefused},
			}},
		}},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: meta.Labels}, Spec: m.podSpec(meta.Name)},
	}}
}

// podSpec runs the image with terraform; this program is put beside it.
func (m made) podSpec(job string) corev1.PodSpec {
	security := &corev1.SecurityContext{
		AllowPrivilegeEscalation: pointer(false), ReadOnlyRootFilesystem: pointer(true), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	requests := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("256Mi")}
	terraform := corev1.Container{
		Name: containerName, Image: m.image(), SecurityContext: security,
		Command:   []string{programFolder + "/landfall", "cluster", "job", "run", requestFolder},
		Env:       m.env(job),
		Resources: corev1.ResourceRequirements{Requests: requests, Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")}},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "request", MountPath: requestFolder, ReadOnly: true}, {Name: "program", MountPath: programFolder, ReadOnly: true},
			{Name: "work", MountPath: workFolder}, {Name: "tmp", MountPath: "/tmp"},
		},
	}
	if m.pod.SecretName != "" {
		terraform.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: m.pod.SecretName}}}}
	}
	return corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, ServiceAccountName: account, TerminationGracePeriodSeconds: pointer(int64(grace)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: pointer(true), RunAsUser: pointer(int64(nobody)), RunAsGroup: pointer(int64(nobody)), FSGroup: pointer(int64(nobody)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		InitContainers: []corev1.Container{{
			Name: "landfall", Image: m.landfall, SecurityContext: security, Args: []string{"cluster", "job", "install", programFolder + "/landfall"},
			Resources:    corev1.ResourceRequirements{Requests: requests},
			VolumeMounts: []corev1.VolumeMount{{Name: "program", MountPath: programFolder}},
		}},
		Containers: []corev1.Container{terraform},
		Volumes: []corev1.Volume{
			{Name: "request", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: job, DefaultMode: pointer(int32(0o440))}}},
			emptyDir("program"), emptyDir("work"), emptyDir("tmp"),
		},
	}
}

// env names who asked, as the lock shows it: in the pod nobody has a name.
func (m made) env(job string) []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "USER", Value: userName(m.by)}, {Name: "HOME", Value: workFolder}, {Name: "XDG_STATE_HOME", Value: workFolder + "/state"},
		{Name: EnvJob, Value: job},
		{Name: EnvPod, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
	}
}

var unusual = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// userName keeps what may be the user of USER@HOST.
func userName(by string) string {
	by, _, _ = strings.Cut(by, "@")
	return cmp.Or(strings.Trim(unusual.ReplaceAllString(by, "-"), "-"), "landfall")
}

func emptyDir(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
}

// namePrefix is short enough for a pod's name to be its host's, whole.
func namePrefix(r Request) string {
	const longest = 40
	name := "terraform-" + r.Operation + "-" + strings.ReplaceAll(r.Cluster, ".", "-")
	return strings.TrimRight(name[:min(len(name), longest)], "-") + "-"
}

func labels(r Request) map[string]string {
	return map[string]string{v1alpha1.LabelManagedBy: v1alpha1.FieldManager, v1alpha1.LabelCluster: labelValue(r.Cluster)}
}

// labelValue is a cluster's name, or a digest of one that is too long.
func labelValue(name string) string {
	const longest = 63
	if len(name) <= longest {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

// digest tells requests apart.
func (r Request) digest() string {
	text, err := json.Marshal(r)
	if err != nil {
		return "" // nothing in it cannot be written
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// underWay names the Job that does this already; "" if none does.
func (r *Runner) underWay(ctx context.Context, request Request) (string, error) {
	var jobs batchv1.JobList
	if err := r.Client.List(ctx, &jobs, client.InNamespace(provision.Namespace), client.MatchingLabels(labels(request))); err != nil {
		return "", fmt.Errorf("looking for Jobs of cluster %s: %w", request.Cluster, err)
	}
	for _, job := range jobs.Items {
		suspended := job.Spec.Suspend != nil && *job.Spec.Suspend // its maker was killed
		over := ended(&job) != nil || job.Annotations[annotationAnswered] != "" || !job.DeletionTimestamp.IsZero()
		if job.Annotations[annotationRequest] == request.digest() && !over && !suspended {
			return job.Name, nil
		}
	}
	return "", nil
}

// ended is the condition that a Job has ended with; nil while it has not.
func ended(job *batchv1.Job) *batchv1.JobCondition {
	for i, c := range job.Status.Conditions {
		if c.Status == corev1.ConditionTrue && slices.Contains([]batchv1.JobConditionType{batchv1.JobComplete, batchv1.JobFailed}, c.Type) {
			return &job.Status.Conditions[i]
		}
	}
	return nil
}

// landfallImage is the one that the controller runs.
func (r *Runner) landfallImage(ctx context.Context) (string, error) {
	const controller = "landfall"
	var deployment appsv1.Deployment
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: provision.Namespace, Name: controller}, &deployment); err != nil {
		return "", fault.Wrap(fault.Failed, fmt.Errorf("finding Landfall's image: %w", err), "Jobs run the image of the controller: `landfall up` installs it.")
	}
	for _, container := range deployment.Spec.Template.Spec.Containers {
		if container.Name == controller {
			return container.Image, nil
		}
	}
	return "", fault.New(fault.Failed, "`landfall up` installs it.", "finding Landfall's image: deployment %s/%s has no container %s", provision.Namespace, controller, controller)
}

func pointer[T any](v T) *T { return &v }

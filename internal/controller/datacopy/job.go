package datacopy

import (
	"context"
	"encoding/json"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/fault"
)

// workName is the name of all that is made for a copy.
func workName(dc *v1alpha1.DataCopy) string { return dc.Name + "-copy" }

const (
	jobFolder = "/etc/landfall"
	// nobody is the user of Landfall's image.
	nobody = 65532
	// attempts of the pod; each goes on where the last one was killed.
	attempts = 6
)

// ensure makes what is missing for the Job, and the Job last. It asks nothing
// of the sides once the Job is there.
func (r *Reconciler) ensure(ctx context.Context, dc *v1alpha1.DataCopy) error {
	if r.Image == "" {
		return fault.New(fault.Failed, "Set $LANDFALL_IMAGE of `landfall serve`, as `landfall up` does.", "it is not known which image copies run")
	}
	there := &batchv1.Job{}
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: dc.Namespace, Name: workName(dc)}, there)
	switch {
	case err == nil && !metav1.IsControlledBy(there, dc):
		return notOurs(there)
	case err == nil || !apierrors.IsNotFound(err):
		return err
	}
	dc.Status.Phase, dc.Status.Message = v1alpha1.DataCopyPending, "looking for the stores"
	job, err := r.resolve(ctx, dc)
	dc.Status.From, dc.Status.To = job.From, job.To
	if err != nil {
		return err
	}
	text, err := json.Marshal(job)
	if err != nil {
		return fmt.Errorf("writing the job: %w", err)
	}
	for _, object := range r.objects(dc, text) {
		if err := r.make(ctx, dc, object); err != nil {
			return err
		}
	}
	dc.Status.Job, dc.Status.Evidence = workName(dc), workName(dc)
	dc.Status.Message = "waiting for the Job's pod"
	if dc.Status.StartedAt == nil {
		now := metav1.NewTime(r.Clock())
		dc.Status.StartedAt = &now
	}
	return nil
}

// make creates an object that the copy owns. One that is there already is from
// an attempt that was interrupted, and stays: journals must.
func (r *Reconciler) make(ctx context.Context, dc *v1alpha1.DataCopy, object client.Object) error {
	if err := controllerutil.SetControllerReference(dc, object, r.Client.Scheme()); err != nil {
		return err
	}
	err := r.Client.Create(ctx, object)
	if !apierrors.IsAlreadyExists(err) {
		if err != nil {
			return fmt.Errorf("making %T %s: %w", object, object.GetName(), err)
		}
		return nil
	}
	there := object.DeepCopyObject().(client.Object)
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(object), there); err != nil {
		return fmt.Errorf("reading %T %s: %w", object, object.GetName(), err)
	}
	if !metav1.IsControlledBy(there, dc) {
		return notOurs(object)
	}
	return nil
}

func notOurs(object client.Object) error {
	return fault.New(fault.Refused, "Delete it, or name the copy otherwise.", "%T %s exists already and is not this copy's", object, object.GetName())
}

// objects are what a copy needs, in the order in which they are made.
func (r *Reconciler) objects(dc *v1alpha1.DataCopy, job []byte) []client.Object {
	all := []client.Object{
		&corev1.ServiceAccount{ObjectMeta: r.meta(dc, workName(dc))},
		&corev1.Secret{ObjectMeta: r.meta(dc, workName(dc)), Data: map[string][]byte{batch.JobFile: job}},
		&corev1.ConfigMap{ObjectMeta: r.meta(dc, workName(dc))},
	}
	writable := []string{workName(dc)}
	for n := range batch.Segments {
		writable = append(writable, batch.SegmentName(workName(dc), n))
		all = append(all, &corev1.ConfigMap{ObjectMeta: r.meta(dc, batch.SegmentName(workName(dc), n))})
	}
	return append(all,
		&rbacv1.Role{ObjectMeta: r.meta(dc, workName(dc)), Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: writable, Verbs: []string{"get", "update"}},
			// Whether to cut over is asked of the copy itself.
			{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"datacopies"}, ResourceNames: []string{dc.Name}, Verbs: []string{"get"}},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: r.meta(dc, workName(dc)),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: workName(dc)},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: dc.Namespace, Name: workName(dc)}},
		},
		r.job(dc),
	)
}

func (r *Reconciler) meta(dc *v1alpha1.DataCopy, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: dc.Namespace, Name: name, Labels: map[string]string{
		v1alpha1.LabelManagedBy: v1alpha1.FieldManager, v1alpha1.LabelDataCopy: dc.Name,
	}}
}

// retries of what only looks are none: somebody waits for it, and may ask again.
func retries(dc *v1alpha1.DataCopy) int32 {
	switch batch.Action(dc.Spec.Action) {
	case batch.Copy, "":
		return attempts
	}
	return 0
}

// job runs the copy. A pod that is killed is followed by another one, and never
// before it has ended; an answer (exit codes 1, 2 and 4) is not tried again.
func (r *Reconciler) job(dc *v1alpha1.DataCopy) *batchv1.Job {
	replacement := batchv1.Failed
	return &batchv1.Job{ObjectMeta: r.meta(dc, workName(dc)), Spec: batchv1.JobSpec{
		BackoffLimit: pointer(retries(dc)), PodReplacementPolicy: &replacement,
		PodFailurePolicy: &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{
			{Action: batchv1.PodFailurePolicyActionFailJob, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
				Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: []int32{1, 2, 4},
			}},
			{Action: batchv1.PodFailurePolicyActionIgnore, OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{
				{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue},
			}},
		}},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: r.meta(dc, "").Labels}, Spec: r.pod(dc)},
	}}
}

func (r *Reconciler) pod(dc *v1alpha1.DataCopy) corev1.PodSpec {
	return corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, ServiceAccountName: workName(dc),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: pointer(true), RunAsUser: pointer(int64(nobody)), RunAsGroup: pointer(int64(nobody)), FSGroup: pointer(int64(nobody)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: "copy", Image: r.Image,
			Args: []string{"data", "run", "--namespace", dc.Namespace, "--job", jobFolder + "/" + batch.JobFile, "--record", workName(dc), "--copy", dc.Name},
			Env:  []corev1.EnvVar{{Name: "GOMEMLIMIT", Value: "320MiB"}},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("96Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: "job", MountPath: jobFolder, ReadOnly: true}, {Name: "tmp", MountPath: "/tmp"}},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: pointer(false), ReadOnlyRootFilesystem: pointer(true), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
		}},
		Volumes: []corev1.Volume{
			{Name: "job", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: workName(dc), DefaultMode: pointer(int32(0o440))}}},
			{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
	}
}

func pointer[T any](v T) *T { return &v }

// forgetSecrets removes addresses and mask key once they are needed no more.
func (r *Reconciler) forgetSecrets(ctx context.Context, dc *v1alpha1.DataCopy) error {
	secret := &corev1.Secret{}
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: dc.Namespace, Name: workName(dc)}, secret)
	if err != nil || !metav1.IsControlledBy(secret, dc) {
		return client.IgnoreNotFound(err)
	}
	return client.IgnoreNotFound(r.Client.Delete(ctx, secret))
}

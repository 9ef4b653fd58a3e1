package environment

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	apivalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/landfall-dev/landfall/internal/fault"
)

// image builds an image component: configuration first, since the pods are
// named after it, then the workload and what goes with it.
func (r *renderer) image(p *part, path *field.Path) (built, error) {
	img, ok := r.in.Images[p.Name]
	if !ok || img.Digest == "" {
		return built{}, fault.New(fault.Failed, "", "%s: image %s was not resolved to a digest", path.Child("image"), shorten(p.reference().String()))
	}
	cfg, err := r.config(p, path)
	if err != nil {
		return built{}, err
	}
	pod, err := r.pod(p, img, cfg)
	if err != nil {
		return built{}, err
	}
	sidecars, err := r.sidecars(p, img, cfg, &pod.Spec, path.Child("sidecars"))
	if err != nil {
		return built{}, err
	}
	b := built{config: append(cfg.objects, sidecars...), objects: r.claims(p)}
	switch {
	case p.isJob():
		b.objects = append(b.objects, r.job(p, pod))
	case p.Schedule != "":
		b.objects = append(b.objects, r.cronJob(p, pod))
	default:
		b.objects = append(b.objects, r.services(p)...)
		b.objects = append(b.objects, r.deployment(p, pod))
		b.objects = append(b.objects, r.scaling(p)...)
		b.objects = append(b.objects, r.routes(p)...)
	}
	return b, nil
}

// workloadMeta is a workload's metadata. The version is a label of the workload
// only: on the pods it would replace them although nothing that runs changed.
func (r *renderer) workloadMeta(p *part, name string) metav1.ObjectMeta {
	m := r.meta(p.Name, name)
	if version := p.asked(); len(apivalidation.IsValidLabelValue(version)) == 0 {
		m.Labels[labelVersion] = version
	}
	return m
}

func (r *renderer) deployment(p *part, pod corev1.PodTemplateSpec) Object {
	d := &appsv1.Deployment{
		ObjectMeta: r.workloadMeta(p, p.Name),
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: r.selector(p.Name)},
			Template: pod,
			Strategy: strategy(p),
			// Releases are the history; one old ReplicaSet serves a look back.
			RevisionHistoryLimit: new(int32(1)),
		},
	}
	if !scalesByLoad(p) { // else replicas belong to the autoscaler
		d.Spec.Replicas = new(instances(p))
	}
	return object(p.Name, "apps/v1", "Deployment", d)
}

// strategy replaces instances without ever having fewer than asked for. Data
// that only one instance can hold forbids that: there the old one goes first.
func strategy(p *part) appsv1.DeploymentStrategy {
	if keepsData(p) {
		return appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	}
	return appsv1.DeploymentStrategy{
		Type: appsv1.RollingUpdateDeploymentStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDeployment{
			MaxUnavailable: new(intstr.FromInt32(0)),
			MaxSurge:       new(intstr.FromString("25%")),
		},
	}
}

// job is a one-off job. Its name changes with what it runs: a job cannot be
// changed, and one that has completed is not run again.
func (r *renderer) job(p *part, pod corev1.PodTemplateSpec) Object {
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever // failed pods stay, with their logs
	spec := batchv1.JobSpec{BackoffLimit: new(int32(3)), Template: pod}
	return object(p.Name, "batch/v1", "Job", &batchv1.Job{
		ObjectMeta: r.workloadMeta(p, contentName(p.Name, spec)),
		Spec:       spec,
	})
}

func (r *renderer) cronJob(p *part, pod corev1.PodTemplateSpec) Object {
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	return object(p.Name, "batch/v1", "CronJob", &batchv1.CronJob{
		ObjectMeta: r.workloadMeta(p, p.Name),
		Spec: batchv1.CronJobSpec{
			Schedule:                   p.Schedule,
			ConcurrencyPolicy:          batchv1.ForbidConcurrent,
			StartingDeadlineSeconds:    new(int64(300)),
			SuccessfulJobsHistoryLimit: new(int32(1)),
			FailedJobsHistoryLimit:     new(int32(2)),
			JobTemplate: batchv1.JobTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: r.labels(p.Name)},
				Spec:       batchv1.JobSpec{BackoffLimit: new(int32(1)), Template: pod},
			},
		},
	})
}

// services is the component's Service, where it listens on anything.
func (r *renderer) services(p *part) []Object {
	if len(p.Ports) == 0 {
		return nil
	}
	var ports []corev1.ServicePort
	for _, port := range p.Ports {
		ports = append(ports, corev1.ServicePort{
			Name: port.Name, Port: port.Port, Protocol: protocol(port), TargetPort: intstr.FromString(port.Name),
		})
	}
	return []Object{object(p.Name, "v1", "Service", &corev1.Service{
		ObjectMeta: r.meta(p.Name, p.Name),
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Selector: r.selector(p.Name), Ports: ports},
	})}
}

// claims are the component's volumes that outlive its pods.
func (r *renderer) claims(p *part) []Object {
	var objects []Object
	for _, v := range p.Volumes {
		if v.Size == nil {
			continue
		}
		objects = append(objects, object(p.Name, "v1", "PersistentVolumeClaim", &corev1.PersistentVolumeClaim{
			ObjectMeta: r.meta(p.Name, claimName(p.Name, v.Name)),
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				StorageClassName: v.StorageClassName,
				Resources: corev1.VolumeResourceRequirements{
					Requests: map[corev1.ResourceName]resource.Quantity{corev1.ResourceStorage: *v.Size},
				},
			},
		}))
	}
	return objects
}

func claimName(component, volume string) string { return component + "-" + volume }

// keepsData tells whether instances share a volume that outlives them.
func keepsData(p *part) bool {
	for _, v := range p.Volumes {
		if v.Size != nil {
			return true
		}
	}
	return false
}

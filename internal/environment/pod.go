package environment

import (
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

const (
	// storesHash in a pod template replaces the pods when a store's settings
	// change.
	storesHash = "landfall.dev/stores-hash"

	terminationGraceSeconds = 30
	// drainSeconds is how long an instance still serves after it was told to
	// go, until everybody has heard that it is leaving.
	drainSeconds = 3
	// volumeGroup owns writable volumes where no user is set, so that any user
	// that is not root may write to them.
	volumeGroup = 65532
	// unprivilegedPorts end below this one unless the pod says otherwise.
	unprivilegedPorts = 1024
)

// pod is the template of a component's pods.
func (r *renderer) pod(p *part, img Image, cfg config) (corev1.PodTemplateSpec, error) {
	container, volumes, err := r.container(p, img, cfg)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	for _, port := range p.Ports {
		container.Ports = append(container.Ports, corev1.ContainerPort{Name: port.Name, ContainerPort: port.Port, Protocol: protocol(port)})
	}
	setProbes(&container, p)
	if probedPort(&v1alpha1.Component{Ports: p.Ports}) != nil {
		container.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: drainSeconds}}}
	}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: r.labels(p.Name)},
		Spec: corev1.PodSpec{
			ServiceAccountName:            ownName,
			AutomountServiceAccountToken:  new(false),
			EnableServiceLinks:            new(false),
			TerminationGracePeriodSeconds: new(int64(terminationGraceSeconds)),
			SecurityContext:               podSecurityContext(p),
			ImagePullSecrets:              r.in.Blueprint.Spec.ImagePullSecrets,
			Containers:                    []corev1.Container{container},
			Volumes:                       volumes,
			TopologySpreadConstraints:     r.spread(p),
		},
	}
	if len(p.Stores) > 0 {
		used := map[string]map[string]string{}
		for _, store := range p.Stores {
			used[store] = r.in.Stores[store]
		}
		template.Annotations = map[string]string{storesHash: hashOf(used)[:16]}
	}
	return template, nil
}

// container is what a component's own container and a sidecar have in common,
// with the volumes it mounts.
func (r *renderer) container(p *part, img Image, cfg config) (corev1.Container, []corev1.Volume, error) {
	env, err := r.env(p, cfg)
	if err != nil {
		return corev1.Container{}, nil, err
	}
	volumes, mounts := r.volumes(p, cfg)
	container := corev1.Container{
		Name:            p.container(),
		Image:           img.String(),
		Command:         p.Command,
		Args:            p.Args,
		Env:             env,
		VolumeMounts:    mounts,
		SecurityContext: containerSecurity(p.Security),
		// What a program says last is the reason people look for.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
	if p.Resources != nil {
		container.Resources = *p.Resources.DeepCopy()
	}
	return container, volumes, nil
}

// env are the stores' settings, then the component's own variables, which win
// and may refer to the former as $(DB_HOST).
func (r *renderer) env(p *part, cfg config) ([]corev1.EnvVar, error) {
	env, err := r.storeEnv(p)
	if err != nil {
		return nil, err
	}
	env = slices.DeleteFunc(env, func(v corev1.EnvVar) bool {
		return slices.ContainsFunc(p.Env, func(own corev1.EnvVar) bool { return own.Name == v.Name })
	})
	for _, v := range p.Env {
		if v.ValueFrom == nil || v.ValueFrom.SecretKeyRef == nil {
			env = append(env, v)
			continue
		}
		if cfg.secretEnv[v.Name] {
			env = append(env, corev1.EnvVar{Name: v.Name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: cfg.secret}, Key: envKey(v.Name),
			}}})
		}
	}
	return env, nil
}

// volumes are the component's directories and files, and where they are
// mounted. A file is mounted by itself (subPath) so that its folder keeps what
// the image has there.
func (r *renderer) volumes(p *part, cfg config) ([]corev1.Volume, []corev1.VolumeMount) {
	var volumes []corev1.Volume
	var mounts []corev1.VolumeMount
	for _, v := range p.Volumes {
		source := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
		if v.Size != nil {
			source = corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claimName(p.Name, v.Name)}}
		}
		name := "volume-" + v.Name
		volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: source})
		mounts = append(mounts, corev1.VolumeMount{Name: name, MountPath: path.Clean(v.Path)})
	}
	var plain, secret []corev1.KeyToPath
	plainName, secretName := p.volumeName("files"), p.volumeName("secret-files")
	for _, f := range cfg.files {
		item := corev1.KeyToPath{Key: f.key, Path: f.key, Mode: new(f.mode)}
		name := plainName
		if f.secret {
			name, secret = secretName, append(secret, item)
		} else {
			plain = append(plain, item)
		}
		mounts = append(mounts, corev1.VolumeMount{Name: name, MountPath: f.path, SubPath: f.key, ReadOnly: true})
	}
	if plain != nil {
		volumes = append(volumes, corev1.Volume{Name: plainName, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: cfg.configMap}, Items: plain,
		}}})
	}
	if secret != nil {
		volumes = append(volumes, corev1.Volume{Name: secretName, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: cfg.secret, Items: secret,
		}}})
	}
	return volumes, mounts
}

// spread puts instances on different nodes where there are any, without
// insisting.
func (r *renderer) spread(p *part) []corev1.TopologySpreadConstraint {
	if mostInstances(p) < 2 || p.isJob() || p.Schedule != "" {
		return nil
	}
	return []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
		LabelSelector: &metav1.LabelSelector{MatchLabels: r.selector(p.Name)},
	}}
}

// podSecurityContext meets the restricted Pod Security Standard unless the
// component asks for root.
func podSecurityContext(p *part) *corev1.PodSecurityContext {
	s := &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	if p.Security != nil && p.Security.Root {
		return s
	}
	s.RunAsNonRoot = new(true)
	group := int64(volumeGroup)
	if p.Security != nil && p.Security.User != nil {
		s.RunAsUser, s.RunAsGroup = new(*p.Security.User), new(*p.Security.User)
		group = *p.Security.User
	}
	if len(p.Volumes) > 0 {
		s.FSGroup = new(group)
		s.FSGroupChangePolicy = new(corev1.FSGroupChangeOnRootMismatch)
	}
	for _, port := range p.Ports {
		if port.Port < unprivilegedPorts {
			s.Sysctls = []corev1.Sysctl{{Name: "net.ipv4.ip_unprivileged_port_start", Value: "0"}}
		}
	}
	return s
}

func containerSecurity(security *v1alpha1.Security) *corev1.SecurityContext {
	if security == nil {
		security = &v1alpha1.Security{}
	}
	s := &corev1.SecurityContext{AllowPrivilegeEscalation: new(false)}
	if security.ReadOnlyRootFilesystem {
		s.ReadOnlyRootFilesystem = new(true)
	}
	// Programs that begin as root need the runtime's default capabilities to
	// become somebody else.
	if !security.Root {
		s.Capabilities = &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}
	}
	if len(security.Capabilities) > 0 {
		if s.Capabilities == nil {
			s.Capabilities = &corev1.Capabilities{}
		}
		s.Capabilities.Add = slices.Clone(security.Capabilities)
	}
	return s
}

// protocol of a port; TCP by default.
func protocol(p v1alpha1.Port) corev1.Protocol {
	if p.Protocol == "" {
		return corev1.ProtocolTCP
	}
	return p.Protocol
}

// probedPort is the port that health is asked on: the one it names, or the
// first TCP port; nil where there is none.
func probedPort(c *v1alpha1.Component) *v1alpha1.Port {
	for i, p := range c.Ports {
		named := c.Health == nil || c.Health.Port == "" || c.Health.Port == p.Name
		if protocol(p) == corev1.ProtocolTCP && named {
			return &c.Ports[i]
		}
	}
	return nil
}

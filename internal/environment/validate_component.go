package environment

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/robfig/cron/v3"
	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// maxFiles is how much a ConfigMap or Secret holds (corev1.MaxSecretSize),
// less its own fields.
const maxFiles = corev1.MaxSecretSize - 16*1024

func validateImageComponent(bp *v1alpha1.Blueprint, c *v1alpha1.Component, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if _, err := name.ParseReference(c.Image, name.WeakValidation); err != nil {
		errs = append(errs, field.Invalid(at.Child("image"), shorten(c.Image), "not an image reference: "+shorten(err.Error())))
	}
	errs = append(errs, validatePorts(c, at.Child("ports"))...)
	errs = append(errs, validateEnv(c.Env, at.Child("env"))...)
	errs = append(errs, validateFiles(c, at)...)
	errs = append(errs, validateVolumes(c, at.Child("volumes"))...)
	errs = append(errs, validateResources(c.Resources, at.Child("resources"))...)
	errs = append(errs, validateHealth(c, at.Child("health"))...)
	errs = append(errs, validateScale(c, at.Child("scale"))...)
	errs = append(errs, validateSchedule(c, at)...)
	for i, s := range c.Stores {
		if !slices.Contains(storeNames(bp), s) {
			errs = append(errs, unknown(at.Child("stores").Index(i), "store", s, storeNames(bp)))
		}
	}
	if s := c.Security; s != nil && s.Root && s.User != nil {
		errs = append(errs, field.Forbidden(at.Child("security"), "root or user, not both"))
	}
	return append(errs, validateSidecars(c, at.Child("sidecars"))...)
}

func validatePorts(c *v1alpha1.Component, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	names, numbers, public := map[string]bool{}, map[string]bool{}, false
	for i, p := range c.Ports {
		at := at.Index(i)
		for _, msg := range apivalidation.IsValidPortName(p.Name) {
			errs = append(errs, field.Invalid(at.Child("name"), shorten(p.Name), msg))
		}
		for _, msg := range apivalidation.IsValidPortNum(int(p.Port)) {
			errs = append(errs, field.Invalid(at.Child("port"), p.Port, msg))
		}
		protocol := protocol(p)
		if protocol != corev1.ProtocolTCP && protocol != corev1.ProtocolUDP {
			errs = append(errs, field.NotSupported(at.Child("protocol"), protocol, []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP}))
		}
		if names[p.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), p.Name))
		}
		if number := fmt.Sprint(p.Port, "/", protocol); numbers[number] {
			errs = append(errs, field.Duplicate(at.Child("port"), p.Port))
		} else {
			numbers[number] = true
		}
		names[p.Name] = true
		switch {
		case p.Public && public:
			errs = append(errs, field.Forbidden(at.Child("public"), "at most one port of a component is public"))
		case p.Public && protocol != corev1.ProtocolTCP:
			errs = append(errs, field.Forbidden(at.Child("public"), "a public port speaks HTTP over TCP"))
		}
		public = public || p.Public
	}
	return errs
}

func validateEnv(env []corev1.EnvVar, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{}
	for i, v := range env {
		at := at.Index(i)
		for _, msg := range apivalidation.IsEnvVarName(v.Name) {
			errs = append(errs, field.Invalid(at.Child("name"), shorten(v.Name), msg))
		}
		if seen[v.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), v.Name))
		}
		seen[v.Name] = true
		if v.ValueFrom != nil {
			errs = append(errs, validateValueFrom(v, at)...)
		}
	}
	return errs
}

func validateValueFrom(v corev1.EnvVar, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	from, at2 := v.ValueFrom, at.Child("valueFrom")
	if v.Value != "" {
		errs = append(errs, field.Forbidden(at2, "either value or valueFrom"))
	}
	sources := 0
	for _, set := range []bool{from.SecretKeyRef != nil, from.FieldRef != nil, from.ResourceFieldRef != nil, from.ConfigMapKeyRef != nil} {
		if set {
			sources++
		}
	}
	switch {
	case from.FileKeyRef != nil:
		errs = append(errs, field.Forbidden(at2.Child("fileKeyRef"), "not supported: use files"))
	case sources != 1:
		errs = append(errs, field.Required(at2, "exactly one of secretKeyRef, configMapKeyRef, fieldRef and resourceFieldRef"))
	case from.SecretKeyRef != nil:
		errs = append(errs, validateSecretRef(from.SecretKeyRef, at2.Child("secretKeyRef"))...)
	}
	return errs
}

func validateSecretRef(ref *corev1.SecretKeySelector, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, msg := range apivalidation.IsDNS1123Subdomain(ref.Name) {
		errs = append(errs, field.Invalid(at.Child("name"), shorten(ref.Name), msg))
	}
	for _, msg := range apivalidation.IsConfigMapKey(ref.Key) {
		errs = append(errs, field.Invalid(at.Child("key"), shorten(ref.Key), msg))
	}
	return errs
}

func validateFiles(c *v1alpha1.Component, component *field.Path) field.ErrorList {
	var errs field.ErrorList
	at, total := component.Child("files"), 0
	seen := map[string]bool{}
	for _, v := range c.Volumes {
		seen[path.Clean(v.Path)] = true
	}
	for i, f := range c.Files {
		at := at.Index(i)
		errs = append(errs, validateMountPath(f.Path, seen, at.Child("path"))...)
		if (f.Content != nil) == (f.SecretKeyRef != nil) {
			errs = append(errs, field.Required(at, "exactly one of content and secretKeyRef"))
		}
		if f.SecretKeyRef != nil {
			errs = append(errs, validateSecretRef(f.SecretKeyRef, at.Child("secretKeyRef"))...)
		}
		if f.Content != nil {
			total += len(*f.Content)
		}
		if mode, err := strconv.ParseInt(f.Mode, 8, 32); f.Mode != "" && (err != nil || mode < 0 || mode > 0o777) {
			errs = append(errs, field.Invalid(at.Child("mode"), shorten(f.Mode), "not an octal file mode such as 0444"))
		}
	}
	if total > maxFiles {
		errs = append(errs, field.TooLong(at, "", maxFiles))
	}
	return errs
}

// validateMountPath checks a path in the container and that nothing else is
// mounted there.
func validateMountPath(p string, seen map[string]bool, at *field.Path) field.ErrorList {
	clean := path.Clean(p)
	switch {
	case !path.IsAbs(p) || clean == "/" || strings.Contains(p, ":") || strings.ContainsRune(p, 0):
		return field.ErrorList{field.Invalid(at, shorten(p), "not an absolute path below / without a colon")}
	case clean != p && clean+"/" != p:
		return field.ErrorList{field.Invalid(at, shorten(p), "write it without . and .. and double slashes")}
	case seen[clean]:
		return field.ErrorList{field.Duplicate(at, shorten(p))}
	}
	seen[clean] = true
	return nil
}

func validateVolumes(c *v1alpha1.Component, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	names, paths := map[string]bool{}, map[string]bool{}
	for i, v := range c.Volumes {
		at := at.Index(i)
		for _, msg := range apivalidation.IsDNS1035Label(v.Name) {
			errs = append(errs, field.Invalid(at.Child("name"), shorten(v.Name), msg))
		}
		if names[v.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), v.Name))
		}
		names[v.Name] = true
		errs = append(errs, validateMountPath(v.Path, paths, at.Child("path"))...)
		switch {
		case v.Size != nil && v.Size.Sign() <= 0:
			errs = append(errs, field.Invalid(at.Child("size"), v.Size.String(), "not more than zero"))
		case v.Size == nil && v.StorageClassName != nil:
			errs = append(errs, field.Required(at.Child("size"), "a volume with a storage class has a size"))
		}
	}
	return errs
}

func validateResources(r *corev1.ResourceRequirements, at *field.Path) field.ErrorList {
	if r == nil {
		return nil
	}
	var errs field.ErrorList
	if len(r.Claims) > 0 {
		errs = append(errs, field.Forbidden(at.Child("claims"), "not supported: use a chart"))
	}
	for _, list := range []struct {
		field string
		list  corev1.ResourceList
	}{{"requests", r.Requests}, {"limits", r.Limits}} {
		for _, name := range sortedKeys(list.list) {
			if q := list.list[name]; q.Sign() < 0 {
				errs = append(errs, field.Invalid(at.Child(list.field).Key(string(name)), q.String(), "less than zero"))
			}
		}
	}
	for _, name := range sortedKeys(r.Requests) {
		request, limit := r.Requests[name], r.Limits[name]
		if _, limited := r.Limits[name]; limited && request.Cmp(limit) > 0 {
			errs = append(errs, field.Invalid(at.Child("requests").Key(string(name)), request.String(), "more than the limit of "+limit.String()))
		}
	}
	return errs
}

func validateHealth(c *v1alpha1.Component, at *field.Path) field.ErrorList {
	h := c.Health
	if h == nil {
		return nil
	}
	if h.Path != "" && h.Command != nil {
		return field.ErrorList{field.Forbidden(at, "at most one of path and command")}
	}
	if h.Command != nil {
		return nil
	}
	if port := probedPort(c); port == nil && h.Port != "" {
		return field.ErrorList{field.Invalid(at.Child("port"), shorten(h.Port), "the component has no TCP port of this name")}
	} else if port == nil {
		return field.ErrorList{field.Required(at.Child("command"), "a component without TCP ports is asked by a command")}
	}
	return nil
}

func validateScale(c *v1alpha1.Component, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	s := c.Scale
	if s == nil {
		return nil
	}
	most := s.Min
	if s.Max != nil {
		most = *s.Max
		switch {
		case s.Min < 1:
			errs = append(errs, field.Invalid(at.Child("min"), s.Min, "scaling by load starts at one instance"))
		case *s.Max < s.Min:
			errs = append(errs, field.Invalid(at.Child("max"), *s.Max, "less than min"))
		}
	}
	if s.Min < 0 {
		errs = append(errs, field.Invalid(at.Child("min"), s.Min, "less than zero"))
	}
	for i, v := range c.Volumes {
		if v.Size != nil && most > 1 {
			errs = append(errs, field.Invalid(at, most, fmt.Sprintf("a component that keeps data (volumes[%d]) runs as one instance at most", i)))
			break
		}
	}
	if loads := s.CPU != nil || s.Memory != nil || len(s.Metrics) > 0; loads != (s.Max != nil) {
		errs = append(errs, field.Required(at.Child("max"), "max and something to scale by (cpu, memory or metrics) go together"))
	}
	if s.CPU != nil && !allRequest(c, corev1.ResourceCPU) {
		errs = append(errs, field.Required(at.Child("cpu"), "cpu is in percent of resources.requests.cpu, which is not set"))
	}
	if s.Memory != nil && !allRequest(c, corev1.ResourceMemory) {
		errs = append(errs, field.Required(at.Child("memory"), "memory is in percent of resources.requests.memory, which is not set"))
	}
	for i, m := range s.Metrics {
		if m.Average.Sign() <= 0 {
			errs = append(errs, field.Invalid(at.Child("metrics").Index(i).Child("average"), m.Average.String(), "not more than zero"))
		}
	}
	return errs
}

// allRequest tells whether every container of the component asks for some of a
// resource.
func allRequest(c *v1alpha1.Component, name corev1.ResourceName) bool {
	for _, s := range c.Sidecars {
		if !requests(s.Resources, name) {
			return false
		}
	}
	return requests(c.Resources, name)
}

// requests tells whether a container asks for some of a resource: a limit
// alone is a request too.
func requests(r *corev1.ResourceRequirements, name corev1.ResourceName) bool {
	if r == nil {
		return false
	}
	q, ok := r.Requests[name]
	if !ok {
		q = r.Limits[name]
	}
	return q.Sign() > 0
}

func validateSchedule(c *v1alpha1.Component, at *field.Path) field.ErrorList {
	if c.Schedule == "" {
		return validateJobFields(c, at)
	}
	// A time zone inside the expression is refused by Kubernetes.
	if strings.Contains(c.Schedule, "TZ") {
		return field.ErrorList{field.Invalid(at.Child("schedule"), shorten(c.Schedule), "a schedule is in UTC: leave out the time zone")}
	}
	if _, err := cron.ParseStandard(c.Schedule); err != nil {
		return field.ErrorList{field.Invalid(at.Child("schedule"), shorten(c.Schedule), shorten(err.Error()))}
	}
	if len(c.RunBefore) > 0 {
		return field.ErrorList{field.Forbidden(at.Child("runBefore"), "a component runs on a schedule or before others, not both")}
	}
	return validateJobFields(c, at)
}

// validateJobFields checks what a CronJob or Job cannot have.
func validateJobFields(c *v1alpha1.Component, at *field.Path) field.ErrorList {
	if c.Schedule == "" && len(c.RunBefore) == 0 {
		return nil
	}
	var errs field.ErrorList
	for name, set := range map[string]bool{"ports": len(c.Ports) > 0, "scale": c.Scale != nil, "health": c.Health != nil} {
		if set {
			errs = append(errs, field.Forbidden(at.Child(name), "a job takes no ports, scale or health"))
		}
	}
	return errs
}

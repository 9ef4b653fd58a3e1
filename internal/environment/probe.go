package environment

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
)

const (
	defaultPeriodSeconds  = 5
	defaultStartupSeconds = 60
	maxProbeSeconds       = 5
	// unhealthySeconds is how long an instance that served once may fail before
	// it is restarted: long enough for what it depends on to come back, since a
	// restart does not help against that.
	unhealthySeconds = 60
	notReadyFailures = 3
)

// setProbes says how to tell that the container serves. A component that says
// nothing and listens on TCP serves when its first port accepts connections.
//
// The start is watched every second, so that an instance serves as soon as it
// can; only then do the others begin.
func setProbes(c *corev1.Container, p *part) {
	handler, ok := probeHandler(p)
	if !ok {
		return
	}
	period, startup := int32(defaultPeriodSeconds), int32(defaultStartupSeconds)
	if p.Health != nil {
		period = cmp.Or(p.Health.PeriodSeconds, period)
		startup = cmp.Or(p.Health.StartupSeconds, startup)
	}
	timeout := min(period, maxProbeSeconds)
	c.StartupProbe = &corev1.Probe{ProbeHandler: handler, PeriodSeconds: 1, TimeoutSeconds: timeout, FailureThreshold: startup}
	c.ReadinessProbe = &corev1.Probe{ProbeHandler: handler, PeriodSeconds: period, TimeoutSeconds: timeout, FailureThreshold: notReadyFailures}
	c.LivenessProbe = &corev1.Probe{ProbeHandler: handler, PeriodSeconds: period, TimeoutSeconds: timeout,
		FailureThreshold: max(notReadyFailures, unhealthySeconds/period)}
}

func probeHandler(p *part) (corev1.ProbeHandler, bool) {
	if p.Health != nil && p.Health.Command != nil {
		return corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: p.Health.Command}}, true
	}
	port := probedPort(&p.Component)
	if port == nil || p.isJob() || p.Schedule != "" || (p.sidecar != "" && p.Health == nil) {
		return corev1.ProbeHandler{}, false
	}
	target := p.probeTarget(port)
	if p.Health != nil && p.Health.Path != "" {
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: p.Health.Path, Port: target}}, true
	}
	return corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: target}}, true
}

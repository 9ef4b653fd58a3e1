package kube

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/internal/kube/kubetest"
)

// broken is one workload with a pod spec of its own.
func broken(t *testing.T, kind, spec string) []*unstructured.Unstructured {
	t.Helper()
	template := "metadata: {labels: {app: web, landfall.dev/environment: shop, landfall.dev/project: team, landfall.dev/component: web}}, spec: " + spec
	text := "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {landfall.dev/component: web}}, spec: {selector: {matchLabels: {app: web}}, template: {" + template + "}}}"
	if kind == "Job" {
		text = "{apiVersion: batch/v1, kind: Job, metadata: {name: web, labels: {landfall.dev/component: web}}, spec: {backoffLimit: 0, template: {" + template + "}}}"
	}
	return kubetest.Objects(t, text)
}

func TestDiagnoseNamesTheReason(t *testing.T) {
	const claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {storageClassName: none, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}"
	const quota = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {pods: 0}}}"
	tests := []struct {
		name, kind, spec, more string
		reason, message        string
		terminal               bool
	}{
		{name: "image that is not there", spec: "{containers: [{name: web, image: 'localhost:1/none:1'}]}",
			reason: ReasonImagePull, message: "container web cannot get image localhost:1/none:1"},
		{name: "image name that is none", spec: "{containers: [{name: web, image: 'UPPER/none:1'}]}",
			reason: ReasonImagePull, message: "UPPER/none:1", terminal: true},
		{name: "command that is not there", spec: "{containers: [{name: web, image: 'localkube.internal/pause:1', command: [/none]}]}",
			reason: ReasonCrashLoop, message: "container web cannot be started"},
		{name: "probe that fails", spec: "{containers: [{name: web, image: 'localkube.internal/pause:1', readinessProbe: {tcpSocket: {port: 81}, periodSeconds: 1}}]}",
			reason: ReasonProbeFailing, message: "container web is not ready: Readiness probe failed: dial tcp"},
		{name: "nowhere to run", spec: "{containers: [{name: web, image: 'localkube.internal/pause:1', resources: {requests: {cpu: '1000'}}}]}",
			reason: ReasonUnschedulable, message: "Insufficient cpu"},
		{name: "volume that does not come", spec: "{volumes: [{name: d, persistentVolumeClaim: {claimName: data}}], containers: [{name: web, image: 'localkube.internal/pause:1'}]}", more: claim,
			reason: ReasonVolumePending, message: "PersistentVolumeClaims"},
		{name: "secret that is not there", spec: "{containers: [{name: web, image: 'localkube.internal/pause:1', envFrom: [{secretRef: {name: none}}]}]}",
			reason: ReasonConfigMissing, message: `secret "none" not found`},
		{name: "quota", spec: "{containers: [{name: web, image: 'localkube.internal/pause:1'}]}", more: quota,
			reason: ReasonQuota, message: "its pods cannot be made"},
		{name: "job", kind: "Job", spec: "{restartPolicy: Never, containers: [{name: web, image: 'localkube.internal/pause:1', command: [/none]}]}",
			reason: ReasonJobFailed, message: "container web cannot be started", terminal: true},
	}
	target := testTarget(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ns := kubetest.Namespace(t)
			if tt.more != "" {
				apply(t, target, in(ns, kubetest.Objects(t, tt.more)), ApplyOptions{Owner: testOwner("shop")})
			}
			objs := in(ns, broken(t, tt.kind, tt.spec))
			apply(t, target, objs, ApplyOptions{Owner: testOwner("shop")})
			kubetest.Eventually(t, func() string {
				readiness, err := target.Ready(testContext(t), objs)
				if err != nil || !readiness.Troubled {
					return fmt.Sprintf("nothing looks wrong: %+v, %v", readiness, err)
				}
				diagnoses, err := target.Diagnose(testContext(t), objs)
				if err != nil {
					return err.Error()
				}
				i := slices.IndexFunc(diagnoses, func(d Diagnosis) bool {
					return d.Reason == tt.reason && strings.Contains(d.Message, tt.message) && d.Terminal == tt.terminal
				})
				if i < 0 {
					return fmt.Sprintf("%+v", diagnoses)
				}
				if d := diagnoses[i]; d.Component != "web" || d.Object.Name != "web" || d.Hint == "" {
					return fmt.Sprintf("not whole: %+v", d)
				}
				return ""
			})
		})
	}
}

func TestDiagnosePod(t *testing.T) {
	tests := []struct{ name, status, events, want string }{
		{"crash loop", `{phase: Running, containerStatuses: [{name: web, restartCount: 4,
  state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 2, reason: Error}}}]}`, "",
			"CrashLoop: pod web-1: container web ended with exit code 2, restarted 4 times (log of the run before)"},
		{"out of memory", `{phase: Running, containerStatuses: [{name: web, restartCount: 1,
  state: {running: {}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}}]}`, "",
			"CrashLoop: pod web-1: container web was killed because it used more memory than its limit, restarted once (log of the run before)"},
		{"killed by its probe", `{phase: Running, containerStatuses: [{name: web, restartCount: 3,
  state: {running: {}}, lastState: {terminated: {exitCode: 137, reason: Error}}}]}`,
			`[{involvedObject: {uid: u}, reason: Unhealthy, message: "Liveness probe failed: HTTP probe failed with statuscode: 500"}]`,
			"ProbeFailing: pod web-1: container web was stopped because it did not get healthy: Liveness probe failed: HTTP probe failed with statuscode: 500 (log of the run before)"},
		{"gave up by itself, and a probe noticed", `{phase: Running, containerStatuses: [{name: web, restartCount: 3,
  state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error}}}]}`,
			`[{involvedObject: {uid: u}, reason: Unhealthy, message: "Startup probe failed: connection refused"}]`,
			"CrashLoop: pod web-1: container web ended with exit code 1, restarted 3 times (log of the run before)"},
		{"init container", `{phase: Pending, initContainerStatuses: [{name: init, restartCount: 1,
  state: {terminated: {exitCode: 1, message: "no database\n"}}}], containerStatuses: [{name: web, state: {waiting: {reason: PodInitializing}}}]}`, "",
			"CrashLoop: pod web-1: container init ended with exit code 1: no database, restarted once (log)"},
		{"image that was moved", `{phase: Pending, containerStatuses: [{name: web, image: "reg/web:1", state: {waiting: {reason: ImagePullBackOff, message: "Back-off pulling image"}}}]}`,
			`[{involvedObject: {uid: u}, reason: Failed, message: "Failed to pull image \"reg/web:1\": manifest unknown"}]`,
			`ImagePull!: pod web-1: container web cannot get image reg/web:1: Failed to pull image "reg/web:1": manifest unknown`},
		{"no room", `{phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: "0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."}]}`, "",
			"Unschedulable: pod web-1: 0/1 nodes are available: 1 Insufficient memory."},
		{"node that is gone", `{phase: Running, conditions: [{type: Ready, status: "False"}], containerStatuses: [{name: web, ready: true, state: {running: {}}}]}`,
			`[{involvedObject: {uid: u}, reason: NodeNotReady, message: "Node is not ready"}]`,
			"NodeLost: pod web-1: its node n1 does not answer"},
		{"mount that fails", `{phase: Pending, containerStatuses: [{name: web, state: {waiting: {reason: ContainerCreating}}}]}`,
			`[{involvedObject: {uid: u}, reason: FailedMount, message: "configmap \"x\" not found"}]`,
			`ConfigMissing: pod web-1: configmap "x" not found`},
		{"healthy", `{phase: Running, conditions: [{type: Ready, status: "True"}], containerStatuses: [{name: web, ready: true, restartCount: 3, state: {running: {}}, lastState: {terminated: {exitCode: 1}}}]}`, "", ""},
		{"just started", `{phase: Running, containerStatuses: [{name: web, state: {running: {startedAt: "2126-01-01T00:00:00Z"}}}]}`, "", ""},
		{"done", `{phase: Succeeded, containerStatuses: [{name: web, state: {terminated: {exitCode: 0}}}]}`, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var pod corev1.Pod
			text := "metadata: {name: web-1, uid: u}\nspec: {nodeName: n1}\nstatus: " + tt.status
			if err := yaml.Unmarshal([]byte(text), &pod); err != nil {
				t.Fatal(err)
			}
			var events []corev1.Event
			if err := yaml.Unmarshal([]byte(tt.events), &events); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range diagnosePod(&pod, events, pod.CreationTimestamp.Time) {
				line := d.Reason
				if d.Terminal {
					line += "!"
				}
				line += ": " + d.Message
				if d.pod != nil {
					line += map[bool]string{true: " (log of the run before)", false: " (log)"}[d.previous]
				}
				got = append(got, line)
			}
			if strings.Join(got, "\n") != tt.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n"), tt.want)
			}
		})
	}
}

func TestLogLinesCannotPlayWithTheTerminal(t *testing.T) {
	if got := printable("a\x1b[31mred\x07\tb\xff\n"); got != "a[31mred\tb?" {
		t.Errorf("got %q", got)
	}
}

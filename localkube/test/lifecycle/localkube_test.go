package lifecycle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/landfall-dev/landfall/localkube/internal/image"
)

const (
	clusterName = "life"
	// network is unlikely to be chosen by other clusters on the machine.
	network, networkPrefix  = "10.251.0.0/16", "10.251."
	publishedPort, nodePort = 18765, 30765
	imageRef                = "localkube.internal/test/pod:1"
)

// localkube is the program under test with a state folder of its own.
type localkube struct {
	binary, stateDir string
	client           kubernetes.Interface
}

func newLocalkube(t *testing.T) *localkube {
	t.Helper()
	if os.Getenv("LOCALKUBE_E2E") == "" {
		t.Skip("LOCALKUBE_E2E is not set: making clusters takes root and time")
	}
	dir, err := os.MkdirTemp("", "lk-life-") // t.TempDir is too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	l := &localkube{binary: os.Getenv("LANDFALL_LOCALKUBE"), stateDir: dir}
	if l.binary == "" {
		l.binary = "localkube"
	}
	t.Cleanup(func() {
		l.try("delete", clusterName)
		os.RemoveAll(dir)
	})
	return l
}

// try runs a command and returns all it says and its exit code.
func (l *localkube) try(args ...string) (output string, code int) {
	command := exec.Command(l.binary, append([]string{"--state-dir", l.stateDir}, args...)...)
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	}
	if err != nil {
		return err.Error(), -1
	}
	return string(out), 0
}

func (l *localkube) exitCode(args ...string) int {
	_, code := l.try(args...)
	return code
}

// run runs a command that must succeed and returns its standard output.
func (l *localkube) run(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.Command(l.binary, append([]string{"--state-dir", l.stateDir}, args...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("localkube %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

var readyLine = regexp.MustCompile(`^ready name=(\S+) kubeconfig=(\S+) registry=(localhost:\d+) version=(v1\.\d+\.\d+)\n$`)

// connect reads the readiness line, which must be the last of the output.
func (l *localkube) connect(t *testing.T, output string) {
	t.Helper()
	ready := readyLine.FindStringSubmatch(output)
	if ready == nil || ready[1] != clusterName {
		t.Fatalf("no readiness line in %q", output)
	}
	config, err := clientcmd.BuildConfigFromFlags("", ready[2])
	if err != nil {
		t.Fatal(err)
	}
	if l.client, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if !l.ready(t, 1) || !l.ready(t, 2) {
		t.Fatal("a node is not ready")
	}
	if _, err := get("http://" + ready[3] + "/v2/"); err != nil {
		t.Errorf("the registry: %v", err)
	}
	kubeletVersion := l.node(t, 1).Status.NodeInfo.KubeletVersion
	if kubeletVersion != ready[4] {
		t.Errorf("the node runs %s, the readiness line says %s", kubeletVersion, ready[4])
	}
}

// image is an archive with the test pod's image.
func (l *localkube) image(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "testpod")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "../addons/testpod")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the test pod: %v\n%s", err, out)
	}
	pod, err := image.OfProgram(program, "")
	if err != nil {
		t.Fatal(err)
	}
	archive := program + ".tar"
	if err := tarball.WriteToFile(archive, name.MustParseReference(imageRef), pod); err != nil {
		t.Fatal(err)
	}
	return archive
}

// deploy runs a pod on every node, and a service with a node port for them.
func (l *localkube) deploy(t *testing.T) {
	t.Helper()
	noGrace := int64(0)
	labels := map[string]string{"app": "web"}
	_, err := l.client.AppsV1().DaemonSets(corev1.NamespaceDefault).Create(t.Context(), &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					TerminationGracePeriodSeconds: &noGrace,
					Containers:                    []corev1.Container{{Name: "main", Image: imageRef}},
				},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.client.CoreV1().Services(corev1.NamespaceDefault).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeNodePort, Selector: labels,
			Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080), NodePort: nodePort}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l.waitServing(t)
}

// waitServing waits until each node's pod and the published port answer.
func (l *localkube) waitServing(t *testing.T) {
	t.Helper()
	eventually(t, time.Minute, "all pods answer", func() (string, bool) {
		nodes, err := l.client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err.Error(), false
		}
		pods, err := l.client.CoreV1().Pods(corev1.NamespaceDefault).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err.Error(), false
		}
		answering := 0
		for _, pod := range pods.Items {
			if _, err := get("http://" + pod.Status.PodIP + ":8080/"); err == nil && pod.Status.Phase == corev1.PodRunning {
				answering++
			}
		}
		return fmt.Sprintf("%d of %d pods on %d nodes", answering, len(pods.Items), len(nodes.Items)),
			answering == len(nodes.Items) && answering == len(pods.Items)
	})
	mustGet(t, fmt.Sprintf("http://127.0.0.1:%d/", publishedPort))
}

func (l *localkube) podOn(t *testing.T, n int) corev1.Pod {
	t.Helper()
	pods, err := l.client.CoreV1().Pods(corev1.NamespaceDefault).List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + nodeName(n)})
	if err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != 1 {
		t.Fatalf("%d pods on node %d", len(pods.Items), n)
	}
	return pods.Items[0]
}

func nodeName(n int) string { return fmt.Sprintf("%s-%d", clusterName, n) }

func (l *localkube) node(t *testing.T, n int) *corev1.Node {
	t.Helper()
	node, err := l.client.CoreV1().Nodes().Get(t.Context(), nodeName(n), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return node
}

func (l *localkube) nodes(t *testing.T) []corev1.Node {
	t.Helper()
	nodes, err := l.client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return nodes.Items
}

func (l *localkube) ready(t *testing.T, n int) bool {
	t.Helper()
	for _, c := range l.node(t, n).Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// status is what list says of the cluster.
func (l *localkube) status(t *testing.T) string {
	t.Helper()
	var clusters []struct{ Name, Status string }
	if err := json.Unmarshal([]byte(l.run(t, "list", "-o", "json")), &clusters); err != nil || len(clusters) != 1 {
		t.Fatalf("list: %v, %+v", err, clusters)
	}
	return clusters[0].Status
}

func (l *localkube) id(t *testing.T) string {
	t.Helper()
	var state struct{ ID string }
	data, err := os.ReadFile(filepath.Join(l.stateDir, clusterName, "cluster.json"))
	if err == nil {
		err = json.Unmarshal(data, &state)
	}
	if err != nil || state.ID == "" {
		t.Fatalf("reading the cluster's state: %v, %q", err, data)
	}
	return state.ID
}

// pid is the recorded process of a component.
func (l *localkube) pid(t *testing.T, component string) int {
	t.Helper()
	var record struct{ PID int }
	data, err := os.ReadFile(filepath.Join(l.stateDir, clusterName, "run", component+".pid"))
	if err == nil {
		err = json.Unmarshal(data, &record)
	}
	if err != nil {
		t.Fatal(err)
	}
	return record.PID
}

func (l *localkube) killSupervisor(t *testing.T) {
	t.Helper()
	pids := l.marked(t, "LOCALKUBE_SUPERVISOR="+l.id(t))
	if len(pids) != 1 {
		t.Fatalf("supervisors: %v", pids)
	}
	process, err := os.FindProcess(pids[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the supervisor is gone", func() (string, bool) {
		return "", len(l.marked(t, "LOCALKUBE_SUPERVISOR="+l.id(t))) == 0
	})
}

// marked are the processes with the variable in their environment.
func (l *localkube) marked(t *testing.T, variable string) []int {
	t.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	var pids []int
	for _, file := range files {
		data, _ := os.ReadFile(file)
		if bytes.Contains(data, []byte(variable)) {
			pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// dumpLogs shows the end of every log, for a failure seen only once.
func (l *localkube) dumpLogs(t *testing.T) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(l.stateDir, clusterName, "logs", "*.log"))
	for _, file := range files {
		data, _ := os.ReadFile(file)
		t.Logf("%s:\n%s", filepath.Base(file), data[max(0, len(data)-1500):])
	}
}

// eventually waits until check holds, and fails with what it said last.
func eventually(t *testing.T, timeout time.Duration, what string, check func() (string, bool)) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		said, ok := check()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s: %s", timeout, what, said)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// listen takes a loopback port for the duration of the test.
func listen(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().(*net.TCPAddr).Port
}

func readAll(response *http.Response) (string, error) {
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 400 {
		err = fmt.Errorf("%s: %s", response.Status, data)
	}
	return string(data), err
}

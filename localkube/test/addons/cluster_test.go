// Package addons tests the add-ons of localkube on a real cluster of two
// nodes, which all tests share. It runs with LOCALKUBE_E2E=1, as root, and
// with LANDFALL_LOCALKUBE naming the localkube binary, beside its companions.
package addons

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/landfall-dev/landfall/localkube/internal/image"
)

const clusterName = "addons"

// shared is the cluster of all tests; nil when they are to be skipped.
var shared *cluster

type cluster struct {
	binary, stateDir string
	client           kubernetes.Interface
	// image is the test pod's image, by digest.
	image string
}

func TestMain(m *testing.M) {
	if os.Getenv("LOCALKUBE_E2E") == "" {
		os.Exit(m.Run())
	}
	os.Exit(withCluster(m.Run))
}

func withCluster(run func() int) int {
	dir, err := os.MkdirTemp("", "lk-addons-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	c := &cluster{binary: binary(), stateDir: dir}
	defer c.localkube("delete", clusterName)
	if err := c.create(); err != nil {
		fmt.Fprintln(os.Stderr, "creating the cluster of the tests:", err)
		c.printLogs()
		return 1
	}
	shared = c
	return run()
}

// printLogs shows the end of every log, which goes with the cluster.
func (c *cluster) printLogs() {
	logs, _ := filepath.Glob(filepath.Join(c.stateDir, clusterName, "logs", "*.log"))
	for _, path := range logs {
		text, _ := os.ReadFile(path)
		fmt.Fprintf(os.Stderr, "== %s\n%s\n", filepath.Base(path), text[max(0, len(text)-4000):])
	}
}

func binary() string {
	if path := os.Getenv("LANDFALL_LOCALKUBE"); path != "" {
		return path
	}
	return "localkube"
}

// useCluster returns the shared cluster and a namespace of the test's own, in
// which it runs beside the others.
func useCluster(t *testing.T) (*cluster, string) {
	t.Helper()
	if shared == nil {
		t.Skip("LOCALKUBE_E2E is not set: no cluster to test on")
	}
	t.Parallel()
	return shared, shared.namespace(t)
}

func (c *cluster) localkube(args ...string) (string, error) {
	command := exec.Command(c.binary, append([]string{"--state-dir", c.stateDir}, args...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("localkube %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

var readiness = regexp.MustCompile(`(?m)^ready name=\S+ kubeconfig=(\S+) registry=(\S+)`)

func (c *cluster) create() error {
	out, err := c.localkube("create", clusterName, "--nodes", "2")
	if err != nil {
		return err
	}
	ready := readiness.FindStringSubmatch(out)
	if ready == nil {
		return fmt.Errorf("no readiness line in %q", out)
	}
	config, err := clientcmd.BuildConfigFromFlags("", ready[1])
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 100, 100
	if c.client, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	c.image, err = pushTestPod(c.stateDir, ready[2])
	return err
}

// pushTestPod compiles the test pod, pushes it under a tag and returns its
// reference by digest.
func pushTestPod(dir, registry string) (string, error) {
	program := filepath.Join(dir, "testpod")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "./testpod")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the test pod: %w\n%s", err, out)
	}
	pod, err := image.OfProgram(program, "")
	if err != nil {
		return "", err
	}
	tag, err := name.NewTag(registry + "/tests/pod:v1")
	if err != nil {
		return "", err
	}
	if err := remote.Write(tag, pod); err != nil {
		return "", fmt.Errorf("pushing the test pod: %w", err)
	}
	digest, err := pod.Digest()
	if err != nil {
		return "", err
	}
	return tag.Context().Digest(digest.String()).String(), nil
}

// namespace makes a namespace that goes with the test.
func (c *cluster) namespace(t *testing.T) string {
	t.Helper()
	made, err := c.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.client.CoreV1().Namespaces().Delete(context.Background(), made.Name, metav1.DeleteOptions{})
	})
	eventually(t, time.Minute, "the namespace has its service account", func() (string, bool) {
		_, err := c.client.CoreV1().ServiceAccounts(made.Name).Get(t.Context(), "default", metav1.GetOptions{})
		return errorText(err), err == nil
	})
	return made.Name
}

// newPod describes a test pod; change it before start.
func (c *cluster) newPod(namespace, name string) *corev1.Pod {
	noGrace := int64(0)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &noGrace,
			Containers: []corev1.Container{{
				Name: "main", Image: c.image,
				Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "admin", ContainerPort: 9090}},
			}},
		},
	}
}

// on ties the pod to the nth node.
func on(n int, pod *corev1.Pod) *corev1.Pod {
	pod.Spec.NodeName = fmt.Sprintf("%s-%d", clusterName, n)
	return pod
}

// start makes the pods and waits until each answers; it returns them with
// their addresses.
func (c *cluster) start(t *testing.T, pods ...*corev1.Pod) []*corev1.Pod {
	t.Helper()
	for _, pod := range pods {
		if _, err := c.client.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	running := make([]*corev1.Pod, len(pods))
	for i, pod := range pods {
		running[i] = c.waitRunning(t, pod)
	}
	return running
}

func (c *cluster) waitRunning(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	var running *corev1.Pod
	eventually(t, time.Minute, "pod "+pod.Name+" answers", func() (string, bool) {
		found, err := c.client.CoreV1().Pods(pod.Namespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
		if err != nil {
			return err.Error(), false
		}
		if found.Status.PodIP == "" {
			return fmt.Sprintf("%+v", found.Status.ContainerStatuses), false
		}
		running = found
		answer, err := get(found, "/", nil)
		return fmt.Sprint(answer, err), err == nil
	})
	return running
}

// get asks the pod over HTTP from the host, which every policy lets through.
func get(pod *corev1.Pod, path string, query url.Values) (string, error) {
	client := http.Client{Timeout: 15 * time.Second}
	address := url.URL{Scheme: "http", Host: pod.Status.PodIP + ":8080", Path: path, RawQuery: query.Encode()}
	response, err := client.Get(address.String())
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(body))
	}
	return string(body), nil
}

// eventually repeats an attempt, which says how far it came, until it holds.
func eventually(t *testing.T, within time.Duration, what string, attempt func() (string, bool)) {
	t.Helper()
	start := time.Now()
	for {
		last, ok := attempt()
		if ok {
			return
		}
		if time.Since(start) > within {
			t.Fatalf("not within %s: %s; last: %s", within, what, last)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

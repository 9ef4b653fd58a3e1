// Package lifecycle tests localkube from outside, as its callers see it: the
// life of a cluster and of its nodes, and that nothing of it stays behind. It
// runs with LOCALKUBE_E2E=1, as root, and with LANDFALL_LOCALKUBE naming the
// localkube binary, beside its companions.
package lifecycle

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// itself is the number of this process, whose arguments name the cluster too.
var itself = fmt.Sprint(os.Getpid())

// The story of one cluster. Its chapters need each other, so they run in order
// and the first that fails ends it.
func TestLifecycle(t *testing.T) {
	l := newLocalkube(t)
	sockets := map[string]bool{}
	chapters := []struct {
		name string
		run  func(*testing.T, *localkube)
	}{
		{"create gives a cluster that says it is ready", create},
		{"every file of keys is its owner's alone", keysAreTight},
		{"pods, names, services and published ports work across nodes", workloads},
		{"a component that dies is started again", componentDies},
		{"a killed supervisor takes nothing down, and start takes over", supervisorKilled},
		{"a stopped node is noticed, and comes back", nodeStopped},
		{"a deleted node is gone", nodeDeleted},
		{"stop leaves data and nothing else, start brings all back", stopAndStart},
		{"after every process was killed, start puts everything right", everythingKilled},
		{"delete leaves nothing", func(t *testing.T, l *localkube) {
			id := l.id(t)
			if len(takeFootprint(t, id, l.stateDir).Processes) == 0 {
				t.Fatal("the footprint of a running cluster is empty: it would prove nothing")
			}
			l.run(t, "delete", clusterName)
			assertNoTrace(t, id, l.stateDir)
			if len(sockets) == 0 {
				t.Error("no socket of a shim was ever seen")
			}
			for socket := range sockets {
				if _, err := os.Lstat(socket); err == nil {
					t.Errorf("a shim's socket is left: %s", socket)
				}
			}
		}},
		{"deleting what is absent succeeds", func(t *testing.T, l *localkube) {
			if out := l.run(t, "delete", clusterName); strings.TrimSpace(out) != "absent "+clusterName {
				t.Errorf("delete says %q", out)
			}
		}},
	}
	for _, c := range chapters {
		for _, socket := range l.shimSockets(t) {
			sockets[socket] = true
		}
		if !t.Run(c.name, func(t *testing.T) { c.run(t, l) }) {
			l.dumpLogs(t)
			t.FailNow()
		}
	}
}

func create(t *testing.T, l *localkube) {
	started := time.Now()
	out := l.run(t, "create", clusterName, "--nodes", "2", "--cidr", network, "--publish", fmt.Sprintf("%d:%d", publishedPort, nodePort))
	t.Logf("two nodes ready after %.1f s", time.Since(started).Seconds())
	l.connect(t, out)
	l.run(t, "load-image", clusterName, l.image(t))
}

func keysAreTight(t *testing.T, l *localkube) {
	dir := filepath.Join(l.stateDir, clusterName)
	for _, pattern := range []string{"kubeconfig", "pki/*", "cluster.json", "logs/*"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, %v", pattern, paths, err)
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
		}
	}
}

func workloads(t *testing.T, l *localkube) {
	l.deploy(t)
	first, second := l.podOn(t, 1), l.podOn(t, 2)
	for _, pod := range []corev1.Pod{first, second} {
		mustGet(t, "http://"+pod.Status.PodIP+":8080/")
	}
	if got := mustGet(t, "http://"+first.Status.PodIP+":8080/dial?address="+second.Status.PodIP+":8080"); got != "connected" {
		t.Errorf("a pod reaches a pod on another node: %s", got)
	}
	name := "web." + corev1.NamespaceDefault + ".svc.cluster.local"
	if got := mustGet(t, "http://"+first.Status.PodIP+":8080/dial?address="+name+":80"); got != "connected" {
		t.Errorf("a pod reaches a service by name: %s", got)
	}
	mustGet(t, fmt.Sprintf("http://127.0.0.1:%d/", publishedPort))
	mustGet(t, fmt.Sprintf("http://%s:%d/", l.node(t, 2).Status.Addresses[0].Address, nodePort))
}

func componentDies(t *testing.T, l *localkube) {
	for _, component := range []string{"kube-scheduler", "etcd"} {
		pid := l.pid(t, component)
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, 30*time.Second, component+" runs again", func() (string, bool) {
			now := l.pid(t, component)
			return fmt.Sprint(now), now != pid && unix.Kill(now, 0) == nil
		})
	}
	l.waitServing(t)
}

func supervisorKilled(t *testing.T, l *localkube) {
	before := l.podOn(t, 1)
	l.killSupervisor(t)
	mustGet(t, "http://"+before.Status.PodIP+":8080/")
	if status := l.status(t); status != "unsupervised" {
		t.Errorf("list says %q", status)
	}
	started := time.Now()
	l.run(t, "start", clusterName)
	t.Logf("taken over after %.1f s", time.Since(started).Seconds())
	after := l.podOn(t, 1)
	if after.UID != before.UID || after.Status.ContainerStatuses[0].RestartCount != before.Status.ContainerStatuses[0].RestartCount {
		t.Errorf("the pod was restarted: %+v", after.Status.ContainerStatuses)
	}
}

func nodeStopped(t *testing.T, l *localkube) {
	pod := l.podOn(t, 2)
	l.run(t, "node", "stop", clusterName, nodeName(2))
	if _, err := get("http://" + pod.Status.PodIP + ":8080/"); err == nil {
		t.Error("a pod of the stopped node still answers")
	}
	mustGet(t, fmt.Sprintf("http://127.0.0.1:%d/", publishedPort))
	eventually(t, time.Minute, "the node is not ready", func() (string, bool) {
		return fmt.Sprint(l.ready(t, 2)), !l.ready(t, 2)
	})
	l.run(t, "node", "start", clusterName, nodeName(2))
	if !l.ready(t, 2) {
		t.Error("the node is not ready after it was started")
	}
	l.waitServing(t)
}

func nodeDeleted(t *testing.T, l *localkube) {
	l.run(t, "node", "delete", clusterName, nodeName(2))
	if nodes := l.nodes(t); len(nodes) != 1 {
		t.Errorf("nodes after the deletion: %d", len(nodes))
	}
	if _, err := os.Stat(filepath.Join(l.stateDir, clusterName, "nodes", nodeName(2))); !os.IsNotExist(err) {
		t.Errorf("the node's folder: %v", err)
	}
	if l.exitCode("node", "stop", clusterName, nodeName(2)) != 3 {
		t.Error("stopping a node that is gone does not fail")
	}
}

func stopAndStart(t *testing.T, l *localkube) {
	l.run(t, "stop", clusterName)
	left := takeFootprint(t, l.id(t), l.stateDir)
	left.Files = nil // its data
	if len(left.Processes)+len(left.Mounts)+len(left.Namespaces)+len(left.Links)+len(left.Cgroups)+len(left.Tables) != 0 {
		t.Errorf("a stopped cluster leaves %+v", left)
	}
	if status := l.status(t); status != "stopped" {
		t.Errorf("list says %q", status)
	}
	l.run(t, "start", clusterName)
	l.waitServing(t)
}

// everythingKilled is what a power failure does to the processes.
func everythingKilled(t *testing.T, l *localkube) {
	l.killSupervisor(t)
	for _, pid := range l.marked(t, "LOCALKUBE_CLUSTER="+l.id(t)) {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	l.run(t, "start", clusterName)
	l.waitServing(t)
}

func TestHalfMadeClusterIsDeleted(t *testing.T) {
	l := newLocalkube(t)
	for _, after := range []time.Duration{50 * time.Millisecond, 700 * time.Millisecond, 3 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			command := exec.Command(l.binary, "--state-dir", l.stateDir, "create", clusterName, "--cidr", network)
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(after)
			_ = command.Process.Kill()
			_ = command.Wait()
			id := ""
			if _, err := os.Stat(filepath.Join(l.stateDir, clusterName)); err == nil {
				id = l.id(t)
			}
			l.run(t, "delete", clusterName)
			if id != "" {
				assertNoTrace(t, id, l.stateDir)
			}
		})
	}
}

// The boundary that callers rely on; docs/localkube.md writes it down.
func TestRefusals(t *testing.T) {
	l := newLocalkube(t)
	taken := listen(t)
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"unknown flag", []string{"create", "x", "--nope"}, 2, "--help"},
		{"no name", []string{"create"}, 2, "NAME"},
		{"bad name", []string{"create", "Blue_1"}, 2, "lower-case"},
		{"too many nodes", []string{"create", "x", "--nodes", "1000"}, 2, "from 1 to"},
		{"bad publish", []string{"create", "x", "--publish", "0.0.0.0:80:80"}, 2, "loopback"},
		{"bad network", []string{"create", "x", "--cidr", "10.1.0.0/24"}, 2, "/16"},
		{"network in use", []string{"create", "x", "--cidr", "127.0.0.0/16"}, 4, "--cidr"},
		{"port in use", []string{"create", "x", "--publish", fmt.Sprintf("%d:80", taken)}, 4, "is taken"},
		{"absent cluster", []string{"start", "absent"}, 3, "localkube list"},
		{"bad output", []string{"list", "-o", "xml"}, 2, "table or json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, code := l.try(c.args...)
			if code != c.code || !strings.Contains(out, c.says) {
				t.Errorf("exit code %d, want %d with %q:\n%s", code, c.code, c.says, out)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(l.stateDir, "x")); !os.IsNotExist(err) {
		t.Errorf("a refused cluster leaves its folder: %v", err)
	}
}

func get(url string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	return readAll(response)
}

func mustGet(t *testing.T, url string) string {
	t.Helper()
	var answer string
	eventually(t, 30*time.Second, url+" answers", func() (string, bool) {
		var err error
		answer, err = get(url)
		return fmt.Sprint(err), err == nil
	})
	return answer
}

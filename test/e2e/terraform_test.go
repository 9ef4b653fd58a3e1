package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTerraformInTheCluster makes and destroys a cluster by Jobs. The first pod
// is killed while Terraform applies: another one takes over and ends it.
func TestTerraformInTheCluster(t *testing.T) {
	image := terraformImage(t)
	kubeconfig := ""
	for _, cluster := range query[[]struct{ Name, Kubeconfig string }](t, "local", "list") {
		if cluster.Name == "local" {
			kubeconfig = cluster.Kubeconfig
		}
	}
	kubectl(t, "create", "secret", "generic", "e2e-terraform", "-n", "landfall-system", "--from-file=kubeconfig="+kubeconfig)
	t.Cleanup(func() { _, _ = command("kubectl", "delete", "secret", "-n", "landfall-system", "e2e-terraform") })
	created := make(chan string, 1)
	go func() {
		out, code := command("landfall", "cluster", "create", "e2e-terraform", "--module", filepath.Join(platform.root, "test/e2e/testdata/terraform"),
			"--var", "seconds=4", "--secret-var", "kubeconfig=landfall-system/e2e-terraform/kubeconfig", "--job-image", image, "--in-cluster", "--yes")
		created <- out + "\nexit code " + strconv.Itoa(code)
	}()
	victim := applying(t, created)
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	out := <-created
	for _, want := range []string{"ended without an answer", "taking over from e2e@terraform-apply-e2e-terraform-", "added", "exit code 0"} {
		if !strings.Contains(out, want) {
			t.Errorf("creating it does not say %q:\n%s", want, out)
		}
	}
	if out := landfall(t, "cluster", "drift", "e2e-terraform", "--in-cluster"); !strings.Contains(out, "nothing to do") {
		t.Errorf("it has drifted:\n%s", out)
	}
	if out := landfall(t, "cluster", "unlock", "e2e-terraform", "--in-cluster"); !strings.Contains(out, "cluster e2e-terraform is not locked") {
		t.Errorf("unlocking what nobody works on says:\n%s", out)
	}
	landfall(t, "cluster", "destroy", "e2e-terraform", "--in-cluster", "--yes")
	if out, code := command("landfall", "cluster", "get", "e2e-terraform"); code != 2 {
		t.Errorf("it is still there: %s", out)
	}
	if out := kubectl(t, "get", "secrets", "-n", "landfall-system", "-o", "name"); strings.Contains(out, "secret/cluster-e2e-terraform") || strings.Contains(out, "tfstate-default-e2e-terraform") {
		t.Errorf("secrets of it are left:\n%s", out)
	}
}

// terraformImage pushes an image with the terraform of this machine; its shell is
// that of a store server.
func terraformImage(t *testing.T) string {
	t.Helper()
	program := ""
	for _, name := range []string{"terraform", "tofu"} {
		if path, err := exec.LookPath(name); err == nil && program == "" {
			program = path
		}
	}
	if program == "" {
		t.Skip("neither terraform nor tofu is here: make tofu")
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "usr/local/bin")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, filepath.Base(program)), text, 0o755); err != nil {
		t.Fatal(err)
	}
	reference := platform.registry + "/e2e/terraform:1"
	landfall(t, "image", "push", strings.TrimSuffix(folder, "/usr/local/bin"), reference, "--base", platform.registry+"/landfall/redis:latest")
	return reference
}

// applying waits until a pod of the test's cluster applies, and gives the process
// in it. What is created may fail before.
func applying(t *testing.T, created chan string) int {
	t.Helper()
	for range 120 {
		select {
		case out := <-created:
			t.Fatalf("nothing was there to be killed:\n%s", out)
		case <-time.After(500 * time.Millisecond):
		}
		log, _ := command("kubectl", "logs", "-n", "landfall-system", "-l", "landfall.dev/cluster=e2e-terraform", "-c", "terraform", "--tail=-1")
		if !strings.Contains(log, "creating terraform_data.cluster") {
			continue
		}
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, _ := os.ReadFile(file) // gone meanwhile
			environ, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "environ"))
			if strings.HasPrefix(string(text), "/landfall/landfall\x00cluster\x00job\x00run") && strings.Contains(string(environ), "LANDFALL_JOB=terraform-apply-e2e-terraform-") {
				pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
				if err != nil {
					t.Fatal(err)
				}
				return pid
			}
		}
	}
	t.Fatal("no pod applies")
	return 0
}

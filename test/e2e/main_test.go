// Package e2e_test tests the whole system as people use it: by its commands,
// on a local cluster of its own. It runs with LANDFALL_E2E=1, as root, with
// landfall, localkube and kubectl in bin/ and the shop in out/shop: see
// hack/test.sh. Start at TestStory.
//
// LANDFALL_E2E_PORT takes a platform that is up already, with its front door at
// that port, and leaves it up.
package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/servertest"
)

// platform is where all tests run.
var platform struct {
	root     string // of the repository
	registry string // as image references name it
	port     string // of the front door
}

func TestMain(m *testing.M) {
	if os.Getenv("LANDFALL_E2E") == "" {
		fmt.Println("LANDFALL_E2E is not set: no end-to-end tests")
		os.Exit(0)
	}
	log.SetFlags(log.Ltime)
	code, err := setUp(m)
	if err != nil {
		log.Print(err)
		code = 1
	}
	os.Exit(code)
}

func setUp(m *testing.M) (int, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return 0, err
	}
	platform.root = root
	os.Setenv("PATH", filepath.Join(root, "bin")+":"+os.Getenv("PATH"))
	os.Setenv("LANDFALL_AUTHOR", "e2e")
	platform.port = os.Getenv("LANDFALL_E2E_PORT")
	if platform.port == "" {
		folder, err := os.MkdirTemp("", "landfall-e2e")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(folder)
		os.Setenv("KUBECONFIG", filepath.Join(folder, "kubeconfig"))
		free, err := servertest.Free()
		if err != nil {
			return 0, err
		}
		_, platform.port, _ = net.SplitHostPort(free)
		defer func() {
			if out, code := command("landfall", "local", "delete", "local"); code != 0 {
				log.Printf("deleting the cluster: %s", out)
			}
		}()
		if err := createNodes(); err != nil {
			return 0, err
		}
	}
	out, code := command("landfall", "up", "--port", platform.port)
	log.Print(out)
	if code != 0 {
		return 0, fmt.Errorf("landfall up: exit code %d", code)
	}
	found := regexp.MustCompile(`(?m)^registry +(\S+)$`).FindStringSubmatch(out)
	if found == nil {
		return 0, errors.New("landfall up did not say where the registry is")
	}
	platform.registry = found[1]
	_, _ = command("kubectl", "uncordon", node2) // a platform that was up may have one node
	if err := pushImages(); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// createNodes makes the cluster. Of its two nodes the first gets all of the
// platform, so that the second may be lost.
func createNodes() error {
	for _, args := range [][]string{
		{"landfall", "local", "create", "local", "--nodes", "2", "--publish", "127.0.0.1:" + platform.port + ":80"},
		{"kubectl", "cordon", node2},
	} {
		if out, code := command(args[0], args[1:]...); code != 0 {
			return fmt.Errorf("%s: exit code %d: %s", strings.Join(args, " "), code, out)
		}
	}
	return nil
}

// pushImages pushes the shop, and variants that make trouble: "crash" ends at
// once, and "mini" is one small program in two versions.
func pushImages() error {
	for _, image := range [][]string{
		{"1/schema", "shop/schema:1"}, {"1/worker", "shop/worker:1"}, {"1/board", "shop/board:1"},
		{"1/web", "shop/web:1"}, {"2/web", "shop/web:2"}, {"3/web", "shop/web:3"},
		{"1/worker", "shop/web:crash"},
		{"1/board", "mini:1", "--env", "V=1"}, {"1/board", "mini:2", "--env", "V=2"}, {"1/worker", "mini:crash"},
	} {
		args := append([]string{"image", "push", filepath.Join(platform.root, "out/shop", image[0]), platform.registry + "/" + image[1]}, image[2:]...)
		if out, code := command("landfall", args...); code != 0 {
			return fmt.Errorf("pushing %s: %s", image[1], out)
		}
	}
	return nil
}

// command runs a program and gives what it printed on both streams, and its
// exit code.
func command(name string, args ...string) (string, int) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		return err.Error(), -1
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// landfall runs a command that is to succeed.
func landfall(t *testing.T, args ...string) string {
	t.Helper()
	return expect(t, 0, args...)
}

// expect runs a command that is to end with the given exit code.
func expect(t *testing.T, want int, args ...string) string {
	t.Helper()
	began := time.Now()
	out, code := command("landfall", args...)
	t.Logf("$ landfall %s   (exit code %d, %s)", strings.Join(args, " "), code, time.Since(began).Round(100*time.Millisecond))
	if code != want {
		t.Fatalf("exit code %d, want %d; it said:\n%s", code, want, out)
	}
	return out
}

// kubectl is the other tool, which edits behind Landfall's back.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, code := command("kubectl", args...)
	if code != 0 {
		t.Fatalf("kubectl %s: exit code %d:\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// query runs a command with -o json and reads what it prints on stdout.
func query[T any](t *testing.T, args ...string) T {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("landfall", append(args, "-o", "json")...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("landfall %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	var value T
	if err := json.Unmarshal(stdout.Bytes(), &value); err != nil {
		t.Fatalf("landfall %s: reading JSON: %v\n%s", strings.Join(args, " "), err, stdout.String())
	}
	return value
}

// deleted makes sure that environments are gone before and after a test.
func deleted(t *testing.T, names ...string) {
	t.Helper()
	landfall(t, append([]string{"env", "delete"}, names...)...)
	t.Cleanup(func() {
		if out, code := command("landfall", append([]string{"env", "delete"}, names...)...); code != 0 {
			t.Errorf("deleting %v: %s", names, out)
		}
	})
}

// within repeats check until it gives nil.
func within(t *testing.T, limit time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// applied applies text as a file.
func applied(t *testing.T, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	landfall(t, "apply", "-f", file)
}

// mini applies a blueprint of one small component.
func mini(t *testing.T) {
	t.Helper()
	applied(t, fmt.Sprintf(`
apiVersion: landfall.dev/v1alpha1
kind: Blueprint
metadata: {name: mini}
spec:
  components:
    - name: web
      image: %s/mini:1
      ports: [{name: http, port: 8081, public: true}]
      health: {path: /, periodSeconds: 1}
      env: [{name: SHOP, value: "http://web:8081"}]
      files: [{path: /etc/mini/greeting, content: hello}]
`, platform.registry))
}

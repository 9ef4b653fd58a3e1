// Package kubetest lends tests a real Kubernetes API server.
package kubetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/config"
)

// EnvKubeconfig names a kubeconfig of a cluster on which tests may do as they
// like. Tests that need one are skipped without it.
const EnvKubeconfig = "LANDFALL_TEST_KUBECONFIG"

// EnvSecondKubeconfig names that of another such cluster, for tests of what
// goes from one cluster to another.
const EnvSecondKubeconfig = "LANDFALL_TEST_SECOND_KUBECONFIG"

// patience is how long Eventually tries.
const patience = 60 * time.Second

// Config reaches the cluster for tests, or skips the test.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	return configOf(t, EnvKubeconfig)
}

// SecondConfig reaches the other cluster for tests, or skips the test.
func SecondConfig(t testing.TB) *rest.Config {
	t.Helper()
	return configOf(t, EnvSecondKubeconfig)
}

func configOf(t testing.TB, env string) *rest.Config {
	t.Helper()
	path := os.Getenv(env)
	if path == "" {
		t.Skipf("needs a cluster: set %s, as `make test` does", env)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatalf("reading %s: %v", env, err)
	}
	config.QPS = -1
	return config
}

// Client gives a client with the kinds of Kubernetes that acts under the name
// of a field manager, as the tools of other people do.
func Client(t testing.TB, manager string) client.Client {
	t.Helper()
	c, err := client.New(Config(t), client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatalf("connecting to the test cluster: %v", err)
	}
	return client.WithFieldOwner(c, manager)
}

// Name makes up a name that no other test uses, for a namespace or an object of
// the whole cluster. What it names in the cluster is the caller's to remove.
func Name(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("test-%08x", rand.Uint32())
}

// InstallKinds puts the definitions of Landfall's kinds into the cluster.
func InstallKinds(t testing.TB) {
	t.Helper()
	crds, err := config.CRDs()
	if err != nil {
		t.Fatal(err)
	}
	c := Client(t, "landfall")
	for _, crd := range crds {
		if err := c.Apply(context.Background(), client.ApplyConfigurationFromUnstructured(crd), client.ForceOwnership); err != nil {
			t.Fatal(err)
		}
		Eventually(t, func() string {
			if err := c.Get(context.Background(), client.ObjectKeyFromObject(crd), crd); err != nil {
				return err.Error()
			}
			if !strings.Contains(fmt.Sprint(crd.Object["status"]), "Established") {
				return crd.GetName() + " is not established"
			}
			return ""
		})
	}
}

// Namespace makes a namespace for the test, which goes with it.
func Namespace(t testing.TB) string {
	t.Helper()
	name := Name(t)
	namespace := Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+name+"}}")
	c := Client(t, "kubetest")
	if err := c.Create(context.Background(), namespace); err != nil {
		t.Fatalf("creating a namespace for the test: %v", err)
	}
	RemoveNamespace(t, name)
	return name
}

// RemoveNamespace deletes a namespace when the test ends, if it is there. It
// does not wait for it to be gone.
func RemoveNamespace(t testing.TB, name string) {
	t.Helper()
	c := Client(t, "kubetest")
	t.Cleanup(func() {
		namespace := Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+name+"}}")
		if err := c.Delete(context.Background(), namespace); client.IgnoreNotFound(err) != nil {
			t.Errorf("deleting namespace %s: %v", name, err)
		}
	})
}

// Object parses one object from YAML.
func Object(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	objs := Objects(t, text)
	if len(objs) != 1 {
		t.Fatalf("%d objects where one was expected", len(objs))
	}
	return objs[0]
}

// Objects parses objects from YAML documents.
func Objects(t testing.TB, text string) []*unstructured.Unstructured {
	t.Helper()
	var objs []*unstructured.Unstructured
	for _, document := range strings.Split(text, "\n---\n") {
		raw, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			t.Fatalf("parsing an object: %v\n%s", err, document)
		}
		obj := &unstructured.Unstructured{}
		if err := utilyaml.Unmarshal(raw, &obj.Object); err != nil {
			t.Fatalf("parsing an object: %v\n%s", err, document)
		}
		if len(obj.Object) > 0 {
			objs = append(objs, obj)
		}
	}
	return objs
}

// Eventually calls check until it answers "", or fails the test with its last
// answer after a minute.
func Eventually(t testing.TB, check func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		answer := check()
		if answer == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still not after %s: %s", patience, answer)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

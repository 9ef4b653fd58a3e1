package kubeconfig

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

func write(t *testing.T, name, server string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	config := api.Config{
		CurrentContext: name,
		Contexts:       map[string]*api.Context{name: {Cluster: name, AuthInfo: name}},
		Clusters:       map[string]*api.Cluster{name: {Server: server}},
		AuthInfos:      map[string]*api.AuthInfo{name: {Token: "secret"}},
	}
	if err := clientcmd.WriteToFile(config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestMergeAndRemoveLeaveOthersAlone(t *testing.T) {
	mine, blue := write(t, "work", "https://work:6443"), write(t, "default", "https://10.1.0.2:6443")
	for range 2 {
		name, err := Merge(mine, blue, "blue")
		if err != nil || name != "landfall-blue" {
			t.Fatalf("merging: %q, %v", name, err)
		}
	}
	config, err := clientcmd.LoadFromFile(mine)
	if err != nil {
		t.Fatal(err)
	}
	if config.CurrentContext != "landfall-blue" || config.Clusters["landfall-blue"].Server != "https://10.1.0.2:6443" || config.Contexts["work"] == nil {
		t.Errorf("after merging: %+v", config)
	}
	if err := Remove(mine, "blue"); err != nil {
		t.Fatal(err)
	}
	config, err = clientcmd.LoadFromFile(mine)
	if err != nil {
		t.Fatal(err)
	}
	if config.CurrentContext != "" || len(config.Contexts) != 1 || len(config.Clusters) != 1 || len(config.AuthInfos) != 1 {
		t.Errorf("after removing: %+v", config)
	}
}

func TestMergeMakesAMissingFileReadableByItsOwnerOnly(t *testing.T) {
	mine := filepath.Join(t.TempDir(), "deep", "config")
	if _, err := Merge(mine, write(t, "default", "https://10.1.0.2:6443"), "blue"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(mine)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode().Perm())
	}
}

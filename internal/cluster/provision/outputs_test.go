package provision

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

const certificate = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"

// outputs of a module, in JSON.
func outputs(t *testing.T, values map[string]any) map[string]json.RawMessage {
	t.Helper()
	raw := map[string]json.RawMessage{}
	for name, value := range values {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		raw[name] = text
	}
	return raw
}

// reached says in a line how a kubeconfig reaches its cluster.
func reached(config *api.Config) string {
	context := config.Contexts[config.CurrentContext]
	cluster, user := config.Clusters[context.Cluster], config.AuthInfos[context.AuthInfo]
	how := "nothing"
	switch {
	case user.Exec != nil:
		how = user.Exec.Command + " " + strings.Join(user.Exec.Args, " ")
	case user.Token != "":
		how = "token " + user.Token
	case len(user.ClientCertificateData) > 0:
		how = "certificate"
	}
	return cluster.Server + " by " + how
}

func TestWhatModulesPutOut(t *testing.T) {
	kubeconfig := api.NewConfig()
	kubeconfig.Clusters["c"] = &api.Cluster{Server: "https://192.0.2.7:6443"}
	kubeconfig.AuthInfos["u"] = &api.AuthInfo{Token: "t"}
	kubeconfig.Contexts["x"] = &api.Context{Cluster: "c", AuthInfo: "u"}
	kubeconfig.CurrentContext = "x"
	whole, err := clientcmd.Write(*kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig.AuthInfos["u"] = &api.AuthInfo{TokenFile: "/etc/passwd"}
	files, err := clientcmd.Write(*kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(certificate))
	eks := map[string]any{"endpoint": "https://eks", "certificate_authority": encoded, "cluster_name": "green", "region": "eu-west-1"}
	for _, c := range []struct {
		name  string
		put   map[string]any
		want  string
		short bool
		wrong string
	}{
		{name: "a kubeconfig", put: map[string]any{"kubeconfig": string(whole)}, want: "https://192.0.2.7:6443 by token t"},
		{name: "a client certificate", put: map[string]any{"endpoint": "https://e", "certificate_authority": certificate, "client_certificate": encoded, "client_key": encoded}, want: "https://e by certificate"},
		{name: "a token", put: map[string]any{"endpoint": "https://e", "certificate_authority": encoded, "token": "t"}, want: "https://e by token t", short: true},
		{name: "an EKS cluster", put: eks, want: "https://eks by aws eks get-token --cluster-name green --region eu-west-1 --output json", short: true},
		{name: "nothing", put: map[string]any{"kubeconfig": nil}, wrong: "says nothing of how cluster green is reached"},
		{name: "nobody", put: map[string]any{"endpoint": "https://e", "certificate_authority": encoded}, wrong: "how to log in"},
		{name: "another type", put: map[string]any{"endpoint": 7}, wrong: "endpoint is of another type"},
		{name: "no PEM", put: map[string]any{"endpoint": "https://e", "certificate_authority": "PEM"}, wrong: "certificate_authority"},
		{name: "files", put: map[string]any{"kubeconfig": string(files)}, wrong: "reads its credentials from files"},
		{name: "no kubeconfig", put: map[string]any{"kubeconfig": "{"}, wrong: "it is not a kubeconfig"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := readOutputs(outputs(t, c.put))
			var config *api.Config
			if err == nil {
				config, err = o.config("green")
			}
			if c.wrong != "" {
				if fault.ClassOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.wrong) {
					t.Errorf("got %v, want one that says %q", err, c.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := reached(config); got != c.want || shortLived(config, o) != c.short {
				t.Errorf("got %s (short-lived: %t), want %s", got, shortLived(config, o), c.want)
			}
		})
	}
}

func TestRolesFollowTheModule(t *testing.T) {
	have := []v1alpha1.ClusterRole{
		{Name: "admin", Groups: []string{"ops"}},
		{Name: "viewer", ServiceAccount: &v1alpha1.ServiceAccountRef{Namespace: "a", Name: "b"}},
	}
	want := []v1alpha1.ClusterRole{
		{Name: "admin", Groups: []string{"ops"}, AWSRoleARN: "arn:1"},
		have[1],
		{Name: "app-admin", AWSRoleARN: "arn:2"},
	}
	got := roles(have, map[string]string{"admin": "arn:1", "app-admin": "arn:2", "viewer": "arn:3"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the roles (-want +got):\n%s", diff)
	}
}

func TestKubeconfigsForPods(t *testing.T) {
	for server, usable := range map[string]bool{
		"https://10.103.0.2:6443": true, "https://127.0.0.1:6443": false, "https://localhost:6443": false, "https://[::1]:6443": false, "https://green.example.org": true,
	} {
		config := api.NewConfig()
		config.Clusters["c"] = &api.Cluster{Server: server}
		config.Contexts["x"] = &api.Context{Cluster: "c"}
		config.CurrentContext = "x"
		secret, err := Secret("green", config)
		if (err == nil) != usable {
			t.Errorf("%s: %v", server, err)
		}
		if usable && (secret.Name != "cluster-green" || secret.Namespace != Namespace || len(secret.Data[KeyKubeconfig]) == 0) {
			t.Errorf("the secret is %s/%s", secret.Namespace, secret.Name)
		}
	}
}

package kubeconfig

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientauthenticationv1 "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/access"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
)

const viewerARN = "arn:aws:iam::123456789012:role/viewer"

// person runs the command with a kubeconfig whose context platform leads to the
// management cluster.
type person struct {
	t      *testing.T
	file   string
	groups []string
	// forbidden: the person may not read Secrets but the one called may.
	forbidden bool
	may       string
	objects   []client.Object
}

func newPerson(t *testing.T, objects ...client.Object) *person {
	p := &person{t: t, file: filepath.Join(t.TempDir(), "config"), groups: []string{"devs", "system:authenticated"}, objects: objects}
	config := api.NewConfig()
	config.CurrentContext = "platform"
	config.Contexts["platform"] = &api.Context{Cluster: "platform", AuthInfo: "me"}
	config.Clusters["platform"] = &api.Cluster{Server: "https://platform:6443"}
	config.AuthInfos["me"] = &api.AuthInfo{Token: "mine"}
	if err := clientcmd.WriteToFile(*config, p.file); err != nil {
		t.Fatal(err)
	}
	return p
}

// run gives what the command prints.
func (p *person) run(args ...string) (string, error) {
	p.t.Helper()
	var out bytes.Buffer
	c := &command.Context{Out: &out, Err: &out, Clock: time.Now, Getenv: func(string) string { return "" }}
	c.SetClient(fake.NewClientBuilder().WithScheme(command.Scheme()).WithObjects(p.objects...).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
			o.(*authenticationv1.SelfSubjectReview).Status.UserInfo.Groups = p.groups
			return nil
		},
		Get: func(ctx context.Context, cl client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if _, secret := o.(*corev1.Secret); secret && p.forbidden && key.Name != p.may {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, key.Name, nil)
			}
			return cl.Get(ctx, key, o, options...)
		},
	}).Build())
	cmd := New(c)
	c.AddFlags(cmd.PersistentFlags())
	cmd.SetArgs(append(args, "--kubeconfig", p.file))
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(p.t.Context())
	return out.String(), err
}

func (p *person) config() *api.Config {
	p.t.Helper()
	config, err := clientcmd.LoadFromFile(p.file)
	if err != nil {
		p.t.Fatal(err)
	}
	return config
}

// logins tells for each context how one logs in.
func (p *person) logins() map[string]string {
	all := map[string]string{}
	config := p.config()
	for name, ctx := range config.Contexts {
		login := config.AuthInfos[ctx.AuthInfo]
		how := login.Token
		if login.Exec != nil {
			how = strings.Join(append([]string{filepath.Base(login.Exec.Command)}, login.Exec.Args...), " ")
		}
		all[name] = config.Clusters[ctx.Cluster].Server + " " + strings.NewReplacer("kubeconfig.test", "landfall", p.file, "FILE").Replace(how)
	}
	return all
}

func stored(name string, user api.AuthInfo) *corev1.Secret {
	text, err := clientcmd.Write(api.Config{
		CurrentContext: "c", Contexts: map[string]*api.Context{"c": {Cluster: "c", AuthInfo: "c"}},
		Clusters:  map[string]*api.Cluster{"c": {Server: "https://" + name + ".inside:6443", CertificateAuthorityData: []byte("ca")}},
		AuthInfos: map[string]*api.AuthInfo{"c": &user},
	})
	if err != nil {
		panic(err)
	}
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "landfall-system", Name: "cluster-" + name}, Data: map[string][]byte{"kubeconfig": text}}
}

func cluster(name string, change func(*v1alpha1.Cluster)) *v1alpha1.Cluster {
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
	c.Spec.KubeconfigSecret = &v1alpha1.SecretKeyRef{Namespace: "landfall-system", Name: "cluster-" + name}
	c.Status.Endpoint, c.Status.CertificateAuthority = "https://"+name+".inside:6443", []byte("ca")
	if change != nil {
		change(c)
	}
	return c
}

func TestRolesOfOnesGroups(t *testing.T) {
	account := &v1alpha1.ServiceAccountRef{Namespace: "ops", Name: "viewer"}
	p := newPerson(t,
		stored("blue", api.AuthInfo{Token: "root"}), cluster("blue", func(c *v1alpha1.Cluster) {
			c.Spec.Endpoint = "https://blue.outside:6443"
			c.Spec.Roles = []v1alpha1.ClusterRole{{Name: "admin", Groups: []string{"ops"}}, {Name: "viewer", Groups: []string{"devs"}, ServiceAccount: account}}
		}),
		stored("green", api.AuthInfo{Token: "green"}), cluster("green", func(c *v1alpha1.Cluster) { c.Spec.Latest = true }),
		cluster("local", func(c *v1alpha1.Cluster) { c.Spec.KubeconfigSecret = nil }),
		stored("program", api.AuthInfo{Exec: &api.ExecConfig{Command: "/tmp/evil", APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: "Never"}}), cluster("program", nil),
		cluster("lost", nil),
	)
	out, err := p.run()
	if err == nil || fault.ClassOf(err) != fault.Failed || !strings.Contains(err.Error(), "nothing is known of lost") {
		t.Errorf("a cluster of which nothing is known: %v", err)
	}
	want := map[string]string{
		"platform":     "https://platform:6443 mine",
		"blue-viewer":  "https://blue.outside:6443 landfall kubeconfig token blue viewer --context platform --kubeconfig FILE",
		"green-admin":  "https://green.inside:6443 green",
		"latest":       "https://green.inside:6443 green",
		"latest-admin": "https://green.inside:6443 green",
	}
	if diff := cmp.Diff(want, p.logins()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, note := range []string{"local, role admin: it is the cluster that Landfall runs in: use context platform", "program, role admin: its kubeconfig logs in by the program /tmp/evil"} {
		if !strings.Contains(out, note) {
			t.Errorf("%q is missing in:\n%s", note, out)
		}
	}
	// An operator, who uses one of the contexts: the platform is still found.
	p.groups, p.objects = []string{"ops"}, p.objects[:len(p.objects)-1]
	if _, err := p.run("--use", "blue-admin"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.run("--role", "admin"); err != nil {
		t.Fatal(err)
	}
	if got := p.config(); got.Contexts["blue-viewer"] != nil || got.Contexts["blue-admin"] == nil || got.CurrentContext != "blue-admin" {
		t.Errorf("contexts %v, current %s", got.Contexts, got.CurrentContext)
	}
	if _, err := p.run("--remove"); err != nil {
		t.Fatal(err)
	}
	if got := p.config(); len(got.Contexts) != 1 || len(got.Clusters) != 1 || len(got.AuthInfos) != 1 {
		t.Errorf("left: %v", got.Contexts)
	}
}

// TestWithTheLeastRights one has the role whose own Secret one may read, by what
// the cluster's status says, and is told what the others need.
func TestWithTheLeastRights(t *testing.T) {
	own := stored("viewer", api.AuthInfo{Token: "tokens of viewer"})
	p := newPerson(t, stored("blue", api.AuthInfo{Token: "root"}), own, cluster("blue", func(c *v1alpha1.Cluster) {
		c.Spec.Roles = []v1alpha1.ClusterRole{
			{Name: "admin"},
			{Name: "deployer", ServiceAccount: &v1alpha1.ServiceAccountRef{Namespace: "ops", Name: "deployer"}},
			{Name: "viewer", ServiceAccount: &v1alpha1.ServiceAccountRef{Namespace: "ops", Name: "viewer", KubeconfigSecret: &v1alpha1.SecretKeyRef{Namespace: own.Namespace, Name: own.Name}}},
			{Name: "lost", ServiceAccount: &v1alpha1.ServiceAccountRef{Namespace: "ops", Name: "lost", KubeconfigSecret: &v1alpha1.SecretKeyRef{Namespace: own.Namespace, Name: "gone"}}},
		}
	}))
	p.forbidden, p.may = true, own.Name
	out, err := p.run("-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var said outcome
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := []access.Note{
		{Cluster: "blue", Role: "admin", Reason: "its kubeconfig is not for you to read"},
		{Cluster: "blue", Role: "deployer", Reason: "its tokens are got with Secret landfall-system/cluster-blue, which is not for you to read"},
		{Cluster: "blue", Role: "lost", Reason: "its tokens are got with Secret landfall-system/gone, which is not for you to read"},
	}
	if diff := cmp.Diff(want, said.Notes); diff != "" {
		t.Error(diff)
	}
	login := "https://blue.inside:6443 landfall kubeconfig token blue viewer --context platform --kubeconfig FILE"
	if diff := cmp.Diff(map[string]string{"platform": "https://platform:6443 mine", "blue-viewer": login, "latest": login, "latest-viewer": login}, p.logins()); diff != "" {
		t.Error(diff)
	}
	if _, err := p.run("token", "blue", "deployer"); fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), "Secret landfall-system/cluster-blue is not yours to read") {
		t.Errorf("a token that is not for one: %v", err)
	}
}

func TestDryRunAndRefusals(t *testing.T) {
	p := newPerson(t, stored("blue", api.AuthInfo{Token: "root"}), cluster("blue", nil))
	before, _ := os.ReadFile(p.file)
	out, err := p.run("--dry-run")
	if err != nil || !strings.Contains(out, "(dry run)") || strings.Contains(out, "root") {
		t.Errorf("%v:\n%s", err, out)
	}
	for _, args := range [][]string{{"--role", "owner"}, {"--use", "red-admin"}} {
		if _, err := p.run(args...); fault.ClassOf(err) != fault.NotFound {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := p.run("--eks", "eu-west-1", "--eks-role", "a b=x"); fault.ClassOf(err) != fault.Invalid {
		t.Errorf("a role with a blank: %v", err)
	}
	if after, _ := os.ReadFile(p.file); !bytes.Equal(before, after) {
		t.Errorf("the file was changed:\n%s", after)
	}
}

// TestTagsOfEKS: tags decide over what the object says, and what AWS does not
// tell stays as it is.
func TestTagsOfEKS(t *testing.T) {
	ready, down := "true", false
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case down:
			w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"message":"no"}`))
		case req.URL.Path == "/clusters":
			_, _ = w.Write([]byte(`{"clusters":["prod"]}`))
		default:
			_, _ = w.Write([]byte(`{"cluster":{"name":"prod","status":"ACTIVE","endpoint":"https://prod.eks:443","certificateAuthority":{"data":"Y2E="},"tags":{"landfall:ready":"` + ready + `"}}}`))
		}
	}))
	t.Cleanup(aws.Close)
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": aws.URL, "AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "x", "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"} {
		t.Setenv(name, value)
	}
	p := newPerson(t, cluster("blue", func(c *v1alpha1.Cluster) {
		c.Spec.EKS = &v1alpha1.EKS{Name: "prod", Region: "eu-west-1"}
		c.Spec.Roles = []v1alpha1.ClusterRole{{Name: "viewer", Groups: []string{"devs"}, AWSRoleARN: viewerARN}}
	}))
	if out, err := p.run(); err != nil {
		t.Fatal(err, out)
	}
	login := "https://prod.eks:443 aws eks get-token --cluster-name prod --region eu-west-1 --output json --role-arn " + viewerARN
	if got := p.logins()["blue-viewer"]; got != login {
		t.Errorf("got %s", got)
	}
	down = true
	if _, err := p.run(); err == nil || p.logins()["blue-viewer"] != login {
		t.Errorf("AWS does not answer: %v, %v", err, p.logins())
	}
	down, ready = false, "false"
	if _, err := p.run(); err != nil || p.config().Contexts["blue-viewer"] != nil {
		t.Errorf("not ready: %v, %v", err, p.logins())
	}
	ready = "true"
	if _, err := p.run("--eks", "eu-west-1", "--eks-role", "viewer="+viewerARN); err != nil || p.logins()["prod-viewer"] != login {
		t.Errorf("by tags alone: %v, %v", err, p.logins())
	}
}

// TestTokens are what kubectl can use, on a real cluster.
func TestTokens(t *testing.T) {
	kubetest.InstallKinds(t)
	namespace, name := kubetest.Namespace(t), kubetest.Name(t)
	var out bytes.Buffer
	c := &command.Context{Out: &out, Err: &out, Clock: time.Now, Getenv: os.Getenv}
	c.Kube.Kubeconfig = os.Getenv(kubetest.EnvKubeconfig)
	cl, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	blue := cluster(name, func(c *v1alpha1.Cluster) {
		c.Spec.KubeconfigSecret = nil
		c.Spec.Roles = []v1alpha1.ClusterRole{{Name: "admin"}, {Name: "viewer", ServiceAccount: &v1alpha1.ServiceAccountRef{Namespace: namespace, Name: "default"}}}
	})
	if err := cl.Create(t.Context(), blue); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cl.Delete(context.Background(), blue) })
	kubetest.Eventually(t, func() string {
		if err := cl.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "default"}, &corev1.ServiceAccount{}); err != nil {
			return err.Error()
		}
		return ""
	})
	if err := token(t.Context(), c, name, "admin"); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("a role that has no ServiceAccount: %v", err)
	}
	if err := token(t.Context(), c, name, "viewer"); err != nil {
		t.Fatal(err)
	}
	var got clientauthenticationv1.ExecCredential
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Kind != "ExecCredential" || got.Status == nil || got.Status.ExpirationTimestamp.After(time.Now().Add(time.Hour)) {
		t.Fatalf("got %+v", got)
	}
	config := kubetest.Config(t)
	review := &authenticationv1.SelfSubjectReview{}
	config.TLSClientConfig.CertData, config.TLSClientConfig.KeyData, config.BearerToken = nil, nil, got.Status.Token
	as, err := client.New(config, client.Options{Scheme: command.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	if err := as.Create(t.Context(), review); err != nil || review.Status.UserInfo.Username != "system:serviceaccount:"+namespace+":default" {
		t.Errorf("the token is %s's (%v)", review.Status.UserInfo.Username, err)
	}
}

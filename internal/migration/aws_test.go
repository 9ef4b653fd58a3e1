package migration

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
	"github.com/landfall-dev/landfall/internal/traffic/awstest"
	"github.com/landfall-dev/landfall/internal/traffic/route53"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

// secrets is a reader of Secrets in memory.
type secrets map[string]map[string][]byte

func (s secrets) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	data, ok := s[key.Name]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
	}
	obj.(*corev1.Secret).Data = data
	return nil
}

func (s secrets) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

// awsObject is a Migration of the shop's hostname.
func awsObject(access v1alpha1.AWSAccess, change func(*v1alpha1.MigrationSpec, v1alpha1.AWSAccess)) *v1alpha1.Migration {
	m := &v1alpha1.Migration{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "move"}}
	m.Spec.Hostname = "shop.example.com"
	m.Spec.From.Name, m.Spec.To.Name = "servers", "kubernetes"
	change(&m.Spec, access)
	return m
}

// TestRoutersOfAWS are made from the object and reach AWS as its standard
// variables and a Secret say.
func TestRoutersOfAWS(t *testing.T) {
	account := awstest.Start(t, awstest.Options{})
	t.Setenv("AWS_ENDPOINT_URL", account.URL())
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	zone := account.DNS.CreateZone("example.com")
	account.DNS.Simple(zone, "shop.example.com", "A", 300, "192.0.2.1")
	old, fresh := account.ELB.CreateGroup("servers", 1), account.ELB.CreateGroup("kubernetes", 1)
	listener, _ := account.ELB.CreateListener(old)

	objects := map[string]func(*v1alpha1.MigrationSpec, v1alpha1.AWSAccess){
		"route53": func(s *v1alpha1.MigrationSpec, access v1alpha1.AWSAccess) {
			s.Router.Route53 = &v1alpha1.Route53Router{AWSAccess: access, HostedZoneID: zone}
			s.From.Route53 = &v1alpha1.Route53Side{Records: []string{"192.0.2.1"}, PinHostname: "old.example.com"}
			s.To.Route53 = &v1alpha1.Route53Side{Alias: &v1alpha1.Route53Alias{DNSName: "k8s.example.net", HostedZoneID: "ZELB"}}
		},
		"alb": func(s *v1alpha1.MigrationSpec, access v1alpha1.AWSAccess) {
			s.Router.ALB = &v1alpha1.ALBRouter{AWSAccess: access, RuleARN: listener, Pin: true}
			s.From.ALB, s.To.ALB = &v1alpha1.ALBSide{TargetGroupARN: old}, &v1alpha1.ALBSide{TargetGroupARN: fresh}
		},
	}
	bind := Binder{
		Reader: secrets{"aws": {"AWS_ACCESS_KEY_ID": []byte("AKIATEST"), "AWS_SECRET_ACCESS_KEY": []byte("hunter2")}, "half": {"AWS_ACCESS_KEY_ID": []byte("AKIATEST")}},
		Clock:  account.Clock.Now, AWS: &awsaccount.Accounts{}, Heartbeat: &route53.Heartbeat{},
	}
	for name, change := range objects {
		t.Run(name, func(t *testing.T) {
			router, err := bind.Router(t.Context(), awsObject(v1alpha1.AWSAccess{Region: "eu-west-1", SecretName: "aws"}, change))
			if err != nil {
				t.Fatal(err)
			}
			fence := &traffictest.Fence{Number: 1}
			for done := false; !done; account.Clock.Advance(time.Minute) {
				p, err := router.Prepare(t.Context(), fence)
				if err != nil {
					t.Fatal(err)
				}
				done = p.Done
			}
			if err := router.Write(t.Context(), 25, fence); err != nil {
				t.Fatal(err)
			}
			state, err := router.Read(t.Context())
			if err != nil || !state.Instances[0].At(25) {
				t.Errorf("%+v, %v", state, err)
			}
			if how := router.(traffic.Pinner).Pin(traffic.Old); how == "" {
				t.Error("the old side cannot be asked for")
			}
			for _, secret := range []string{"half", "missing"} {
				if _, err := bind.Router(t.Context(), awsObject(v1alpha1.AWSAccess{SecretName: secret}, change)); fault.ClassOf(err) != fault.Invalid || fault.HintOf(err) == "" {
					t.Errorf("with Secret %s: %v", secret, err)
				}
			}
		})
	}
	m := awsObject(v1alpha1.AWSAccess{}, objects["route53"])
	m.Spec.DeadMan = &metav1.Duration{Duration: time.Minute}
	if _, err := bind.Router(t.Context(), m); fault.ClassOf(err) != fault.Invalid {
		t.Errorf("a dead man without a heartbeat's address: %v", err)
	}
}

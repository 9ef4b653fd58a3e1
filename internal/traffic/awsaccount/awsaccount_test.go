package awsaccount

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// TestReserve: what can wait leaves a fifth of the bucket to what cannot.
func TestReserve(t *testing.T) {
	l, now := newLimiter(Bucket{Burst: 10, Second: 1}), time.Now()
	taken := 0
	for l.take(now, false) == 0 {
		taken++
	}
	if taken != 8 {
		t.Errorf("%d ordinary requests of a bucket of 10, want 8", taken)
	}
	for taken = 0; l.take(now, true) == 0; taken++ {
	}
	if taken != 2 {
		t.Errorf("%d urgent requests were left, want 2", taken)
	}
	if delay := l.take(now, true); delay < 900*time.Millisecond || delay > 1100*time.Millisecond {
		t.Errorf("the next urgent one in %s, want a second", delay)
	}
	if delay := l.take(now, false); delay < 2900*time.Millisecond || delay > 3100*time.Millisecond {
		t.Errorf("the next ordinary one in %s, want three seconds", delay)
	}
}

// TestHush: others use the account too.
func TestHush(t *testing.T) {
	l := newLimiter(Bucket{Burst: 10, Second: 10})
	l.hush()
	if delay := l.take(time.Now(), false); delay <= time.Second {
		t.Errorf("ordinary requests wait for %s", delay)
	}
	if delay := l.take(time.Now(), true); delay != 0 {
		t.Errorf("urgent requests wait for %s", delay)
	}
}

func TestWaitEnds(t *testing.T) {
	l := newLimiter(Bucket{Burst: 1, Second: 0.1})
	_ = l.wait(traffic.Urgent(t.Context()))
	var throttled *traffic.Throttled
	if err := l.wait(t.Context()); !errors.As(err, &throttled) || throttled.After < time.Second {
		t.Errorf("too long a wait: %v", err)
	}
	quick := newLimiter(Bucket{Burst: 1, Second: 2})
	_ = quick.wait(traffic.Urgent(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := quick.wait(traffic.Urgent(ctx)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a wait beyond its context: %v", err)
	}
}

func TestExplain(t *testing.T) {
	operation := func(service, name string, err error) error {
		return &smithy.OperationError{ServiceID: service, OperationName: name, Err: err}
	}
	api := func(code string) error { return &smithy.GenericAPIError{Code: code, Message: "so it is"} }
	tests := map[string]struct {
		err       error
		class     fault.Class
		throttled bool
		hint      string
	}{
		"throttled":           {err: api("Throttling"), throttled: true},
		"a prior request":     {err: api("PriorRequestNotComplete"), throttled: true},
		"denied, Route 53":    {err: operation("Route 53", "GetChange", api("AccessDenied")), class: fault.Refused, hint: "Allow route53:GetChange"},
		"denied, ELB":         {err: operation("Elastic Load Balancing v2", "ModifyRule", api("AccessDenied")), class: fault.Refused, hint: "Allow elasticloadbalancing:ModifyRule"},
		"denied, EKS":         {err: operation("EKS", "DescribeCluster", api("AccessDeniedException")), class: fault.Refused, hint: "Allow eks:DescribeCluster"},
		"expired":             {err: operation("Route 53", "GetChange", api("ExpiredToken")), class: fault.Refused, hint: "Log in to AWS again."},
		"unknown":             {err: api("NoSuchHostedZone"), class: fault.Invalid, hint: "Check its name"},
		"unknown group":       {err: api("TargetGroupNotFound"), class: fault.Invalid, hint: "Check its name"},
		"not valid":           {err: api("ValidationError"), class: fault.Invalid, hint: "Correct"},
		"AWS is down":         {err: api("ServiceUnavailable")},
		"a broken connection": {err: operation("Route 53", "GetChange", errors.New("connection reset"))},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := Explain(tt.err, "reading zone %s", "Z1")
			var throttled *traffic.Throttled
			if errors.As(err, &throttled) != tt.throttled || fault.ClassOf(err) != tt.class {
				t.Errorf("throttled %v, class %s: %v", errors.As(err, &throttled), fault.ClassOf(err), err)
			}
			if !strings.HasPrefix(err.Error(), "reading zone Z1: ") || !strings.HasPrefix(fault.HintOf(err), tt.hint) {
				t.Errorf("%q, hint %q", err, fault.HintOf(err))
			}
			if want, _ := CodeAndMessage(tt.err); want != "" {
				if got, _ := CodeAndMessage(err); got != want {
					t.Errorf("the code %q became %q", want, got)
				}
			}
		})
	}
	if Explain(nil, "doing") != nil {
		t.Error("nothing became an error")
	}
}

// TestNoCredentials: the SDK's own words are for those who know it.
func TestNoCredentials(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	cfg, err := (&Accounts{}).Open(t.Context(), Login{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = route53.NewFromConfig(cfg).GetChange(t.Context(), &route53.GetChangeInput{Id: aws.String("C1")})
	if err = Explain(err, "asking"); fault.ClassOf(err) != fault.Refused || fault.HintOf(err) == "" || !strings.Contains(err.Error(), "there are no credentials of AWS") {
		t.Errorf("class %s: %v", fault.ClassOf(err), err)
	}
}

// TestAccountsShare limits, and keep credentials to themselves.
func TestAccountsShare(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	t.Setenv("AWS_REGION", "eu-west-1")
	accounts := &Accounts{}
	keys := Keys{ID: "AKIA1", Secret: "hunter2"}
	for _, login := range []Login{{}, {Region: "eu-west-1"}, {Region: "us-east-1"}, {Keys: keys}, {}} {
		if _, err := accounts.Open(t.Context(), login); err != nil {
			t.Fatal(err)
		}
	}
	// Global and eu-west-1, us-east-1; the same two for the keys.
	if len(accounts.limits) != 5 || len(accounts.open) != 4 {
		t.Errorf("%d limits of %d logins", len(accounts.limits), len(accounts.open))
	}
	if text := fmt.Sprintf("%v %+v", keys, Login{Keys: keys}); strings.Contains(text, "hunter2") {
		t.Errorf("a secret is printed: %s", text)
	}
	cfg, err := accounts.Open(t.Context(), Login{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := cfg.Credentials.Retrieve(t.Context()); err != nil || got.AccessKeyID != "AKIA1" || got.SecretAccessKey != "hunter2" {
		t.Errorf("credentials of %s: %v", got.AccessKeyID, err)
	}
}

// The second is the example of the API reference; the first is the form of all
// other errors, and what today's command line shows.
func TestBothFormsOfARefusedBatch(t *testing.T) {
	const why = "Tried to create resource record set [name='shop.example.org.', type='A'] but it already exists"
	for form, body := range map[string]string{
		"as all errors":   `<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>InvalidChangeBatch</Code><Message>[` + why + `]</Message></Error><RequestId>1</RequestId></ErrorResponse>`,
		"by its own name": `<InvalidChangeBatch xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Messages><Message>` + why + `</Message></Messages><RequestId>1</RequestId></InvalidChangeBatch>`,
	} {
		t.Run(form, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, body)
			}))
			defer server.Close()
			client := route53.NewFromConfig(aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", "")})
			_, err := client.ChangeResourceRecordSets(t.Context(), &route53.ChangeResourceRecordSetsInput{
				HostedZoneId: aws.String("Z1"),
				ChangeBatch:  &types.ChangeBatch{Changes: []types.Change{{Action: types.ChangeActionCreate, ResourceRecordSet: &types.ResourceRecordSet{Name: aws.String("shop.example.org."), Type: types.RRTypeA}}}},
			})
			err = Explain(err, "changing zone Z1")
			if code, message := CodeAndMessage(err); code != "InvalidChangeBatch" || !strings.Contains(message, why) {
				t.Errorf("%s: %s", code, message)
			}
			if want := "changing zone Z1: AWS says InvalidChangeBatch: "; !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), why) {
				t.Errorf("%v", err)
			}
		})
	}
}

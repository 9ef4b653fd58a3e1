// Package awstest is AWS for tests: Route 53 and Elastic Load Balancing over
// their real protocols, with the limits, delays and refusals of the real ones,
// and models of what they do to requests: resolvers that cache, load balancers
// with sticky sessions. It follows the services' API references and developer
// guides; where they are silent it says so.
package awstest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// Options of the fake. The zero value is quick and without limits.
type Options struct {
	// Limits refuses requests above AWS's limits.
	Limits bool
	// Propagation is how long a change takes until it is in effect: PENDING →
	// INSYNC in Route 53, a rule's weight on the load balancer's nodes.
	Propagation time.Duration
	// Work is how long Route 53 works on a change of a zone and refuses others
	// of the same zone (PriorRequestNotComplete).
	Work time.Duration
}

// AWS is one account. Its methods are safe for concurrent use.
type AWS struct {
	// Clock of the account; tests may move it on.
	Clock *Clock
	DNS   *Route53
	ELB   *LoadBalancing

	t      testing.TB
	server *httptest.Server

	mu       sync.Mutex
	trouble  trouble
	requests map[string]int
}

// trouble is what tests do to the account.
type trouble struct {
	denied, throttled, garbled bool
	// cuts is how many changes are still to be cut.
	cuts int
}

// Start starts an account that ends with the test.
func Start(t testing.TB, options Options) *AWS {
	t.Helper()
	a := &AWS{Clock: &Clock{}, t: t, requests: map[string]int{}}
	random := &source{r: rand.New(rand.NewPCG(1, 2))}
	a.DNS = newRoute53(a.Clock, random, options)
	a.ELB = newLoadBalancing(a.Clock, random, options)
	a.server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.server.Close)
	return a
}

// URL is the endpoint of both services.
func (a *AWS) URL() string { return a.server.URL }

// Config is for clients of the account that keep to no limits of their own.
func (a *AWS) Config() aws.Config {
	return awsaccount.Limited(aws.Config{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(a.server.URL),
		Credentials:  credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
		HTTPClient:   a.server.Client(),
	})
}

// Deny takes all permissions away, Throttle refuses all requests, Garble spoils
// the answers. Restore ends all that.
func (a *AWS) Deny() { a.set(func(t *trouble) { t.denied = true }) }

// Throttle refuses all requests as too many.
func (a *AWS) Throttle() { a.set(func(t *trouble) { t.throttled = true }) }

// Garble breaks off answers in the middle.
func (a *AWS) Garble() { a.set(func(t *trouble) { t.garbled = true }) }

// Cut cuts the connection of the next change after it was carried out and
// before it is answered.
func (a *AWS) Cut() { a.set(func(t *trouble) { t.cuts = 1 }) }

// Restore ends what Deny, Throttle, Garble and Cut began.
func (a *AWS) Restore() { a.set(func(t *trouble) { *t = trouble{} }) }

func (a *AWS) set(change func(*trouble)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.trouble)
}

// Requests counts the requests of each operation so far.
func (a *AWS) Requests(operation string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests[operation]
}

// failure is an answer that is an error.
type failure struct {
	status        int
	code, message string
}

func (f *failure) Error() string { return f.code + ": " + f.message }

func refuse(code, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

// call is one request, understood.
type call struct {
	operation string
	changes   bool
	// invalid is the code of the error for values that are out of bounds.
	invalid string
	values  map[string][]string
	// do gives the document that answers.
	do func() (any, error)
}

func (a *AWS) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		return
	}
	var c call
	var namespace string
	if strings.HasPrefix(req.URL.Path, route53Root) {
		c, namespace = a.DNS.call(req, body), route53Namespace
	} else {
		c, namespace = a.ELB.call(body), elbNamespace
	}
	a.mu.Lock()
	a.requests[c.operation]++
	trouble := a.trouble
	if c.changes && a.trouble.cuts > 0 {
		a.trouble.cuts--
	}
	a.mu.Unlock()

	answer, err := a.answer(c, trouble)
	if c.changes && trouble.cuts > 0 {
		cut(w)
		return
	}
	respond(w, namespace, answer, err, trouble.garbled)
}

// answer holds a call against AWS's model of its operation, and what this
// account answers, too: a test that relies on an error which the real operation
// does not have fails.
func (a *AWS) answer(c call, trouble trouble) (any, error) {
	operations, err := model()
	if err != nil {
		return nil, err
	}
	operation, known := operations[c.operation]
	if wrong := operation.violations(c.values); len(wrong) > 0 {
		return nil, refuse(c.invalid, "%d validation errors detected: %s", len(wrong), strings.Join(wrong, "; "))
	}
	answer, err := trouble.answer(c)
	if known && !operation.possible(err) {
		a.t.Errorf("awstest: the real %s does not fail with %v", c.operation, err)
	}
	return answer, err
}

// answer carries a call out, if it may.
func (t trouble) answer(c call) (any, error) {
	switch {
	case t.denied:
		return nil, &failure{http.StatusForbidden, "AccessDenied", "User: arn:aws:iam::123456789012:user/landfall is not authorized to perform: " + c.operation}
	case t.throttled:
		return nil, refuse("Throttling", "Rate exceeded")
	}
	return c.do()
}

// errorDocument is how both services write errors.
type errorDocument struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Type    string   `xml:"Error>Type"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
	Request string   `xml:"RequestId"`
}

func respond(w http.ResponseWriter, namespace string, answer any, err error, garbled bool) {
	status := http.StatusOK
	if err != nil {
		var f *failure
		if !errors.As(err, &f) {
			f = &failure{http.StatusInternalServerError, "InternalFailure", err.Error()}
		}
		status, answer = f.status, errorDocument{Type: "Sender", Code: f.code, Message: f.message, Request: "00000000-0000-0000-0000-000000000000"}
	}
	text, err := xml.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	// The name space belongs to the root element alone.
	root := strings.IndexByte(string(text), '>')
	document := string(text[:root]) + ` xmlns="` + namespace + `"` + string(text[root:])
	if garbled {
		document = document[:len(document)/2]
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, xml.Header+document)
}

// cut closes the connection without an answer.
func cut(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

// source of random numbers for concurrent use.
type source struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (s *source) below(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.IntN(n)
}

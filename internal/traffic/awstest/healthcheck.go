package awstest

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// checkers is how many places of the world look at an endpoint.
const checkers = 8

// healthCheck looks at an endpoint again and again.
type healthCheck struct {
	ID        string            `xml:"HealthCheck>Id"`
	Reference string            `xml:"HealthCheck>CallerReference"`
	Config    healthCheckConfig `xml:"HealthCheck>HealthCheckConfig"`
	Version   int               `xml:"HealthCheck>HealthCheckVersion"`

	healthy  bool
	inARow   int // probes that say otherwise
	next     time.Time
	override *bool
}

type healthCheckConfig struct {
	Type      string `xml:"Type"`
	FQDN      string `xml:"FullyQualifiedDomainName,omitempty"`
	IP        string `xml:"IPAddress,omitempty"`
	Port      int    `xml:"Port,omitempty"`
	Path      string `xml:"ResourcePath,omitempty"`
	Interval  int    `xml:"RequestInterval,omitempty"`
	Threshold int    `xml:"FailureThreshold,omitempty"`
}

func (c healthCheckConfig) url() string {
	host := c.FQDN
	if host == "" {
		host = c.IP
	}
	return fmt.Sprintf("http://%s:%d%s", host, c.Port, c.Path)
}

type createCheckRequest struct {
	XMLName   xml.Name          `xml:"CreateHealthCheckRequest"`
	Reference string            `xml:"CallerReference"`
	Config    healthCheckConfig `xml:"HealthCheckConfig"`
}

type createCheckAnswer struct {
	XMLName xml.Name `xml:"CreateHealthCheckResponse"`
	*healthCheck
}

func (r *Route53) createCheck(body []byte) (any, error) {
	var request createCheckRequest
	if err := xml.Unmarshal(body, &request); err != nil {
		return nil, refuse("InvalidInput", "Invalid XML ; %v", err)
	}
	if i := request.Config.Interval; i != 10 && i != 30 {
		return nil, refuse("InvalidInput", "Invalid request interval %d", i)
	}
	if n := request.Config.Threshold; n < 1 || n > 10 {
		return nil, refuse("InvalidInput", "Invalid failure threshold %d", n)
	}
	for _, check := range r.checks {
		if check.Reference != request.Reference {
			continue
		}
		if check.Config != request.Config {
			return nil, &failure{http.StatusConflict, "HealthCheckAlreadyExists", "A health check with this caller reference has other settings"}
		}
		return createCheckAnswer{healthCheck: check}, nil
	}
	check := &healthCheck{ID: r.nextID("h"), Reference: request.Reference, Config: request.Config, Version: 1, healthy: true, next: r.clock.Now()}
	r.checks[check.ID] = check
	return createCheckAnswer{healthCheck: check}, nil
}

// CreateCheck makes a health check that is as SetHealth says, and gives its ID.
func (r *Route53) CreateCheck() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	check := &healthCheck{ID: r.nextID("h"), Version: 1, override: new(true)}
	r.checks[check.ID] = check
	return check.ID
}

// SetHealth says what a health check finds from now on.
func (r *Route53) SetHealth(id string, healthy bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks[id].override = &healthy
}

// Checks are the IDs of all health checks.
func (r *Route53) Checks() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for id := range r.checks {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (r *Route53) check(id string) (*healthCheck, error) {
	if check := r.checks[id]; check != nil {
		return check, nil
	}
	return nil, &failure{http.StatusNotFound, "NoSuchHealthCheck", "No health check exists with the ID " + id}
}

type statusAnswer struct {
	XMLName      xml.Name      `xml:"GetHealthCheckStatusResponse"`
	Observations []observation `xml:"HealthCheckObservations>HealthCheckObservation"`
}

type observation struct {
	Region string `xml:"Region"`
	IP     string `xml:"IPAddress"`
	Status string `xml:"StatusReport>Status"`
	At     string `xml:"StatusReport>CheckedTime"`
}

func (r *Route53) checkStatus(id string) (any, error) {
	check, err := r.check(id)
	if err != nil {
		return nil, err
	}
	status := "Failure: HTTP Status Code 503, Service Unavailable. Resolved IP: 192.0.2.1"
	if check.isHealthy() {
		status = "Success: HTTP Status Code 200, OK. Resolved IP: 192.0.2.1"
	}
	var answer statusAnswer
	for i := range checkers {
		answer.Observations = append(answer.Observations, observation{Region: "eu-west-1", IP: fmt.Sprintf("192.0.2.%d", i+10), Status: status, At: r.clock.Now().UTC().Format(time.RFC3339)})
	}
	return answer, nil
}

func (r *Route53) deleteCheck(id string) (any, error) {
	if _, err := r.check(id); err != nil {
		return nil, err
	}
	delete(r.checks, id)
	return struct {
		XMLName xml.Name `xml:"DeleteHealthCheckResponse"`
	}{}, nil
}

func (c *healthCheck) isHealthy() bool {
	if c.override != nil {
		return *c.override
	}
	return c.healthy
}

// probe looks at all endpoints whose time has come.
func (r *Route53) probe() {
	r.mu.Lock()
	now := r.clock.Now()
	var due []*healthCheck
	for _, check := range r.checks {
		if check.override == nil && !now.Before(check.next) {
			check.next = now.Add(time.Duration(check.Config.Interval) * time.Second)
			due = append(due, check)
		}
	}
	r.mu.Unlock()
	for _, check := range due {
		answers := answers(check.Config.url())
		r.mu.Lock()
		check.saw(answers)
		r.mu.Unlock()
	}
}

// saw counts probes: as many in a row as the threshold says change the answer.
func (c *healthCheck) saw(answers bool) {
	if answers == c.healthy {
		c.inARow = 0
		return
	}
	c.inARow++
	if c.inARow >= c.Config.Threshold {
		c.healthy, c.inARow = answers, 0
	}
}

func answers(url string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode >= 200 && res.StatusCode < 400
}

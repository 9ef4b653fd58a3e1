// Package awsaccount is what the AWS routers have in common: how an account is
// reached, how many requests its API may get, and what its errors mean. It knows
// nothing of DNS or load balancers.
//
// Credentials, regions, profiles and endpoints come from where all AWS tools
// take them: the environment, ~/.aws, the instance or the pod.
package awsaccount

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/logging"

	"github.com/landfall-dev/landfall/internal/fault"
)

// fallbackRegion signs requests to services that have no region, where nobody
// has chosen one.
const fallbackRegion = "us-east-1"

// Login names an account as the user's AWS configuration knows it.
type Login struct {
	// Profile of the shared configuration; the default one if empty.
	Profile string
	// Region of regional services; the configuration's if empty.
	Region string
	// Keys stand in for the configuration's credentials, if there is an ID.
	Keys Keys
}

// Keys are an access key of AWS.
type Keys struct{ ID, Secret, Session string }

// KeysOf reads the keys in a Secret of that name, under the names of AWS's
// environment variables.
func KeysOf(name string, secret map[string][]byte) (Keys, error) {
	k := Keys{ID: string(secret["AWS_ACCESS_KEY_ID"]), Secret: string(secret["AWS_SECRET_ACCESS_KEY"]), Session: string(secret["AWS_SESSION_TOKEN"])}
	if k.ID == "" || k.Secret == "" {
		return Keys{}, fault.New(fault.Invalid, "Give it AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.", "Secret %s holds no keys of AWS", name)
	}
	return k, nil
}

// String shows no secret.
func (k Keys) String() string { return k.ID }

// Accounts opens each account once, so that all migrations of a process share
// its limits. The zero value is ready; it is safe for concurrent use.
type Accounts struct {
	mu   sync.Mutex
	open map[Login]aws.Config
	// limits by profile, those of services with a region by profile and region.
	limits map[Login]*Limits
}

// Open gives the configuration for clients of an account. It asks AWS nothing.
func (a *Accounts) Open(ctx context.Context, login Login) (aws.Config, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if cfg, ok := a.open[login]; ok {
		return cfg, nil
	}
	options := []func(*config.LoadOptions) error{config.WithSharedConfigProfile(login.Profile), config.WithRegion(login.Region), config.WithLogger(logging.Nop{})}
	if k := login.Keys; k.ID != "" {
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(k.ID, k.Secret, k.Session)))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fault.New(fault.Invalid, "Check AWS_PROFILE and ~/.aws/config.", "reading the AWS configuration%s: %w", ofProfile(login.Profile), err)
	}
	if cfg.Region == "" {
		cfg.Region = fallbackRegion
	}
	if a.open == nil {
		a.open, a.limits = map[Login]aws.Config{}, map[Login]*Limits{}
	}
	cfg = Limited(cfg,
		a.shared(Login{Profile: login.Profile, Keys: Keys{ID: login.Keys.ID}}, GlobalLimits),
		a.shared(Login{Profile: login.Profile, Keys: Keys{ID: login.Keys.ID}, Region: cfg.Region}, RegionalLimits))
	a.open[login] = cfg
	return cfg, nil
}

func (a *Accounts) shared(by Login, limits func() *Limits) *Limits {
	if a.limits[by] == nil {
		a.limits[by] = limits()
	}
	return a.limits[by]
}

func ofProfile(profile string) string {
	if profile == "" {
		return ""
	}
	return fmt.Sprintf(" of profile %s", profile)
}

// Limited gives a configuration whose clients keep to the limits, and leave
// trying again to their callers.
func Limited(cfg aws.Config, limits ...*Limits) aws.Config {
	cfg = cfg.Copy()
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = awshttp.NewBuildableClient()
	}
	cfg.HTTPClient = wholeBodies{cfg.HTTPClient}
	for _, l := range limits {
		cfg.APIOptions = append(cfg.APIOptions, l.install)
	}
	return cfg
}

// wholeBodies hands requests on with bodies that nobody closes. The SDK closes a
// body as soon as the answer begins; when that is quick, as an emulator's on the
// same machine is, net/http may still be at the body's end and then takes the
// connection for broken.
type wholeBodies struct{ aws.HTTPClient }

func (c wholeBodies) Do(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return c.HTTPClient.Do(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	return c.HTTPClient.Do(req)
}

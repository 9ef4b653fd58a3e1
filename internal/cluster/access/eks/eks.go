// Package eks reads from AWS which clusters there are, and what their tags say:
// whether each is ready and which is the latest. It knows nothing of kubeconfig
// files. Start at New.
package eks

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/landfall-dev/landfall/internal/fault"
)

// DefaultTags is how the names of the tags begin, as in landfall:ready and
// landfall:latest.
const DefaultTags = "landfall:"

// describesAtOnce keeps below EKS's limit of requests.
const describesAtOnce = 5

// Cluster is what AWS says of one.
type Cluster struct {
	Name, Region string
	Server       api.Cluster
	Created      time.Time
	// Active clusters can be used.
	Active bool
	// Ready and Latest are what the tags say; nil where there is no such tag. A
	// tag without a value says yes.
	Ready, Latest *bool
}

// Region asks EKS in one region. It is safe for concurrent use.
type Region struct {
	client *sdk.Client
	name   string
	tags   string
}

// New asks with an account's configuration; tags is how the names of the tags
// begin. Requests that AWS refuses as too many are made again.
func New(account aws.Config, region, tags string) *Region {
	client := sdk.NewFromConfig(account, func(o *sdk.Options) {
		o.Region = region
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 8 })
	})
	return &Region{client: client, name: region, tags: tags}
}

// List gives all clusters of the account in the region.
func (r *Region) List(ctx context.Context) ([]Cluster, error) {
	var names []string
	pages := sdk.NewListClustersPaginator(r.client, &sdk.ListClustersInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing the EKS clusters of %s: %w", r.name, err)
		}
		names = append(names, page.Clusters...)
	}
	clusters := make([]Cluster, len(names))
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(describesAtOnce)
	for i, name := range names {
		all.Go(func() (err error) {
			clusters[i], err = r.Describe(ctx, name)
			return err
		})
	}
	return clusters, all.Wait()
}

// Describe gives one cluster.
func (r *Region) Describe(ctx context.Context, name string) (Cluster, error) {
	out, err := r.client.DescribeCluster(ctx, &sdk.DescribeClusterInput{Name: aws.String(name)})
	if err != nil {
		return Cluster{}, fmt.Errorf("describing EKS cluster %s in %s: %w", name, r.name, err)
	}
	c := Cluster{Name: name, Region: r.name, Active: out.Cluster.Status == types.ClusterStatusActive || out.Cluster.Status == types.ClusterStatusUpdating}
	c.Server.Server, c.Created = aws.ToString(out.Cluster.Endpoint), aws.ToTime(out.Cluster.CreatedAt)
	if authority := out.Cluster.CertificateAuthority; authority != nil {
		if c.Server.CertificateAuthorityData, err = base64.StdEncoding.DecodeString(aws.ToString(authority.Data)); err != nil {
			return Cluster{}, fmt.Errorf("describing EKS cluster %s in %s: reading its certificate authority: %w", name, r.name, err)
		}
	}
	c.Ready, err = r.tag(out.Cluster.Tags, "ready", err)
	c.Latest, err = r.tag(out.Cluster.Tags, "latest", err)
	if err != nil {
		return Cluster{}, fmt.Errorf("describing EKS cluster %s in %s: %w", name, r.name, err)
	}
	return c, nil
}

// tag reads one of the two tags.
func (r *Region) tag(tags map[string]string, name string, before error) (*bool, error) {
	value, there := tags[r.tags+name]
	switch {
	case before != nil || !there:
		return nil, before
	case value == "" || value == "true":
		return aws.Bool(true), nil
	case value == "false":
		return aws.Bool(false), nil
	}
	return nil, fault.New(fault.Invalid, "Set the tag to true or false.", "tag %s%s is %q", r.tags, name, value)
}

var (
	// Names as EKS accepts them, and roles as IAM does: nothing that a program
	// could take for an option.
	nameForm   = regexp.MustCompile(`^[0-9A-Za-z][-_0-9A-Za-z]{0,99}$`)
	regionForm = regexp.MustCompile(`^[a-z0-9][-a-z0-9]{0,62}$`)
	roleForm   = regexp.MustCompile(`^arn:[a-z-]+:iam::\d{12}:role/[!-~]+$`)
)

// Login gets tokens from AWS by its own program whenever one is needed; none is
// stored. The role is assumed if it is not empty, the profile chosen likewise.
func Login(cluster, region, role, profile string) (api.AuthInfo, error) {
	if !nameForm.MatchString(cluster) || !regionForm.MatchString(region) || role != "" && !roleForm.MatchString(role) {
		return api.AuthInfo{}, fault.New(fault.Invalid, "Correct the cluster's eks and awsRoleARN.", "reading cluster %.100q in region %.63q with role %.200q: these are no names of AWS", cluster, region, role)
	}
	run := &api.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: api.IfAvailableExecInteractiveMode,
		Command: "aws", Args: []string{"eks", "get-token", "--cluster-name", cluster, "--region", region, "--output", "json"},
		InstallHint: "The AWS CLI gets the token: https://docs.aws.amazon.com/cli/",
	}
	if role != "" {
		run.Args = append(run.Args, "--role-arn", role)
	}
	if profile != "" {
		run.Env = []api.ExecEnvVar{{Name: "AWS_PROFILE", Value: profile}}
	}
	return api.AuthInfo{Exec: run}, nil
}

package kubeconfig

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/access"
	"github.com/landfall-dev/landfall/internal/cluster/access/eks"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// accounts asks AWS, each region by one client.
type accounts struct {
	open          awsaccount.Accounts
	tags, profile string
	regions       map[string]*eks.Region
}

func newAccounts(f awsFlags) *accounts {
	return &accounts{tags: f.tags, profile: f.profile, regions: map[string]*eks.Region{}}
}

func (a *accounts) region(ctx context.Context, name string) (*eks.Region, error) {
	if a.regions[name] == nil {
		account, err := a.open.Open(ctx, awsaccount.Login{Region: name, Profile: a.profile})
		if err != nil {
			return nil, err
		}
		a.regions[name] = eks.New(account, name, a.tags)
	}
	return a.regions[name], nil
}

func (a *accounts) describe(ctx context.Context, region, name string) (eks.Cluster, error) {
	r, err := a.region(ctx, region)
	if err != nil {
		return eks.Cluster{}, err
	}
	c, err := r.Describe(ctx, name)
	return c, explain(err, region)
}

// clusters are those of the account whose tags say that they are ready.
func (a *accounts) clusters(ctx context.Context, f *flags) ([]access.Cluster, error) {
	roles, err := f.eksRoles()
	if err != nil {
		return nil, err
	}
	var clusters []access.Cluster
	for _, region := range f.aws.regions {
		r, err := a.region(ctx, region)
		if err != nil {
			return nil, err
		}
		found, err := r.List(ctx)
		if err != nil {
			return nil, explain(err, region)
		}
		for _, from := range found {
			c := access.Cluster{
				Name: from.Name, Server: from.Server, Created: from.Created,
				Ready: from.Active && from.Ready != nil && *from.Ready, Latest: from.Latest != nil && *from.Latest,
			}
			for _, role := range roles {
				login, err := eks.Login(from.Name, region, role[1], a.profile)
				if err != nil {
					return nil, err
				}
				c.Roles = append(c.Roles, access.Role{Name: role[0], Login: login})
			}
			clusters = append(clusters, c)
		}
	}
	return clusters, nil
}

// eksRoles are names and ARNs in the order in which they were given.
func (f *flags) eksRoles() ([][2]string, error) {
	if _, err := command.Pairs("eks-role", f.aws.roles); err != nil {
		return nil, err
	}
	roles := [][2]string{{soleRole, ""}}
	if len(f.aws.roles) > 0 {
		roles = nil
	}
	for _, pair := range f.aws.roles {
		name, arn, _ := strings.Cut(pair, "=")
		if errs := validation.IsDNS1123Label(name); len(errs) > 0 {
			return nil, fault.New(fault.Invalid, "Such as viewer.", "reading --eks-role %s: the name %q: %s", pair, name, errs[0])
		}
		roles = append(roles, [2]string{name, arn})
	}
	return slices.DeleteFunc(roles, func(role [2]string) bool {
		return len(f.roles) > 0 && !slices.Contains(f.roles, role[0])
	}), nil
}

// explain says what an error of AWS means.
func explain(err error, region string) error {
	return awsaccount.Explain(err, "asking EKS in %s", region)
}

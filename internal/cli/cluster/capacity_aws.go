package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/cluster/capacity"
	"github.com/landfall-dev/landfall/internal/fault"
)

// awsQuery is about the subnets of a VPC. It is asked by the AWS CLI, which
// people need for their tokens anyhow: the SDK's package for EC2 alone takes
// longer to build than all of Landfall.
type awsQuery struct {
	vpc, region, profile string
	only                 []string
}

// clusterTag begins the tag of subnets that are for a cluster's nodes
// (https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html).
const clusterTag = "kubernetes.io/cluster/"

type describedSubnets struct {
	Subnets []struct {
		SubnetID  string `json:"SubnetId"`
		Zone      string `json:"AvailabilityZone"`
		CIDR      string `json:"CidrBlock"`
		Available int    `json:"AvailableIpAddressCount"`
		Tags      []struct{ Key, Value string }
	}
}

type describedVPCs struct {
	VPCs []struct {
		Networks []struct {
			CIDR  string                 `json:"CidrBlock"`
			State struct{ State string } `json:"CidrBlockState"`
		} `json:"CidrBlockAssociationSet"`
	} `json:"Vpcs"`
}

// ask adds the VPC's networks and subnets.
func (a awsQuery) ask(ctx context.Context, q *capacity.Question) error {
	var described describedVPCs
	text, err := a.run(ctx, "describe-vpcs", "--vpc-ids", a.vpc)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &described); err != nil {
		return fmt.Errorf("asking AWS about VPC %s: %w", a.vpc, err)
	}
	for _, vpc := range described.VPCs {
		for _, n := range vpc.Networks {
			network, err := netip.ParsePrefix(n.CIDR)
			if err != nil {
				return fmt.Errorf("asking AWS about VPC %s: %w", a.vpc, err)
			}
			if n.State.State == "" || n.State.State == "associated" {
				q.VPC = append(q.VPC, network)
			}
		}
	}
	if text, err = a.run(ctx, "describe-subnets", "--filters", "Name=vpc-id,Values="+a.vpc); err != nil {
		return err
	}
	return a.addSubnets(q, text)
}

func (a awsQuery) run(ctx context.Context, args ...string) ([]byte, error) {
	args = append(append([]string{"ec2"}, args...), "--output", "json")
	if a.region != "" {
		args = append(args, "--region", a.region)
	}
	if a.profile != "" {
		args = append(args, "--profile", a.profile)
	}
	cmd := exec.CommandContext(ctx, "aws", args...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, fault.New(fault.Failed, "Install it (https://docs.aws.amazon.com/cli/), or give what it prints elsewhere with --aws-subnets.", "asking AWS about VPC %s: there is no AWS CLI", a.vpc)
	case err != nil:
		return nil, fault.New(fault.Failed, "Log in to AWS, or choose --region and --aws-profile.", "asking AWS about VPC %s: %s", a.vpc, strings.TrimSpace(complaint.String()))
	}
	return out.Bytes(), nil
}

// addSubnets reads what "aws ec2 describe-subnets" prints.
func (a awsQuery) addSubnets(q *capacity.Question, text []byte) error {
	var described describedSubnets
	if err := json.Unmarshal(text, &described); err != nil {
		return fault.New(fault.Invalid, "It is what `aws ec2 describe-subnets --output json` prints.", "reading the subnets of AWS: %w", err)
	}
	tagged := func(i int) bool {
		return slices.ContainsFunc(described.Subnets[i].Tags, func(t struct{ Key, Value string }) bool { return strings.HasPrefix(t.Key, clusterTag) })
	}
	anyTagged := false
	for i := range described.Subnets {
		anyTagged = anyTagged || tagged(i)
	}
	found := map[string]bool{}
	for i, s := range described.Subnets {
		network, err := netip.ParsePrefix(s.CIDR)
		if err != nil {
			return fault.New(fault.Invalid, "", "reading subnet %s of AWS: %w", s.SubnetID, err)
		}
		found[s.SubnetID] = true
		if len(a.only) > 0 && !slices.Contains(a.only, s.SubnetID) || len(a.only) == 0 && anyTagged && !tagged(i) {
			q.Others = append(q.Others, network)
			continue
		}
		subnet := capacity.Subnet{Name: s.SubnetID, Zone: s.Zone, CIDR: network}
		subnet.Used = max(0, subnet.Size()-s.Available)
		q.Subnets = append(q.Subnets, subnet)
	}
	for _, id := range a.only {
		if !found[id] {
			return fault.New(fault.NotFound, "`aws ec2 describe-subnets` shows what there is.", "there is no subnet %s among those of AWS", id)
		}
	}
	return nil
}

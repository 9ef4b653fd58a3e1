package cluster

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/capacity"
	"github.com/landfall-dev/landfall/internal/cluster/capacity/live"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

type capacityFlags struct {
	file    string
	subnets []string
	awsFile string
	vpcs    []string
	aws     awsQuery

	nodes, types, maxPods []string
	prefixes              bool
	replicas              float64
	without               string
	headroom              int
}

func newCapacity(c *command.Context) *cobra.Command {
	f := &capacityFlags{}
	cmd := &cobra.Command{
		Use:   "capacity [NAME]",
		Short: "Say whether pods find addresses: today, at peak, in a rolling update, and with a zone lost",
		Long: `Say whether pods find addresses in a cluster's subnets: today, with autoscaled
workloads at their most, in a rolling update of everything, and when a zone is
lost. On EKS nodes take addresses in whole network interfaces or blocks, so that
subnets run out long before pods are as many as addresses. Where they do, networks
that overlap nothing are proposed.

Nodes and workloads are those of cluster NAME (or context:NAME), or of the file.
Subnets come from AWS (--vpc, by the AWS CLI), from what "aws ec2
describe-subnets" printed (--aws-subnets), from --subnet, or from the file. The
other flags ask what if. Exit code 1 says that it does not fit.`,
		Example: `  # today's cluster, in the subnets of its VPC
  landfall cluster capacity blue --vpc vpc-0a1b2c --region ap-northeast-1

  # what if there were half as many pods more, on larger nodes with prefixes
  landfall cluster capacity blue --vpc vpc-0a1b2c --region ap-northeast-1 \
    --replicas-factor 1.5 --instance-type m6i.2xlarge --prefix-delegation

  # a cluster that does not exist yet
  landfall cluster capacity -f plan.yaml --without-zone ap-northeast-1d`,
		Args:              command.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: CompleteSides(c, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			whatIf, err := f.whatIf(cmd.Flags().Changed("prefix-delegation"))
			if err != nil {
				return err
			}
			return judgeCapacity(cmd.Context(), c, args, f, whatIf)
		},
	}
	set := cmd.Flags()
	set.StringVarP(&f.file, "file", "f", "", "YAML `file` with vpc, subnets, nodeGroups and workloads; - reads the input")
	set.StringArrayVar(&f.subnets, "subnet", nil, "`NAME,ZONE,CIDR[,TAKEN]` of a subnet (repeatable)")
	set.StringVar(&f.awsFile, "aws-subnets", "", "`file` that \"aws ec2 describe-subnets\" printed; - reads the input")
	set.StringSliceVar(&f.vpcs, "vpc-cidr", nil, "`networks` of the VPC, to propose subnets in")
	set.StringVar(&f.aws.vpc, "vpc", "", "`ID` of the VPC to ask AWS about")
	set.StringVar(&f.aws.region, "region", "", "AWS `region` of the VPC; by default the AWS CLI's")
	set.StringVar(&f.aws.profile, "aws-profile", "", "`profile` of the AWS CLI")
	set.StringSliceVar(&f.aws.only, "only-subnets", nil, "`IDs` of the VPC's subnets that nodes are in; by default those tagged kubernetes.io/cluster/..., or all")
	set.StringSliceVar(&f.nodes, "nodes", nil, "what if there were so many nodes: `[GROUP=]NUMBER`")
	set.StringSliceVar(&f.types, "instance-type", nil, "what if nodes were of this type: `[GROUP=]TYPE`")
	set.StringSliceVar(&f.maxPods, "max-pods", nil, "what if nodes had at most so many pods: `[GROUP=]NUMBER`")
	set.BoolVar(&f.prefixes, "prefix-delegation", false, "what if nodes took addresses in blocks of 16")
	set.Float64Var(&f.replicas, "replicas-factor", 0, "what if there were so many times the `pods`")
	set.StringVar(&f.without, "without-zone", "", "what if a `zone` were not used")
	set.IntVar(&f.headroom, "headroom", 20, "`percent` that proposed networks have more than is needed")
	return cmd
}

// judgeCapacity asks, prints the answer, and fails if it is not that all fits.
func judgeCapacity(ctx context.Context, c *command.Context, args []string, f *capacityFlags, whatIf capacity.WhatIf) error {
	q, err := f.question(ctx, c, args)
	if err != nil {
		return err
	}
	if q, err = capacity.Settle(q); err != nil {
		return err
	}
	if q, err = whatIf.Apply(q); err != nil {
		return err
	}
	answer, err := capacity.Plan(q)
	if err != nil {
		return err
	}
	if err := c.Print(answer, func(w io.Writer) error { return showCapacity(w, q, answer) }); err != nil {
		return err
	}
	if answer.Holds() != result.Holds {
		return fault.New(fault.NotHolding, "Add what is proposed, or ask what if with larger nodes, --prefix-delegation or fewer pods.", "judging capacity: it does not fit")
	}
	return nil
}

// question puts together what is known, from the file, the cluster and AWS.
func (f *capacityFlags) question(ctx context.Context, c *command.Context, args []string) (capacity.Question, error) {
	var q capacity.Question
	if f.file != "" {
		text, err := input(c, f.file)
		if err != nil {
			return q, err
		}
		if err := yaml.UnmarshalStrict(text, &q); err != nil {
			return q, fault.New(fault.Invalid, "docs/capacity.md shows such a file.", "reading %s: %w", f.file, err)
		}
	}
	if len(args) == 1 {
		config, err := SideConfig(ctx, c, args[0])
		if err != nil {
			return q, err
		}
		there, err := live.Read(ctx, config)
		if err != nil {
			return q, command.Explain(fmt.Errorf("looking at cluster %s: %w", args[0], err))
		}
		q.Groups, q.Workloads = append(q.Groups, there.Groups...), append(q.Workloads, there.Workloads...)
	}
	if q.Headroom == 0 {
		q.Headroom = f.headroom
	}
	if err := f.networks(ctx, c, &q); err != nil {
		return q, err
	}
	if len(q.Subnets) == 0 || len(q.Groups) == 0 {
		return q, fault.New(fault.Invalid, "Nodes come from a cluster's NAME or -f; subnets from --vpc, --aws-subnets, --subnet or -f.", "asking about capacity: %d node groups and %d subnets are given", len(q.Groups), len(q.Subnets))
	}
	return q, nil
}

// networks adds subnets and those of the VPC.
func (f *capacityFlags) networks(ctx context.Context, c *command.Context, q *capacity.Question) error {
	for _, text := range f.vpcs {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return fault.New(fault.Invalid, "Such as 10.0.0.0/16.", "reading --vpc-cidr: %w", err)
		}
		q.VPC = append(q.VPC, network)
	}
	for _, text := range f.subnets {
		subnet, err := parseSubnet(text)
		if err != nil {
			return err
		}
		q.Subnets = append(q.Subnets, subnet)
	}
	if f.awsFile != "" {
		text, err := input(c, f.awsFile)
		if err != nil {
			return err
		}
		if err := f.aws.addSubnets(q, text); err != nil {
			return err
		}
	}
	if f.aws.vpc != "" {
		return f.aws.ask(ctx, q)
	}
	return nil
}

func parseSubnet(text string) (capacity.Subnet, error) {
	bad := func(err error) error {
		return fault.New(fault.Invalid, "Such as a,ap-northeast-1a,10.0.0.0/24 or, with addresses taken by others, a,ap-northeast-1a,10.0.0.0/24,12.", "reading --subnet %s: %w", text, err)
	}
	parts := strings.Split(text, ",")
	if len(parts) < 3 || len(parts) > 4 {
		return capacity.Subnet{}, bad(fmt.Errorf("it has %d parts", len(parts)))
	}
	subnet := capacity.Subnet{Name: parts[0], Zone: parts[1]}
	var err error
	if subnet.CIDR, err = netip.ParsePrefix(parts[2]); err != nil {
		return subnet, bad(err)
	}
	if len(parts) == 4 {
		if subnet.Taken, err = strconv.Atoi(parts[3]); err != nil {
			return subnet, bad(err)
		}
	}
	return subnet, nil
}

// whatIf reads the flags that change the question.
func (f *capacityFlags) whatIf(prefixes bool) (capacity.WhatIf, error) {
	w := capacity.WhatIf{Replicas: f.replicas, WithoutZone: f.without, InstanceTypes: byGroup(f.types)}
	if prefixes {
		w.PrefixDelegation = &f.prefixes
	}
	var err error
	if w.Nodes, err = numbers("nodes", f.nodes); err != nil {
		return w, err
	}
	w.MaxPods, err = numbers("max-pods", f.maxPods)
	return w, err
}

// byGroup reads [GROUP=]VALUE; without a group it is for all.
func byGroup(values []string) map[string]string {
	all := map[string]string{}
	for _, v := range values {
		group, value, named := strings.Cut(v, "=")
		if !named {
			group, value = "", v
		}
		all[group] = value
	}
	return all
}

func numbers(flag string, values []string) (map[string]int, error) {
	all := map[string]int{}
	for group, text := range byGroup(values) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, fault.New(fault.Invalid, "Such as 12, or main=12 for one group.", "reading --%s: %q is no number", flag, text)
		}
		all[group] = n
	}
	return all, nil
}

// input reads a file, or the input for "-".
func input(c *command.Context, file string) ([]byte, error) {
	read := func() ([]byte, error) { return os.ReadFile(file) }
	if file == "-" {
		read = func() ([]byte, error) { return io.ReadAll(c.In) }
	}
	text, err := read()
	return text, fault.Wrap(fault.Invalid, err, "")
}

package alb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// Tags of what a migration owns.
const (
	tagMigration = "landfall.dev/migration"
	tagEpoch     = "landfall.dev/epoch"
	// tagSticky is for how many seconds the rule stuck before the migration.
	tagSticky = "landfall.dev/stickiness"
	// tagPin names the side that a rule pins requests to.
	tagPin = "landfall.dev/pin"
	// tagMade is when that rule was made, in Unix seconds.
	tagMade = "landfall.dev/made"
)

// owner is what the tags of a rule say; the zero value if there are none.
type owner struct {
	migration string
	epoch     int64
	sticky    time.Duration
}

func (r *Router) ownerOf(ctx context.Context, rule *found) (owner, error) {
	tags, err := r.tags(ctx, rule.tagged())
	if err != nil {
		return owner{}, err
	}
	t := tags[rule.tagged()]
	if t[tagMigration] == "" {
		return owner{}, nil
	}
	epoch, err := strconv.ParseInt(t[tagEpoch], 10, 64)
	if err != nil {
		return owner{}, fault.New(fault.Refused, "Put the tag right, or remove Landfall's tags.", "reading who owns rule %s: its tag %s is no number", r.cfg.Rule, tagEpoch)
	}
	seconds, err := strconv.ParseInt(t[tagSticky], 10, 32)
	if err != nil {
		return owner{}, fault.New(fault.Refused, "Put the tag right, or remove Landfall's tags.", "reading who owns rule %s: its tag %s is no number", r.cfg.Rule, tagSticky)
	}
	return owner{migration: t[tagMigration], epoch: epoch, sticky: time.Duration(seconds) * time.Second}, nil
}

// maxTagged is how many resources one request may ask the tags of.
const maxTagged = 20

// tags of resources, by ARN.
func (r *Router) tags(ctx context.Context, arns ...string) (map[string]map[string]string, error) {
	all := map[string]map[string]string{}
	for len(arns) > 0 {
		n := min(len(arns), maxTagged)
		out, err := r.client.DescribeTags(ctx, &sdk.DescribeTagsInput{ResourceArns: arns[:n]})
		if err != nil {
			return nil, awsaccount.Explain(err, "reading tags of rule %s", r.cfg.Rule)
		}
		arns = arns[n:]
		for _, d := range out.TagDescriptions {
			tags := map[string]string{}
			for _, t := range d.Tags {
				tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
			all[aws.ToString(d.ResourceArn)] = tags
		}
	}
	return all, nil
}

// own refuses rules of others and processes that another has followed, and
// writes a newer epoch down. Lowering a weight does not wait for tags that
// cannot be read or written: the fence is asked in any case.
func (r *Router) own(ctx context.Context, rule *found, fence traffic.Fence, lower bool) error {
	o, err := r.ownerOf(ctx, rule)
	if err == nil {
		err = r.mine(o, fence)
		if err == nil && o.migration == "" {
			err = fault.New(fault.Refused, "Start the migration anew.", "writing weights of rule %s: it is not prepared", r.cfg.Rule)
		}
		if err == nil && o.epoch < fence.Epoch() {
			o.epoch = fence.Epoch()
			err = r.tag(ctx, rule, o, fence)
		}
	}
	var throttled *traffic.Throttled
	if lower && err != nil && (errors.As(err, &throttled) || fault.ClassOf(err) == fault.Failed) {
		return nil
	}
	return err
}

func (r *Router) mine(o owner, fence traffic.Fence) error {
	switch {
	case o.migration != "" && o.migration != r.cfg.Migration:
		return fault.New(fault.Refused, fmt.Sprintf("Finish or abort migration %s first.", o.migration), "rule %s belongs to migration %s", r.cfg.Rule, o.migration)
	case o.epoch > fence.Epoch():
		return fault.New(fault.Refused, "Stop this process: another works on the migration.", "rule %s was written by a later process (%d after %d)", r.cfg.Rule, o.epoch, fence.Epoch())
	}
	return nil
}

func (r *Router) tag(ctx context.Context, rule *found, o owner, fence traffic.Fence) error {
	if err := fence.Check(); err != nil {
		return err
	}
	_, err := r.client.AddTags(ctx, &sdk.AddTagsInput{ResourceArns: []string{rule.tagged()}, Tags: []types.Tag{
		tagOf(tagMigration, o.migration), tagOf(tagEpoch, strconv.FormatInt(o.epoch, 10)),
		tagOf(tagSticky, strconv.FormatInt(int64(o.sticky/time.Second), 10)),
	}})
	return awsaccount.Explain(err, "tagging rule %s", r.cfg.Rule)
}

func tagOf(key, value string) types.Tag {
	return types.Tag{Key: aws.String(key), Value: aws.String(value)}
}

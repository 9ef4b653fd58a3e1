// Package route53 reads hosted zones of Route 53 for hostname's plans, and
// carries the plans out. Start at New.
package route53

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"

	"github.com/landfall-dev/landfall/internal/cluster/hostname"
)

const (
	// attempts of a request that AWS refuses as one of too many, or because it
	// still works on an earlier change of the zone (PriorRequestNotComplete).
	attempts   = 10
	maxBackoff = 10 * time.Second
)

// Client reads and changes the zones of an account. It is safe for concurrent
// use.
type Client struct {
	sdk     *sdk.Client
	explain Explain
}

// Explain says what an error of AWS means, and what was done when it came.
type Explain func(err error, format string, args ...any) error

// New makes a Client.
func New(account aws.Config, explain Explain) *Client {
	return &Client{explain: explain, sdk: sdk.NewFromConfig(account, func(o *sdk.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, maxBackoff })
	})}
}

// Zone reads a zone with all its records.
func (c *Client) Zone(ctx context.Context, id string) (hostname.Zone, error) {
	zone := hostname.Zone{ID: id}
	out, err := c.sdk.GetHostedZone(ctx, &sdk.GetHostedZoneInput{Id: aws.String(id)})
	if err != nil {
		return zone, c.explain(err, "reading hosted zone %s", id)
	}
	zone.Name = plain(aws.ToString(out.HostedZone.Name))
	zone.Private = out.HostedZone.Config != nil && out.HostedZone.Config.PrivateZone
	pages := sdk.NewListResourceRecordSetsPaginator(c.sdk, &sdk.ListResourceRecordSetsInput{HostedZoneId: aws.String(id)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return zone, c.explain(err, "reading the records of zone %s", zone.Name)
		}
		for _, set := range page.ResourceRecordSets {
			zone.Records = append(zone.Records, recordOf(set))
		}
	}
	return zone, nil
}

// Apply carries out one batch of a plan, as a whole or not at all. It returns
// hostname.ErrOvertaken when records are no longer as they were read.
func (c *Client) Apply(ctx context.Context, zoneID string, batch []hostname.Step) error {
	var changes, creations []types.Change
	for _, step := range batch {
		for _, change := range step.Changes {
			set := setOf(change.Record)
			if change.Create {
				creations = append(creations, types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: &set})
			} else {
				changes = append(changes, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: &set})
			}
		}
	}
	_, err := c.sdk.ChangeResourceRecordSets(ctx, &sdk.ChangeResourceRecordSetsInput{
		HostedZoneId: aws.String(zoneID),
		ChangeBatch:  &types.ChangeBatch{Changes: append(changes, creations...), Comment: aws.String("Landfall: hostnames of environments")},
	})
	var refused *types.InvalidChangeBatch
	if errors.As(err, &refused) && overtaken(refused) {
		return hostname.ErrOvertaken
	}
	return c.explain(err, "changing records in zone %s", zoneID)
}

// overtaken says that a batch was refused for what is there, not for what it
// says.
func overtaken(refused *types.InvalidChangeBatch) bool {
	messages := append(slices.Clone(refused.Messages), refused.ErrorMessage())
	var api smithy.APIError
	if errors.As(error(refused), &api) {
		messages = append(messages, api.ErrorMessage())
	}
	return slices.ContainsFunc(messages, func(m string) bool {
		return strings.Contains(m, "but it was not found") || strings.Contains(m, "do not match the current values") ||
			strings.Contains(m, "but it already exists") || strings.Contains(m, "a conflicting RRSet")
	})
}

func recordOf(set types.ResourceRecordSet) hostname.Record {
	r := hostname.Record{Name: plain(aws.ToString(set.Name)), Type: string(set.Type), TTL: aws.ToInt64(set.TTL), Routed: set.SetIdentifier != nil}
	for _, v := range set.ResourceRecords {
		value := aws.ToString(v.Value)
		if set.Type == types.RRTypeCname {
			value = plain(value)
		}
		r.Values = append(r.Values, value)
	}
	if a := set.AliasTarget; a != nil {
		r.Alias = &hostname.Alias{DNSName: plain(aws.ToString(a.DNSName)), HostedZoneID: aws.ToString(a.HostedZoneId), EvaluateTargetHealth: a.EvaluateTargetHealth}
	}
	return r
}

func setOf(r hostname.Record) types.ResourceRecordSet {
	set := types.ResourceRecordSet{Name: aws.String(r.Name + "."), Type: types.RRType(r.Type)}
	if r.Alias != nil {
		set.AliasTarget = &types.AliasTarget{DNSName: aws.String(r.Alias.DNSName + "."), HostedZoneId: aws.String(r.Alias.HostedZoneID), EvaluateTargetHealth: r.Alias.EvaluateTargetHealth}
		return set
	}
	set.TTL = aws.Int64(r.TTL)
	for _, v := range r.Values {
		set.ResourceRecords = append(set.ResourceRecords, types.ResourceRecord{Value: aws.String(v)})
	}
	return set
}

// plain is a name in lower case, without its last dot and without Route 53's
// octal escapes, such as \052 for *.
func plain(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' && i+3 < len(name) {
			if n, err := strconv.ParseUint(name[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return strings.TrimSuffix(strings.ToLower(b.String()), ".")
}

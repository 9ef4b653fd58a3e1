package route53

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// maxPages bounds a list; the names that are looked for are neighbours.
const maxPages = 10

// found is what a zone says about the migration's name.
type found struct {
	// sets of the name by type, in the zone's order.
	sets map[types.RRType][]types.ResourceRecordSet
	// owner and its record as it is; nil if there is none.
	owner    *owner
	ownerSet *types.ResourceRecordSet
}

// look reads the name's records and the ownership record.
func (r *Router) look(ctx context.Context) (*found, error) {
	sets, err := r.list(ctx, r.name, r.ownerName)
	if err != nil {
		return nil, err
	}
	f := &found{sets: map[types.RRType][]types.ResourceRecordSet{}}
	for _, set := range sets {
		name := canonical(aws.ToString(set.Name))
		switch {
		case name == r.name:
			f.sets[set.Type] = append(f.sets[set.Type], set)
		case name == r.ownerName && set.Type == types.RRTypeTxt:
			if err := f.readOwner(set); err != nil {
				return nil, fault.New(fault.Refused, "Remove the record if nobody needs it.", "reading who owns %s: %s is %w", r.cfg.Hostname, r.ownerName, err)
			}
		}
	}
	return f, nil
}

func (f *found) readOwner(set types.ResourceRecordSet) error {
	if len(set.ResourceRecords) != 1 {
		return errForeignText
	}
	o, err := parseOwner(aws.ToString(set.ResourceRecords[0].Value))
	if err != nil {
		return err
	}
	f.owner, f.ownerSet = &o, &set
	return nil
}

// list gives the record sets from the first name to the last. The names between
// them are passed by.
func (r *Router) list(ctx context.Context, first, last string) ([]types.ResourceRecordSet, error) {
	in := &sdk.ListResourceRecordSetsInput{HostedZoneId: aws.String(r.cfg.ZoneID), StartRecordName: aws.String(first)}
	var sets []types.ResourceRecordSet
	for range maxPages {
		out, err := r.client.ListResourceRecordSets(ctx, in)
		if err != nil {
			return nil, awsaccount.Explain(err, "reading records of %s in zone %s", r.cfg.Hostname, r.cfg.ZoneID)
		}
		if out.MaxItems == nil {
			return nil, fmt.Errorf("reading records of %s in zone %s: the answer is none of Route 53's", r.cfg.Hostname, r.cfg.ZoneID)
		}
		sets = append(sets, out.ResourceRecordSets...)
		if !out.IsTruncated || backwards(canonical(aws.ToString(out.NextRecordName))) > backwards(last) {
			return sets, nil
		}
		in.StartRecordName, in.StartRecordType, in.StartRecordIdentifier = out.NextRecordName, out.NextRecordType, out.NextRecordIdentifier
	}
	// There are too many names in between: ask for the last one apart.
	if first == last {
		return sets, nil
	}
	rest, err := r.list(ctx, last, last)
	return append(sets, rest...), err
}

// clone copies what submitting changes; record sets themselves are not changed.
func (f *found) clone() *found {
	c := &found{sets: maps.Clone(f.sets), ownerSet: f.ownerSet}
	if f.owner != nil {
		o := *f.owner
		c.owner = &o
	}
	return c
}

// canonical is a name as it is compared and written: in lower case, with a dot
// at the end and without Route 53's escape of the wildcard.
func canonical(name string) string {
	name = strings.ReplaceAll(strings.ToLower(name), `\052`, "*")
	return strings.TrimSuffix(name, ".") + "."
}

// backwards gives names the order that Route 53 lists them in.
func backwards(name string) string {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	slices.Reverse(labels)
	return strings.ReplaceAll(strings.Join(labels, "."), "*", `\052`) + "."
}

// ownerNameOf is where the ownership record of a name is: beside it, since
// nothing may be beside a CNAME under its own name.
func ownerNameOf(name string) string {
	return "_landfall." + strings.Replace(name, "*.", "_wildcard.", 1)
}

// sameAnswer tells whether two record sets give the same answer, whatever their
// weights and times to live are.
func sameAnswer(a, b types.ResourceRecordSet) bool {
	if (a.AliasTarget == nil) != (b.AliasTarget == nil) {
		return false
	}
	if a.AliasTarget != nil {
		return canonical(aws.ToString(a.AliasTarget.DNSName)) == canonical(aws.ToString(b.AliasTarget.DNSName)) &&
			aws.ToString(a.AliasTarget.HostedZoneId) == aws.ToString(b.AliasTarget.HostedZoneId)
	}
	return slices.Equal(values(a), values(b))
}

// values of a record set, sorted, for comparing and for people.
func values(set types.ResourceRecordSet) []string {
	if set.AliasTarget != nil {
		return []string{"alias of " + strings.TrimSuffix(canonical(aws.ToString(set.AliasTarget.DNSName)), ".")}
	}
	var all []string
	for _, record := range set.ResourceRecords {
		value := aws.ToString(record.Value)
		if set.Type == types.RRTypeCname {
			value = strings.TrimSuffix(canonical(value), ".")
		}
		all = append(all, value)
	}
	slices.Sort(all)
	return all
}

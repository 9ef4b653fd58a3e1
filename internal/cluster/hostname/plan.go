package hostname

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Settings of a zone.
type Settings struct {
	// Owner that ownership records name.
	Owner string
	// TakeOver are owners whose records of wanted hostnames become ours.
	TakeOver []string
	// HandOver gives what is ours to this owner, and does nothing else.
	HandOver string
	// Affixes of the owners of TakeOver and HandOver.
	Affixes Affixes
	// Moving are resources that are on two clusters at once. A Migration, not
	// this plan, says which of them answers: their records stay as they are.
	Moving []string
}

// What is done with a hostname.
const (
	Create   = "create"
	Update   = "update"
	Delete   = "delete"
	Adopt    = "take over"
	GiveAway = "hand over"
)

// Change of a record set. There is no change that overwrites: what is replaced
// is deleted as it was read and created anew in the same batch, which fails as a
// whole when somebody else was quicker.
type Change struct {
	Create bool   `json:"create"`
	Record Record `json:"record"`
}

// Step is all that is done for one hostname. Its changes go into one batch.
type Step struct {
	Hostname string   `json:"hostname"`
	Resource string   `json:"resource,omitempty"`
	Action   string   `json:"action"`
	Why      string   `json:"why,omitempty"`
	Changes  []Change `json:"changes"`
}

// Refusal is a hostname that is left alone although it is wanted, or though it
// is ours and no longer wanted.
type Refusal struct {
	Hostname string `json:"hostname"`
	Resource string `json:"resource,omitempty"`
	Reason   string `json:"reason"`
	// Waiting: nobody has to do anything about it.
	Waiting bool `json:"waiting,omitempty"`
}

// Plan is what leads a zone from what it has to what is wanted.
type Plan struct {
	ZoneID string `json:"zoneID"`
	Zone   string `json:"zone"`
	// SecretName of the account's keys.
	SecretName string    `json:"-"`
	Steps      []Step    `json:"steps,omitempty"`
	Refused    []Refusal `json:"refused,omitempty"`
	// Unchanged hostnames are as they should be.
	Unchanged []string `json:"unchanged,omitempty"`
}

// Make plans a zone. It asks nobody, and plans the same for the same zone.
func Make(zone Zone, wanted []Wanted, settings Settings) Plan {
	p := planner{zone: zone, settings: settings, byName: map[string][]Record{}}
	for _, r := range zone.Records {
		p.byName[r.Name] = append(p.byName[r.Name], r)
	}
	plan := Plan{ZoneID: zone.ID, Zone: zone.Name}
	if settings.HandOver != "" {
		p.handOver(&plan)
		return plan
	}
	byHost := map[string]Wanted{}
	for _, w := range wanted {
		if first, twice := byHost[w.Hostname]; twice {
			plan.Refused = append(plan.Refused, Refusal{Hostname: w.Hostname, Resource: w.Resource, Reason: "it is that of " + first.Resource + " already"})
			continue
		}
		byHost[w.Hostname] = w
	}
	for _, name := range slices.Sorted(maps.Keys(byHost)) {
		p.want(&plan, byHost[name])
	}
	for _, name := range p.ours() {
		if _, still := byHost[name]; !still {
			p.drop(&plan, name)
		}
	}
	return plan
}

type planner struct {
	zone     Zone
	settings Settings
	byName   map[string][]Record
}

const moving = "its environment is moving: what there is stays until the move is finished"

// found is what a zone has of one hostname.
type found struct {
	records []Record // those that lead somewhere
	owners  []Record // those that say whose they are
	ids     []owner
	others  bool // records of other types under the same name
	held    string
}

func (p planner) find(name string) found {
	var f found
	for _, r := range p.byName[name] {
		switch {
		case leads(r) && r.Routed:
			f.held = "its records have weights or another routing policy"
		case leads(r):
			f.records = append(f.records, r)
		case r.Type != TXT:
			f.others = true
		}
	}
	for _, place := range p.settings.Affixes.places(name, append([]string{""}, addresses...)) {
		for _, r := range p.byName[place] {
			o, is := parseOwner(r)
			if is {
				f.owners, f.ids = append(f.owners, r), append(f.ids, o)
			} else if place == name && r.Type == TXT {
				f.others = true
			}
		}
	}
	for _, r := range p.byName[migrationName(name)] {
		if r.Type == TXT && len(r.Values) == 1 && strings.HasPrefix(strings.Trim(r.Values[0], `"`), migrationHeritage) {
			f.held = "a Migration is moving its traffic"
		}
	}
	return f
}

// foreign gives the owner that keeps Landfall away, if there is one.
func (p planner) foreign(f found) (owner, bool) {
	for _, o := range f.ids {
		if o.id != p.settings.Owner && !slices.Contains(p.settings.TakeOver, o.id) {
			return o, true
		}
	}
	return owner{}, false
}

// unowned gives a set that has no ownership record: somebody made it by hand.
func (p planner) unowned(f found) (Record, bool) {
	i := slices.IndexFunc(f.records, func(r Record) bool {
		return !slices.ContainsFunc(f.owners, func(o Record) bool { return p.settings.Affixes.about(o.Name, r) })
	})
	if i < 0 {
		return Record{}, false
	}
	return f.records[i], true
}

// want plans a hostname that shall be there.
func (p planner) want(plan *Plan, w Wanted) {
	f, records := p.find(w.Hostname), w.records()
	refuse := func(waiting bool, reason string) {
		plan.Refused = append(plan.Refused, Refusal{Hostname: w.Hostname, Resource: w.Resource, Reason: reason, Waiting: waiting})
	}
	if f.held != "" {
		refuse(true, f.held)
		return
	}
	if other, foreign := p.foreign(f); foreign {
		refuse(false, fmt.Sprintf("it belongs to %s (%s): name that owner in takeOver, or remove its record", other.id, other.resource))
		return
	}
	if r, there := p.unowned(f); there {
		refuse(false, "nobody says to own its record ("+r.String()+"): remove it, or put an ownership record beside it and name its owner in takeOver")
		return
	}
	if records[0].Type == CNAME && (f.others || w.Hostname == p.zone.Name) {
		refuse(false, "it cannot be a CNAME: there are other records under the same name; give addresses or an alias")
		return
	}
	if place := ownerName(records[0]); !in(place, p.zone.Name) {
		refuse(false, "the zone's own name cannot be kept: its ownership record, "+place+", would be outside the zone")
		return
	}
	if len(f.records) > 0 && slices.Contains(p.settings.Moving, w.Resource) {
		refuse(true, moving)
		return
	}
	step := Step{Hostname: w.Hostname, Resource: w.Resource, Action: Create}
	if len(f.records) > 0 {
		step.Action = Update
	}
	for _, o := range f.ids {
		if o.id != p.settings.Owner {
			step.Action, step.Why = Adopt, "from "+o.id
		}
	}
	wanted := slices.Clone(records)
	for _, r := range records {
		wanted = append(wanted, owner{p.settings.Owner, w.Resource}.record(r))
	}
	if step.Changes = difference(slices.Concat(f.records, f.owners), wanted); len(step.Changes) == 0 {
		plan.Unchanged = append(plan.Unchanged, w.Hostname)
		return
	}
	if n, characters := size(step.Changes); n > maxRecords || characters > maxCharacters {
		refuse(false, "it has more records than Route 53 changes at once")
		return
	}
	plan.Steps = append(plan.Steps, step)
}

// drop plans to remove a hostname of ours that is not wanted any more.
func (p planner) drop(plan *Plan, name string) {
	f := p.find(name)
	if f.held != "" {
		plan.Refused = append(plan.Refused, Refusal{Hostname: name, Reason: f.held, Waiting: true})
		return
	}
	for _, o := range f.ids {
		if slices.Contains(p.settings.Moving, o.resource) {
			plan.Refused = append(plan.Refused, Refusal{Hostname: name, Resource: o.resource, Reason: moving, Waiting: true})
			return
		}
	}
	step := Step{Hostname: name, Action: Delete}
	for i, o := range f.ids {
		if o.id != p.settings.Owner {
			continue
		}
		step.Resource = o.resource
		step.Changes = append(step.Changes, Change{Record: f.owners[i]})
		for _, r := range f.records {
			// A type that has no ownership record of ours is somebody else's.
			if p.settings.Affixes.about(f.owners[i].Name, r) {
				step.Changes = append(step.Changes, Change{Record: r})
			}
		}
	}
	if len(step.Changes) > 0 {
		plan.Steps = append(plan.Steps, step)
	}
}

// ours are the names that have an ownership record of ours.
func (p planner) ours() []string {
	names := map[string]bool{}
	for _, r := range p.zone.Records {
		o, is := parseOwner(r)
		if !is || o.id != p.settings.Owner {
			continue
		}
		for _, name := range owned(r.Name) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// handOver plans to write another owner into all that is ours, where that owner
// looks for it.
func (p planner) handOver(plan *Plan) {
	for _, name := range p.ours() {
		f := p.find(name)
		step := Step{Hostname: name, Action: GiveAway, Why: "to " + p.settings.HandOver}
		taken := ""
		for i, o := range f.ids {
			if o.id != p.settings.Owner {
				continue
			}
			step.Resource = o.resource
			given := p.given(name, f.owners[i], o)
			if given.Name != f.owners[i].Name && slices.ContainsFunc(p.byName[given.Name], func(r Record) bool { return r.Type == TXT || r.Type == CNAME }) || !in(given.Name, p.zone.Name) {
				taken = given.Name
			}
			step.Changes = append(step.Changes, Change{Record: f.owners[i]}, Change{Create: true, Record: given})
		}
		if taken != "" {
			plan.Refused = append(plan.Refused, Refusal{Hostname: name, Resource: step.Resource, Reason: "its new ownership record cannot be at " + taken + ": there is another, or it is outside the zone"})
			continue
		}
		plan.Steps = append(plan.Steps, step)
	}
}

// given is what our ownership record becomes for the owner of HandOver.
func (p planner) given(name string, ours Record, o owner) Record {
	ours.Values = []string{owner{p.settings.HandOver, o.resource}.text()}
	for _, kind := range addresses {
		if ours.Name == (Affixes{}).at(name, kind) {
			ours.Name = p.settings.Affixes.at(name, kind)
			break
		}
	}
	return ours
}

// difference gives the changes from what there is to what is wanted, deletions
// first: a name may change its type.
func difference(have, want []Record) []Change {
	var gone, fresh []Change
	for _, r := range have {
		if !slices.ContainsFunc(want, r.same) {
			gone = append(gone, Change{Record: r})
		}
	}
	for _, r := range want {
		if !slices.ContainsFunc(have, r.same) {
			fresh = append(fresh, Change{Create: true, Record: r})
		}
	}
	return append(gone, fresh...)
}

// Limits of a batch
// (https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html).
const (
	maxRecords    = 1000
	maxCharacters = 32000
)

// size of changes as Route 53 counts it.
func size(changes []Change) (records, characters int) {
	for _, c := range changes {
		records += max(1, len(c.Record.Values))
		for _, v := range c.Record.Values {
			characters += len(v)
		}
	}
	return records, characters
}

// Batches puts the steps into as few batches as the limits allow, each step
// whole.
func (p Plan) Batches() [][]Step {
	var batches [][]Step
	records, characters := 0, 0
	for _, step := range p.Steps {
		n, c := size(step.Changes)
		if len(batches) == 0 || records+n > maxRecords || characters+c > maxCharacters {
			batches, records, characters = append(batches, nil), 0, 0
		}
		records, characters = records+n, characters+c
		batches[len(batches)-1] = append(batches[len(batches)-1], step)
	}
	return batches
}

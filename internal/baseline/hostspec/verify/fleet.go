package verify

import (
	"cmp"
	"slices"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Fleet finds what most hosts have in common and who deviates: drift, without
// a document that says what is right. Each host is added once and forgotten;
// what is kept is one copy of every variant of an item, and the hosts' numbers.
// The zero value is ready; it is not safe for concurrent use.
type Fleet struct {
	// Rules say what is left out, beside the rules of each document.
	Rules []hostspec.Rule
	// Kinds to compare; none means all.
	Kinds []hostspec.Kind

	hosts   []string
	salts   map[string]bool
	items   map[hostspec.Key]*fleetItem
	unknown map[hostspec.Kind]map[string][]int32
	dropped int
}

// fleetItem is one item in the variants that there are of it.
type fleetItem struct {
	key      hostspec.Key
	variants []variant
}

type variant struct {
	attributes []hostspec.Attribute
	hosts      []int32
}

// Add takes the facts of one more host.
func (f *Fleet) Add(name string, facts *hostspec.Spec) {
	if f.items == nil {
		f.items = map[hostspec.Key]*fleetItem{}
		f.unknown = map[hostspec.Kind]map[string][]int32{}
		f.salts = map[string]bool{}
	}
	number := int32(len(f.hosts))
	f.hosts = append(f.hosts, name)
	f.salts[facts.Salt] = true
	filtered := *facts
	filtered.Rules = slices.Concat(f.Rules, facts.Rules)
	kept := filtered.Kept()
	f.dropped += len(facts.Items) - len(kept.Items)
	for kind, reason := range kept.Unknown {
		if !f.compares(kind) {
			continue
		}
		if f.unknown[kind] == nil {
			f.unknown[kind] = map[string][]int32{}
		}
		f.unknown[kind][reason] = append(f.unknown[kind][reason], number)
	}
	for i := range kept.Items {
		item := &kept.Items[i]
		if f.compares(item.Kind) && item.Text("state") != "absent" {
			f.add(item, number)
		}
	}
}

func (f *Fleet) compares(kind hostspec.Kind) bool {
	return len(f.Kinds) == 0 || slices.Contains(f.Kinds, kind)
}

func (f *Fleet) add(item *hostspec.Item, number int32) {
	known := f.items[item.Key]
	if known == nil {
		known = &fleetItem{key: item.Key}
		f.items[item.Key] = known
	}
	for i := range known.variants {
		if slices.EqualFunc(known.variants[i].attributes, item.Attributes, sameAttribute) {
			known.variants[i].hosts = append(known.variants[i].hosts, number)
			return
		}
	}
	known.variants = append(known.variants, variant{item.Attributes, []int32{number}})
}

func sameAttribute(a, b hostspec.Attribute) bool { return a.Name == b.Name && a.Value.Equal(b.Value) }

// Drift is what a fleet does not have in common.
type Drift struct {
	Hosts []string `json:"hosts"`
	// Items is the number of items compared, LeftOut how many the rules left
	// out, on all hosts together.
	Items   int `json:"items"`
	LeftOut int `json:"leftOut"`
	// Deviations in the order of documents.
	Deviations []Deviation `json:"deviations"`
	// Unknown is what some or all hosts could not tell.
	Unknown []UnknownAt `json:"unknown"`
}

// Deviation is one item, or one attribute of it, that is not the same on all
// hosts.
type Deviation struct {
	Kind hostspec.Kind `json:"kind"`
	Name string        `json:"name"`
	// Attribute is "" where the item itself is on some hosts only.
	Attribute string `json:"attribute,omitempty"`
	// Tie says that no value has more hosts than any other: nobody can tell
	// who deviates.
	Tie bool `json:"tie,omitempty"`
	// Values by their number of hosts; the first is the majority's, unless it
	// is a tie.
	Values []ValueAt `json:"values"`
}

// ValueAt is a value, for people, and the hosts that have it.
type ValueAt struct {
	Value string   `json:"value"`
	Hosts []string `json:"hosts"`
}

// UnknownAt is a fact that hosts could not tell, and why.
type UnknownAt struct {
	Kind hostspec.Kind `json:"kind"`
	// Name is "" for the whole kind.
	Name      string   `json:"name,omitempty"`
	Attribute string   `json:"attribute,omitempty"`
	Reason    string   `json:"reason"`
	Hosts     []string `json:"hosts"`
}

// Err is nil where nothing deviates, fault.NotHolding where something does,
// and fault.Failed where it is unknown.
func (d *Drift) Err() error {
	switch {
	case len(d.Deviations) > 0:
		return fault.New(fault.NotHolding, "", "%d facts deviate among %d hosts", len(d.Deviations), len(d.Hosts))
	case len(d.Unknown) > 0:
		return fault.New(fault.Failed, "", "%d facts are unknown", len(d.Unknown))
	}
	return nil
}

// Drift computes what the hosts added so far do not have in common.
func (f *Fleet) Drift() *Drift {
	d := &Drift{
		Hosts: slices.Clone(f.hosts), Items: len(f.items), LeftOut: f.dropped,
		Deviations: []Deviation{}, Unknown: []UnknownAt{},
	}
	for _, kind := range sortedKinds(f.unknown) {
		for _, reason := range sortedTexts(f.unknown[kind]) {
			d.Unknown = append(d.Unknown, UnknownAt{Kind: kind, Reason: reason, Hosts: f.names(f.unknown[kind][reason])})
		}
	}
	items := make([]*fleetItem, 0, len(f.items))
	for _, item := range f.items {
		items = append(items, item)
	}
	slices.SortFunc(items, func(a, b *fleetItem) int { return a.key.Compare(b.key) })
	for _, item := range items {
		if len(item.variants) > 1 || len(item.variants[0].hosts) < len(f.hosts) || item.hasUnknown() {
			f.judge(item, d)
		}
	}
	return d
}

func (i *fleetItem) hasUnknown() bool {
	return slices.ContainsFunc(i.variants[0].attributes, func(a hostspec.Attribute) bool {
		return a.Value.Operator() == hostspec.Unknown
	})
}

// absent stands for the value of hosts that lack the item.
const absent = "not there"

// judge finds who deviates in one item: by having it or not, then attribute by
// attribute among those that have it.
func (f *Fleet) judge(item *fleetItem, d *Drift) {
	votes := newVotes()
	has := make([]bool, len(f.hosts))
	for _, v := range item.variants {
		for _, n := range v.hosts {
			has[n] = true
		}
	}
	blind := f.blind(item.key.Kind)
	names := item.attributeNames()
	bare := len(names) == 1 && names[0] == hostspec.ValueAttribute
	for n := range f.hosts {
		switch {
		case has[n]:
			votes.add("there", int32(n))
		case !blind[n]:
			votes.add(absent, int32(n))
		}
	}
	if bare {
		f.judgeAttribute(item, hostspec.ValueAttribute, votes.hosts[absent], d)
		return
	}
	if len(votes.values) > 1 {
		deviation := f.deviation(item.key, "", votes)
		if len(item.variants) == 1 {
			for i := range deviation.Values {
				if deviation.Values[i].Value == "there" {
					deviation.Values[i].Value = Describe(hostspec.Item{Attributes: item.variants[0].attributes})
				}
			}
		}
		d.Deviations = append(d.Deviations, deviation)
	}
	for _, name := range names {
		f.judgeAttribute(item, name, nil, d)
	}
}

// blind are the hosts that know nothing of the kind.
func (f *Fleet) blind(kind hostspec.Kind) map[int]bool {
	blind := map[int]bool{}
	for _, hosts := range f.unknown[kind] {
		for _, n := range hosts {
			blind[int(n)] = true
		}
	}
	return blind
}

func (i *fleetItem) attributeNames() []string {
	var names []string
	for _, v := range i.variants {
		for _, a := range v.attributes {
			if !slices.Contains(names, a.Name) {
				names = append(names, a.Name)
			}
		}
	}
	return names
}

// judgeAttribute finds who deviates in one attribute; lacking are hosts that
// deviate by not having the item.
func (f *Fleet) judgeAttribute(item *fleetItem, name string, lacking []int32, d *Drift) {
	votes, unknown := newVotes(), newVotes()
	if len(lacking) > 0 {
		votes.add(absent, lacking...)
	}
	for _, v := range item.variants {
		value, there := hostspec.Item{Attributes: v.attributes}.Get(name)
		text := "not set"
		if there {
			text = DescribeValue(value)
		}
		switch op := value.Operator(); {
		case op == hostspec.Volatile:
		case op == hostspec.Unknown:
			unknown.add(value.Argument(), v.hosts...)
		case op == hostspec.Secret && len(f.salts) > 1:
			unknown.add("it looks secret, and the fingerprints have different salts", v.hosts...)
		default:
			votes.add(text, v.hosts...)
		}
	}
	for _, reason := range unknown.values {
		d.Unknown = append(d.Unknown, UnknownAt{item.key.Kind, item.key.Name, name, reason, f.names(unknown.hosts[reason])})
	}
	if len(votes.values) > 1 {
		d.Deviations = append(d.Deviations, f.deviation(item.key, name, votes))
	}
}

func (f *Fleet) deviation(key hostspec.Key, attribute string, votes *votes) Deviation {
	deviation := Deviation{Kind: key.Kind, Name: key.Name, Attribute: attribute}
	for _, value := range votes.ranked() {
		deviation.Values = append(deviation.Values, ValueAt{value, f.names(votes.hosts[value])})
	}
	deviation.Tie = len(deviation.Values[0].Hosts) == len(deviation.Values[1].Hosts)
	return deviation
}

func (f *Fleet) names(numbers []int32) []string {
	slices.Sort(numbers)
	names := make([]string, len(numbers))
	for i, n := range numbers {
		names[i] = f.hosts[n]
	}
	return names
}

// votes are the hosts of each value.
type votes struct {
	values []string
	hosts  map[string][]int32
}

func newVotes() *votes { return &votes{hosts: map[string][]int32{}} }

func (v *votes) add(value string, hosts ...int32) {
	if _, known := v.hosts[value]; !known {
		v.values = append(v.values, value)
	}
	v.hosts[value] = append(v.hosts[value], hosts...)
}

// ranked gives the values, that with the most hosts first.
func (v *votes) ranked() []string {
	slices.SortStableFunc(v.values, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(v.hosts[b]), len(v.hosts[a])), cmp.Compare(a, b))
	})
	return v.values
}

func sortedTexts[V any](m map[string]V) []string {
	texts := make([]string, 0, len(m))
	for text := range m {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	return texts
}

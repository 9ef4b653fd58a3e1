package awstest

import (
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
)

// Limits of rules.
const (
	maxForwardGroups   = 5
	maxWeight          = 999
	maxStickySeconds   = 604800
	maxConditionValues = 5
	maxTagResources    = 20
)

type ruleList struct {
	XMLName xml.Name    `xml:"Rules"`
	Rules   []ruleEntry `xml:"member"`
}

type ruleEntry struct {
	ARN        string      `xml:"RuleArn"`
	Priority   string      `xml:"Priority"`
	Default    bool        `xml:"IsDefault"`
	Conditions []condition `xml:"Conditions>member"`
	Actions    []action    `xml:"Actions>member"`
}

func entries(rules ...*rule) ruleList {
	var list ruleList
	for _, r := range rules {
		priority := strconv.Itoa(r.number)
		if r.number == 0 {
			priority = "default"
		}
		list.Rules = append(list.Rules, ruleEntry{r.arn, priority, r.number == 0, r.conditions, r.actions})
	}
	return list
}

func (l *LoadBalancing) describeRules(q *query) (any, error) {
	if listener := q.get("ListenerArn"); listener != "" {
		if rules := l.of(listener); len(rules) > 0 {
			return entries(rules...), nil
		}
		return nil, refuse("ListenerNotFound", "One or more listeners not found")
	}
	var rules []*rule
	for _, arn := range q.strings("RuleArns") {
		r := l.rule(arn)
		if r == nil {
			return nil, refuse("RuleNotFound", "One or more rules not found")
		}
		rules = append(rules, r)
	}
	return entries(rules...), nil
}

type groupList struct {
	XMLName xml.Name     `xml:"TargetGroups"`
	Groups  []groupEntry `xml:"member"`
}

type groupEntry struct {
	ARN       string   `xml:"TargetGroupArn"`
	Name      string   `xml:"TargetGroupName"`
	Balancers []string `xml:"LoadBalancerArns>member"`
}

func (l *LoadBalancing) describeGroups(q *query) (any, error) {
	var list groupList
	for _, arn := range q.strings("TargetGroupArns") {
		g := l.groups[arn]
		if g == nil {
			return nil, refuse("TargetGroupNotFound", "One or more target groups not found")
		}
		entry := groupEntry{ARN: arn, Name: strings.Split(arn, "/")[1]}
		switch {
		case g.elsewhere:
			entry.Balancers = []string{elbARN + "loadbalancer/app/other/0000000000000000"}
		case l.used(arn):
			entry.Balancers = []string{elbARN + "loadbalancer/" + balancer}
		}
		list.Groups = append(list.Groups, entry)
	}
	return list, nil
}

// used tells whether a rule forwards to the group, at whatever weight.
func (l *LoadBalancing) used(groupARN string) bool {
	return slices.ContainsFunc(l.rules, func(r *rule) bool {
		return r.deleted.IsZero() && slices.ContainsFunc(r.actions, func(a action) bool {
			return a.Forward != nil && slices.ContainsFunc(a.Forward.Groups, func(g groupTuple) bool { return g.ARN == groupARN })
		})
	})
}

type attributeList struct {
	XMLName    xml.Name `xml:"Attributes"`
	Attributes []pair   `xml:"member"`
}

type pair struct {
	Key   string `xml:"Key"`
	Value string `xml:"Value"`
}

func (l *LoadBalancing) describeAttributes(q *query) (any, error) {
	g := l.groups[q.get("TargetGroupArn")]
	if g == nil {
		return nil, refuse("TargetGroupNotFound", "Target groups '%s' not found", q.get("TargetGroupArn"))
	}
	return attributeList{Attributes: []pair{
		{"stickiness.enabled", strconv.FormatBool(g.sticky)}, {"deregistration_delay.timeout_seconds", "300"},
	}}, nil
}

type healthList struct {
	XMLName xml.Name      `xml:"TargetHealthDescriptions"`
	Targets []healthEntry `xml:"member"`
}

type healthEntry struct {
	ID     string `xml:"Target>Id"`
	Port   int    `xml:"Target>Port"`
	State  string `xml:"TargetHealth>State"`
	Reason string `xml:"TargetHealth>Reason,omitempty"`
}

func (l *LoadBalancing) describeHealth(q *query) (any, error) {
	g := l.groups[q.get("TargetGroupArn")]
	if g == nil {
		return nil, refuse("TargetGroupNotFound", "Target groups '%s' not found", q.get("TargetGroupArn"))
	}
	var list healthList
	for id, healthy := range g.targets {
		entry := healthEntry{ID: id, Port: 80, State: "healthy"}
		switch {
		case !l.used(g.arn):
			entry.State, entry.Reason = "unused", "Target.NotInUse"
		case !healthy:
			entry.State, entry.Reason = "unhealthy", "Target.ResponseCodeMismatch"
		}
		list.Targets = append(list.Targets, entry)
	}
	return list, nil
}

func (l *LoadBalancing) modifyRule(q *query) (any, error) {
	r := l.rule(q.get("RuleArn"))
	switch {
	case r == nil:
		return nil, refuse("RuleNotFound", "One or more rules not found")
	case r.number == 0:
		return nil, refuse("OperationNotPermitted", "Default rule '%s' cannot be modified", r.arn)
	}
	actions, err := l.actions(q.list("Actions"), r.actions)
	if err != nil {
		return nil, err
	}
	if len(actions) > 0 {
		r.set(actions, l.clock.Now().Add(l.options.Propagation))
	}
	return entries(r), nil
}

func (l *LoadBalancing) modifyListener(q *query) (any, error) {
	rules := l.of(q.get("ListenerArn"))
	if len(rules) == 0 {
		return nil, refuse("ListenerNotFound", "One or more listeners not found")
	}
	r := rules[len(rules)-1]
	actions, err := l.actions(q.list("DefaultActions"), r.actions)
	if err != nil {
		return nil, err
	}
	r.set(actions, l.clock.Now().Add(l.options.Propagation))
	return struct {
		XMLName xml.Name `xml:"Listeners"`
	}{}, nil
}

func (l *LoadBalancing) createRule(q *query) (any, error) {
	listener, number := q.get("ListenerArn"), q.number("Priority")
	rules := l.of(listener)
	if len(rules) == 0 {
		return nil, refuse("ListenerNotFound", "One or more listeners not found")
	}
	if slices.ContainsFunc(rules, func(r *rule) bool { return r.number == number }) {
		return nil, refuse("PriorityInUse", "Priority '%d' is currently in use", number)
	}
	var conditions []condition
	values := 0
	for _, c := range q.list("Conditions") {
		one := condition{
			Field: c.get("Field"), Header: c.get("HttpHeaderConfig", "HttpHeaderName"), Names: c.strings("HttpHeaderConfig", "Values"),
			Hosts: append(c.strings("HostHeaderConfig", "Values"), hostsOf(c)...), Paths: c.strings("PathPatternConfig", "Values"),
		}
		values += len(one.Names) + len(one.Hosts) + len(one.Paths)
		conditions = append(conditions, one)
	}
	if values == 0 || values > maxConditionValues {
		return nil, refuse("ValidationError", "A rule has 1 to %d condition values, not %d", maxConditionValues, values)
	}
	actions, err := l.actions(q.list("Actions"), nil)
	if err != nil {
		return nil, err
	}
	r := l.addRule(listener, number, conditions, actions)
	for _, t := range q.list("Tags") {
		if l.tags[r.arn] == nil {
			l.tags[r.arn] = map[string]string{}
		}
		l.tags[r.arn][t.get("Key")] = t.get("Value")
	}
	return entries(r), nil
}

// hostsOf reads the older way to write a condition.
func hostsOf(c *query) []string {
	if c.get("Field") != "host-header" {
		return nil
	}
	return c.strings("Values")
}

func (l *LoadBalancing) deleteRule(q *query) (any, error) {
	r := l.rule(q.get("RuleArn"))
	switch {
	case r == nil:
		return nil, refuse("RuleNotFound", "One or more rules not found")
	case r.number == 0:
		return nil, refuse("OperationNotPermitted", "Default rule '%s' cannot be deleted", r.arn)
	}
	r.deleted = l.clock.Now()
	delete(l.tags, r.arn)
	return nil, nil
}

// actions reads what a rule is to do, as a whole: secrets that it has had stay
// only where the request says so.
func (l *LoadBalancing) actions(list []*query, before []action) ([]action, error) {
	var actions []action
	for _, q := range list {
		a := action{Type: q.get("Type"), Order: q.number("Order"), Group: q.get("TargetGroupArn")}
		switch a.Type {
		case "forward":
			f, err := l.forward(q, a.Group)
			if err != nil {
				return nil, err
			}
			a.Forward = f
			a.Group = ""
			if len(f.Groups) == 1 {
				a.Group = f.Groups[0].ARN
			}
		case "authenticate-oidc":
			o, err := oidcOf(q.at("AuthenticateOidcConfig"), before)
			if err != nil {
				return nil, err
			}
			a.OIDC = o
		}
		actions = append(actions, a)
	}
	return actions, nil
}

func oidcOf(q *query, before []action) (*oidc, error) {
	o := &oidc{
		Issuer: q.get("Issuer"), Authorization: q.get("AuthorizationEndpoint"), Token: q.get("TokenEndpoint"),
		UserInfo: q.get("UserInfoEndpoint"), Client: q.get("ClientId"), secret: q.get("ClientSecret"),
	}
	if q.get("UseExistingClientSecret") == "true" {
		for _, a := range before {
			if a.OIDC != nil {
				o.secret = a.OIDC.secret
			}
		}
	}
	if o.secret == "" {
		return nil, refuse("InvalidLoadBalancerAction", "You must specify the ClientSecret")
	}
	return o, nil
}

func (l *LoadBalancing) forward(q *query, single string) (*forward, error) {
	f := &forward{}
	for _, g := range q.list("ForwardConfig", "TargetGroups") {
		weight := 1
		if g.has("Weight") {
			weight = g.number("Weight")
		}
		f.Groups = append(f.Groups, groupTuple{g.get("TargetGroupArn"), weight})
	}
	if s := q.at("ForwardConfig", "TargetGroupStickinessConfig"); s.get("Enabled") != "" {
		f.Stickiness = &stickiness{Enabled: s.get("Enabled") == "true", Seconds: s.number("DurationSeconds")}
	}
	if len(f.Groups) == 0 && single != "" {
		f.Groups = []groupTuple{{single, 1}}
	} else if single != "" && (len(f.Groups) > 1 || f.Groups[0].ARN != single) {
		return nil, refuse("InvalidLoadBalancerAction", "TargetGroupArn and ForwardConfig do not match")
	}
	if len(f.Groups) == 0 || len(f.Groups) > maxForwardGroups {
		// The documentation does not say which error this is.
		return nil, refuse("InvalidLoadBalancerAction", "A forward action has 1 to %d target groups", maxForwardGroups)
	}
	sticks := f.Stickiness != nil && f.Stickiness.Enabled
	if sticks && (f.Stickiness.Seconds < 1 || f.Stickiness.Seconds > maxStickySeconds) {
		return nil, refuse("ValidationError", "Stickiness duration must be between 1 and %d", maxStickySeconds)
	}
	for _, tuple := range f.Groups {
		g := l.groups[tuple.ARN]
		switch {
		case g == nil:
			return nil, refuse("TargetGroupNotFound", "Target groups '%s' not found", tuple.ARN)
		case g.elsewhere:
			return nil, refuse("TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one load balancer: %s", tuple.ARN)
		case tuple.Weight < 0 || tuple.Weight > maxWeight:
			return nil, refuse("ValidationError", "Weight must be between 0 and %d", maxWeight)
		case g.sticky && len(f.Groups) > 1 && !sticks:
			return nil, refuse("InvalidLoadBalancerAction", "You must enable group stickiness on a rule if you enabled target stickiness on one of its target groups")
		}
	}
	return f, nil
}

type tagList struct {
	XMLName xml.Name   `xml:"TagDescriptions"`
	All     []tagEntry `xml:"member"`
}

type tagEntry struct {
	ARN  string `xml:"ResourceArn"`
	Tags []pair `xml:"Tags>member"`
}

func (l *LoadBalancing) describeTags(q *query) (any, error) {
	arns := q.strings("ResourceArns")
	if len(arns) > maxTagResources {
		return nil, refuse("ValidationError", "at most %d resources", maxTagResources)
	}
	var list tagList
	for _, arn := range arns {
		if strings.Contains(arn, ":listener-rule/") && l.rule(arn) == nil {
			return nil, refuse("RuleNotFound", "One or more rules not found")
		}
		entry := tagEntry{ARN: arn}
		for key, value := range l.tags[arn] {
			entry.Tags = append(entry.Tags, pair{key, value})
		}
		list.All = append(list.All, entry)
	}
	return list, nil
}

func (l *LoadBalancing) addTags(q *query) (any, error) {
	for _, arn := range q.strings("ResourceArns") {
		if l.tags[arn] == nil {
			l.tags[arn] = map[string]string{}
		}
		for _, t := range q.list("Tags") {
			l.tags[arn][t.get("Key")] = t.get("Value")
		}
	}
	return nil, nil
}

func (l *LoadBalancing) removeTags(q *query) (any, error) {
	for _, arn := range q.strings("ResourceArns") {
		for _, key := range q.strings("TagKeys") {
			delete(l.tags[arn], key)
		}
	}
	return nil, nil
}

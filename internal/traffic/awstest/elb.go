package awstest

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

const (
	elbNamespace = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"
	elbARN       = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:"
	balancer     = "app/shop/50dc6c495c0c9188"
)

// LoadBalancing holds the listeners, rules and target groups of one application
// load balancer.
type LoadBalancing struct {
	clock              *Clock
	random             *source
	options            Options
	describes, changes *bucket

	mu     sync.Mutex
	rules  []*rule
	groups map[string]*group
	tags   map[string]map[string]string
	serial int
}

func newLoadBalancing(clock *Clock, random *source, options Options) *LoadBalancing {
	return &LoadBalancing{
		clock: clock, random: random, options: options,
		describes: newBucket(clock, options.Limits, awsaccount.ELBDescribes),
		changes:   newBucket(clock, options.Limits, awsaccount.ELBChanges),
		groups:    map[string]*group{}, tags: map[string]map[string]string{},
	}
}

// rule of a listener; the default rule has no number.
type rule struct {
	arn, listener string
	number        int
	conditions    []condition
	actions       []action
	// published are the actions that the load balancer's nodes have, oldest
	// first.
	published []ruleVersion
	deleted   time.Time
}

type ruleVersion struct {
	from    time.Time
	actions []action
}

type condition struct {
	Field  string   `xml:"Field"`
	Header string   `xml:"HttpHeaderConfig>HttpHeaderName,omitempty"`
	Names  []string `xml:"HttpHeaderConfig>Values>member,omitempty"`
	Hosts  []string `xml:"HostHeaderConfig>Values>member,omitempty"`
	Paths  []string `xml:"PathPatternConfig>Values>member,omitempty"`
}

type action struct {
	Type    string   `xml:"Type"`
	Order   int      `xml:"Order,omitempty"`
	Group   string   `xml:"TargetGroupArn,omitempty"`
	Forward *forward `xml:"ForwardConfig"`
	OIDC    *oidc    `xml:"AuthenticateOidcConfig"`
}

type forward struct {
	Groups     []groupTuple `xml:"TargetGroups>member"`
	Stickiness *stickiness  `xml:"TargetGroupStickinessConfig"`
}

type groupTuple struct {
	ARN    string `xml:"TargetGroupArn"`
	Weight int    `xml:"Weight"`
}

type stickiness struct {
	Enabled bool `xml:"Enabled"`
	Seconds int  `xml:"DurationSeconds,omitempty"`
}

type oidc struct {
	Issuer        string `xml:"Issuer"`
	Authorization string `xml:"AuthorizationEndpoint"`
	Token         string `xml:"TokenEndpoint"`
	UserInfo      string `xml:"UserInfoEndpoint"`
	Client        string `xml:"ClientId"`
	secret        string
}

// group is a target group.
type group struct {
	arn     string
	targets map[string]bool // healthy or not
	sticky  bool
	// elsewhere: another load balancer uses it.
	elsewhere bool
}

// CreateGroup makes a target group of so many healthy targets and gives its ARN.
func (l *LoadBalancing) CreateGroup(name string, targets int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serial++
	g := &group{arn: fmt.Sprintf("%stargetgroup/%s/%016x", elbARN, name, l.serial), targets: map[string]bool{}}
	for i := range targets {
		g.targets[fmt.Sprintf("i-%s%d", name, i)] = true
	}
	l.groups[g.arn] = g
	return g.arn
}

// SetHealth makes all targets of a group healthy or not.
func (l *LoadBalancing) SetHealth(groupARN string, healthy bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for target := range l.groups[groupARN].targets {
		l.groups[groupARN].targets[target] = healthy
	}
}

// StickTargets switches stickiness within a group on.
func (l *LoadBalancing) StickTargets(groupARN string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.groups[groupARN].sticky = true
}

// UseElsewhere gives a group to another load balancer.
func (l *LoadBalancing) UseElsewhere(groupARN string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.groups[groupARN].elsewhere = true
}

// CreateListener makes a listener whose default rule forwards to a group, and
// gives the ARNs of both.
func (l *LoadBalancing) CreateListener(groupARN string) (listener, defaultRule string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serial++
	listener = fmt.Sprintf("%slistener/%s/%016x", elbARN, balancer, l.serial)
	r := l.addRule(listener, 0, nil, []action{forwardTo(groupARN)})
	return listener, r.arn
}

// CreateRule makes a rule for a host that forwards to a group, and gives its
// ARN. With login, users log in first.
func (l *LoadBalancing) CreateRule(listener string, number int, host, groupARN string, login bool) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	actions := []action{forwardTo(groupARN)}
	if login {
		actions[0].Order = 2
		actions = append([]action{{Type: "authenticate-oidc", Order: 1, OIDC: &oidc{
			Issuer: "https://login.example.com", Authorization: "https://login.example.com/a", Token: "https://login.example.com/t",
			UserInfo: "https://login.example.com/u", Client: "shop", secret: "s3cret",
		}}}, actions...)
	}
	return l.addRule(listener, number, []condition{{Field: "host-header", Hosts: []string{host}}}, actions).arn
}

func forwardTo(groupARN string) action {
	return action{Type: "forward", Group: groupARN, Forward: &forward{Groups: []groupTuple{{groupARN, 1}}, Stickiness: &stickiness{}}}
}

func (l *LoadBalancing) addRule(listener string, number int, conditions []condition, actions []action) *rule {
	l.serial++
	r := &rule{
		arn:      strings.Replace(listener, ":listener/", ":listener-rule/", 1) + fmt.Sprintf("/%016x", l.serial),
		listener: listener, number: number, conditions: conditions,
	}
	l.rules = append(l.rules, r)
	r.set(actions, l.clock.Now().Add(l.effect(number)))
	return r
}

// effect is how long it takes until a new rule is in effect; the first one of a
// listener is there from the beginning.
func (l *LoadBalancing) effect(number int) time.Duration {
	if number == 0 {
		return 0
	}
	return l.options.Propagation
}

func (r *rule) set(actions []action, from time.Time) {
	r.actions = actions
	r.published = append(r.published, ruleVersion{from, actions})
}

// Weights of a rule by target group, as they were set last.
func (l *LoadBalancing) Weights(ruleARN string) map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	weights := map[string]int{}
	if r := l.rule(ruleARN); r != nil {
		for _, g := range r.actions[len(r.actions)-1].Forward.Groups {
			weights[g.ARN] = g.Weight
		}
	}
	return weights
}

// SetForward replaces what a rule forwards to as somebody else may do, at once.
func (l *LoadBalancing) SetForward(ruleARN string, weights map[string]int, sticky time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rule(ruleARN)
	actions := slices.Clone(r.actions)
	f := &forward{Stickiness: &stickiness{Enabled: sticky > 0, Seconds: int(sticky / time.Second)}}
	for arn, weight := range weights {
		f.Groups = append(f.Groups, groupTuple{arn, weight})
	}
	slices.SortFunc(f.Groups, func(a, b groupTuple) int { return strings.Compare(a.ARN, b.ARN) })
	last := &actions[len(actions)-1]
	last.Forward, last.Group = f, ""
	r.set(actions, l.clock.Now())
}

// Sticky tells for how long a rule's requests stick to a group; 0 if they do
// not.
func (l *LoadBalancing) Sticky(ruleARN string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rule(ruleARN)
	s := r.actions[len(r.actions)-1].Forward.Stickiness
	if s == nil || !s.Enabled {
		return 0
	}
	return time.Duration(s.Seconds) * time.Second
}

// Secret is that of a rule's login.
func (l *LoadBalancing) Secret(ruleARN string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.rule(ruleARN).actions {
		if a.OIDC != nil {
			return a.OIDC.secret
		}
	}
	return ""
}

// Rules counts the rules of a listener, the default rule among them.
func (l *LoadBalancing) Rules(listener string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.of(listener))
}

// Tags of a resource.
func (l *LoadBalancing) Tags(arn string) map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tags[arn]
}

// Tag tags a resource as somebody else may do.
func (l *LoadBalancing) Tag(arn, key, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tags[arn] == nil {
		l.tags[arn] = map[string]string{}
	}
	l.tags[arn][key] = value
}

func (l *LoadBalancing) rule(arn string) *rule {
	for _, r := range l.rules {
		if r.arn == arn && r.deleted.IsZero() {
			return r
		}
	}
	return nil
}

// of gives the rules of a listener in the order in which they are tried.
func (l *LoadBalancing) of(listener string) []*rule {
	var rules []*rule
	for _, r := range l.rules {
		if r.listener == listener && r.deleted.IsZero() {
			rules = append(rules, r)
		}
	}
	slices.SortFunc(rules, func(a, b *rule) int {
		if (a.number == 0) != (b.number == 0) {
			return b.number - a.number // the default rule comes last
		}
		return a.number - b.number
	})
	return rules
}

// call understands a request.
func (l *LoadBalancing) call(body []byte) call {
	values, _ := url.ParseQuery(string(body))
	q := parseQuery(values)
	operation := q.get("Action")
	do, ok := map[string]func(*query) (any, error){
		"DescribeRules": l.describeRules, "DescribeTargetGroups": l.describeGroups, "DescribeTargetGroupAttributes": l.describeAttributes,
		"DescribeTargetHealth": l.describeHealth, "DescribeTags": l.describeTags,
		"ModifyRule": l.modifyRule, "ModifyListener": l.modifyListener, "CreateRule": l.createRule, "DeleteRule": l.deleteRule,
		"AddTags": l.addTags, "RemoveTags": l.removeTags,
	}[operation]
	if !ok {
		return call{operation: operation, do: func() (any, error) {
			return nil, refuse("InvalidAction", "The action %s is not valid for this web service.", operation)
		}}
	}
	changes := !strings.HasPrefix(operation, "Describe")
	return call{operation: operation, changes: changes, invalid: "ValidationError", values: valuesOfForm(values), do: func() (any, error) {
		bucket := l.describes
		if changes {
			bucket = l.changes
		}
		if err := bucket.take(1); err != nil {
			return nil, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		result, err := do(q)
		if err != nil {
			return nil, err
		}
		return elbAnswer{XMLName: xml.Name{Local: operation + "Response"}, Result: elbResult{xml.Name{Local: operation + "Result"}, result}}, nil
	}}
}

type elbAnswer struct {
	XMLName xml.Name
	Result  elbResult
	Request string `xml:"ResponseMetadata>RequestId"`
}

type elbResult struct {
	XMLName xml.Name
	Body    any
}

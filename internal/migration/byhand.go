package migration

import (
	"encoding/json"
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// ByHand are shell commands to the router itself that return all traffic to the
// old side, for when Landfall cannot. They need the tools that each router's
// people have anyway: socat, kubectl, aws.
func ByHand(m *v1alpha1.Migration) string {
	from, to := m.Spec.From, m.Spec.To
	switch r := m.Spec.Router; {
	case r.HAProxy != nil && from.HAProxy != nil && to.HAProxy != nil:
		return haproxyByHand(r.HAProxy, from.HAProxy.Servers, to.HAProxy.Servers)
	case r.GatewayAPI != nil && from.GatewayAPI != nil && to.GatewayAPI != nil:
		return gatewayByHand(m, r.GatewayAPI)
	case r.ALB != nil && from.ALB != nil && to.ALB != nil:
		return albByHand(r.ALB, from.ALB.TargetGroupARN, to.ALB.TargetGroupARN)
	case r.Route53 != nil:
		return route53ByHand(m, r.Route53)
	}
	return ""
}

// haproxyByHand gives the old side its weights first: there must be no moment
// at which nobody serves.
func haproxyByHand(r *v1alpha1.HAProxyRouter, old, fresh []string) string {
	var lines []string
	for _, instance := range r.Instances {
		address, ok := strings.CutPrefix(instance, "unix://")
		switch {
		case ok:
			address = "unix-connect:" + address
		case strings.HasPrefix(instance, "tcp://"):
			address = "tcp:" + strings.TrimPrefix(instance, "tcp://")
		default:
			lines = append(lines, "# beside the watchdog at "+instance+", over HAProxy's own socket")
			address = "unix-connect:/run/haproxy/admin.sock"
		}
		var orders []string
		for _, server := range old {
			orders = append(orders, fmt.Sprintf("set server %s/%s weight 100", r.Backend, server))
		}
		for _, server := range fresh {
			orders = append(orders, fmt.Sprintf("set server %s/%s weight 0", r.Backend, server))
		}
		lines = append(lines, fmt.Sprintf("echo %s | socat stdio %s", quoted(strings.Join(orders, "; ")), quoted(address)))
	}
	return strings.Join(lines, "\n") + "\n"
}

func gatewayByHand(m *v1alpha1.Migration, r *v1alpha1.GatewayAPIRouter) string {
	namespace := r.Namespace
	if namespace == "" {
		namespace = m.Namespace
	}
	return fmt.Sprintf("# in the rule that has both: weight 1 for %s, weight 0 for %s\nkubectl --namespace %s edit httproute %s\n",
		m.Spec.From.GatewayAPI.Service, m.Spec.To.GatewayAPI.Service, quoted(namespace), quoted(r.Route))
}

func albByHand(r *v1alpha1.ALBRouter, old, fresh string) string {
	action := []map[string]any{{"Type": "forward", "ForwardConfig": map[string]any{"TargetGroups": []map[string]any{
		{"TargetGroupArn": old, "Weight": 100}, {"TargetGroupArn": fresh, "Weight": 0},
	}}}}
	text, err := json.Marshal(action)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("# a rule with other actions, or with stickiness, needs those in it, too\naws elbv2 modify-rule%s --rule-arn %s --actions %s\n", region(r.Region), quoted(r.RuleARN), quoted(string(text)))
}

func route53ByHand(m *v1alpha1.Migration, r *v1alpha1.Route53Router) string {
	return fmt.Sprintf(`# both records of %[1]s: set the weight of %[2]s to 100 and of %[3]s to 0, in one change
aws route53 list-resource-record-sets --hosted-zone-id %[4]s --query %[5]s > records.json
aws route53 change-resource-record-sets --hosted-zone-id %[4]s --change-batch file://changes.json
`, m.Spec.Hostname, m.Spec.From.Name, m.Spec.To.Name, quoted(r.HostedZoneID), quoted(fmt.Sprintf("ResourceRecordSets[?Name==`%s.`]", strings.TrimSuffix(m.Spec.Hostname, "."))))
}

func region(name string) string {
	if name == "" {
		return ""
	}
	return " --region " + quoted(name)
}

// quoted is one word for the shell. What no shell can take (a NUL) becomes a
// word that does nothing.
func quoted(text string) string {
	word, err := syntax.Quote(text, syntax.LangPOSIX)
	if err != nil {
		return "''"
	}
	return word
}

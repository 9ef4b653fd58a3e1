package preflight

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
)

// addresses of the cluster, and what has them.
func (s *snapshot) addresses() map[netip.Addr]string {
	known := map[netip.Addr]string{}
	note := func(text, what string) {
		if address, err := netip.ParseAddr(text); err == nil && !address.IsLoopback() {
			known[address] = what
		}
	}
	for i := range s.nodes {
		for _, a := range s.nodes[i].Status.Addresses {
			note(a.Address, "node "+s.nodes[i].Name)
		}
	}
	for i := range s.services {
		service := &s.services[i]
		what := "Service " + service.Namespace + "/" + service.Name
		for _, address := range service.Spec.ClusterIPs {
			note(address, what)
		}
		for _, in := range service.Status.LoadBalancer.Ingress {
			note(in.IP, "the load balancer of "+what)
		}
	}
	return known
}

// findAddresses tells where addresses of the source are written down.
func findAddresses(w *world) []Finding {
	var found []Finding
	for _, address := range slices.SortedFunc(maps.Keys(w.in.written), netip.Addr.Compare) {
		places := w.in.written[address]
		found = append(found, Finding{
			Severity: Warn, Objects: places.named, Count: places.count,
			What:   fmt.Sprintf("holds %s, the address of %s on %s", address, w.in.known[address], w.from.name),
			Remedy: "Write its DNS name instead.",
			Source: "https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/",
		})
	}
	return found
}

// addressPattern finds what may be an IPv4 address; ParseAddr decides.
var addressPattern = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)

// noteAddresses remembers known addresses in a text. The text itself is not
// kept: it may be a Secret's.
func (in *incoming) noteAddresses(text, place string) {
	if strings.Count(text, ".") < 3 {
		return
	}
	for _, candidate := range addressPattern.FindAllString(text, -1) {
		address, err := netip.ParseAddr(candidate)
		if err != nil || in.known[address] == "" {
			continue
		}
		places := someOf(in.written, address)
		if !slices.Contains(places.named, place) {
			places.add(place)
		}
	}
}

// noteEnvironment looks at what a workload's containers are told.
func (in *incoming) noteEnvironment(w *workload) {
	for _, c := range w.containers() {
		for _, e := range c.Env {
			in.noteAddresses(e.Value, w.key.String()+", variable "+e.Name)
		}
		for _, argument := range append(slices.Clone(c.Command), c.Args...) {
			in.noteAddresses(argument, w.key.String()+", command")
		}
	}
	for _, alias := range w.pod.Spec.HostAliases {
		in.noteAddresses(alias.IP, w.key.String()+", host alias")
	}
}

// keepConfig looks for addresses in ConfigMaps and Secrets, and keeps Secrets
// that images are pulled with.
func (in *incoming) keepConfig(u *unstructured.Unstructured) error {
	object := transfer.KeyOf(u).String()
	data, _, err := unstructured.NestedMap(u.Object, "data")
	if err != nil {
		return err
	}
	for key, value := range data {
		text, _ := value.(string)
		if u.GetKind() == "Secret" {
			decoded, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return fmt.Errorf("reading key %s: not base64", key)
			}
			text = string(decoded)
		}
		in.noteAddresses(text, object+", key "+key)
	}
	secretType, _, _ := unstructured.NestedString(u.Object, "type")
	if u.GetKind() == "Secret" && (secretType == string(corev1.SecretTypeDockerConfigJson) || secretType == string(corev1.SecretTypeDockercfg)) {
		return keepNamed(u, in.pullSecrets)
	}
	return nil
}

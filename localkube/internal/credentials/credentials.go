// Package credentials makes every key, certificate and kubeconfig of a
// cluster. Start reading at Ensure.
package credentials

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/landfall-dev/landfall/localkube/internal/pki"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/state"
)

// administrators is the group that may do everything.
const administrators = "system:masters"

// addonUsers are the add-ons that talk to the API server; each may do what
// its own manifest allows.
var addonUsers = []string{"dns", "metrics", "provisioner", "netpol"}

// Ensure makes the keys, certificates and kubeconfigs of the cluster that are
// not there yet.
func Ensure(l plan.Layout) error {
	dir := l.PKI("")
	ca, err := pki.EnsureAuthority(dir, "ca")
	if err != nil {
		return err
	}
	if err := ensureServerCertificates(l, ca); err != nil {
		return err
	}
	if err := ensureFrontProxy(dir); err != nil {
		return err
	}
	if err := pki.EnsureSigningKey(dir, "service-account"); err != nil {
		return err
	}
	for component, id := range clientIdentities(l) {
		if err := ensureClientConfig(l, ca, component, id); err != nil {
			return err
		}
	}
	return ensureKubeconfig(l, ca)
}

func ensureServerCertificates(l plan.Layout, ca *pki.Authority) error {
	service := "kubernetes.default.svc." + plan.ClusterDomain
	servers := map[string]pki.Identity{
		"apiserver": {CommonName: "kube-apiserver", Hosts: []string{
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", service, "localhost",
			"127.0.0.1", l.APIServiceIP().String(), l.ControlPlaneIP().String(),
		}},
		"metrics-serving": {CommonName: "metrics-server", Hosts: []string{
			"metrics-server.kube-system.svc", "localhost", l.ControlPlaneIP().String(),
		}},
	}
	for _, n := range l.Cluster.Nodes {
		servers["kubelet-serving@"+n.Name] = pki.Identity{
			CommonName: "system:node:" + n.Name, Organizations: []string{"system:nodes"},
			Hosts: []string{n.Name, l.NodeIP(n).String()},
		}
	}
	for name, id := range servers {
		if _, err := ca.Ensure(name, id); err != nil {
			return err
		}
	}
	_, err := ca.Ensure("apiserver-kubelet-client", pki.Identity{
		CommonName: "kube-apiserver-kubelet-client", Organizations: []string{administrators},
	})
	return err
}

// ensureFrontProxy makes the authority by which aggregated API servers know
// the API server. It is not the cluster's, or every client could pose as it.
func ensureFrontProxy(dir string) error {
	ca, err := pki.EnsureAuthority(dir, "front-proxy-ca")
	if err != nil {
		return err
	}
	_, err = ca.Ensure("front-proxy-client", pki.Identity{CommonName: "front-proxy-client"})
	return err
}

func clientIdentities(l plan.Layout) map[string]pki.Identity {
	ids := map[string]pki.Identity{
		"supervisor":              {CommonName: "localkube:supervisor", Organizations: []string{administrators}},
		"kube-controller-manager": {CommonName: "system:kube-controller-manager"},
		"kube-scheduler":          {CommonName: "system:kube-scheduler"},
		"kube-proxy":              {CommonName: "system:kube-proxy"},
	}
	for _, addon := range addonUsers {
		ids[addon] = pki.Identity{CommonName: "localkube:" + addon}
	}
	for _, n := range l.Cluster.Nodes {
		ids["kubelet@"+n.Name] = pki.Identity{CommonName: "system:node:" + n.Name, Organizations: []string{"system:nodes"}}
	}
	return ids
}

func ensureClientConfig(l plan.Layout, ca *pki.Authority, component string, id pki.Identity) error {
	pair, err := ca.Ensure(component, id)
	if err != nil {
		return err
	}
	return writeKubeconfig(l, ca, l.ClientConfig(component), component, pair)
}

// ensureKubeconfig writes the administrator's kubeconfig, for people.
func ensureKubeconfig(l plan.Layout, ca *pki.Authority) error {
	pair, err := ca.Ensure("admin", pki.Identity{
		CommonName: "localkube:admin", Organizations: []string{administrators},
	})
	if err != nil {
		return err
	}
	return writeKubeconfig(l, ca, l.Kubeconfig(), "admin", pair)
}

func writeKubeconfig(l plan.Layout, ca *pki.Authority, path, user string, pair pki.KeyPair) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	name := l.ContextName()
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{
		Server: "https://" + l.APIServer().String(), CertificateAuthorityData: ca.PEM,
	}
	config.AuthInfos[name+"-"+user] = &clientcmdapi.AuthInfo{
		ClientCertificateData: pair.Cert, ClientKeyData: pair.Key,
	}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name + "-" + user}
	config.CurrentContext = name
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("writing kubeconfig of %s: %w", user, err)
	}
	if err := state.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("writing kubeconfig of %s: %w", user, err)
	}
	return nil
}

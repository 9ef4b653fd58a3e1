package provision

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Outputs is what a module says of the cluster that it made. It gives either a
// kubeconfig, or an endpoint with a certificate authority and something to log
// in with: a token, a client certificate, or the name of an EKS cluster.
type Outputs struct {
	Kubeconfig string `json:"kubeconfig"`

	// Endpoint is the URL of the API server; CertificateAuthority is PEM, or
	// that in base64.
	Endpoint             string `json:"endpoint"`
	CertificateAuthority string `json:"certificate_authority"`
	Token                string `json:"token"`
	ClientCertificate    string `json:"client_certificate"`
	ClientKey            string `json:"client_key"`

	// ClusterName and Region name an EKS cluster.
	ClusterName string `json:"cluster_name"`
	Region      string `json:"region"`
	// RoleARNs are AWS roles by the name of the Cluster's role.
	RoleARNs map[string]string `json:"role_arns"`
}

// readOutputs takes what it knows of a module's outputs; what is null is not
// there.
func readOutputs(raw map[string]json.RawMessage) (Outputs, error) {
	var o Outputs
	fields := map[string]any{
		"kubeconfig": &o.Kubeconfig, "endpoint": &o.Endpoint, "certificate_authority": &o.CertificateAuthority, "token": &o.Token,
		"client_certificate": &o.ClientCertificate, "client_key": &o.ClientKey, "cluster_name": &o.ClusterName, "region": &o.Region, "role_arns": &o.RoleARNs,
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if raw[name] == nil {
			continue
		}
		if json.Unmarshal(raw[name], fields[name]) != nil {
			return o, fault.New(fault.Invalid, "Correct the module: docs/clusters.md says what its outputs are.", "reading the module's outputs: %s is of another type", name)
		}
	}
	return o, nil
}

// config makes a kubeconfig of the outputs.
func (o Outputs) config(cluster string) (*api.Config, error) {
	if o.Kubeconfig != "" {
		config, err := clientcmd.Load([]byte(o.Kubeconfig))
		if err != nil {
			return nil, fault.New(fault.Invalid, "Correct the module's output.", "reading output kubeconfig of cluster %s: it is not a kubeconfig", cluster)
		}
		if err := noForeignFiles(config); err != nil {
			return nil, fault.New(fault.Invalid, "Correct the module's output.", "reading output kubeconfig of cluster %s: %w", cluster, err)
		}
		if err := Complete(config); err != nil {
			return nil, fault.New(fault.Invalid, "Correct the module's output.", "reading output kubeconfig of cluster %s: %w", cluster, err)
		}
		return config, nil
	}
	if o.Endpoint == "" || o.CertificateAuthority == "" {
		return nil, fault.New(fault.Invalid, "The module must put out kubeconfig, or endpoint and certificate_authority: see docs/clusters.md. If the cluster was removed by hand, `landfall cluster apply "+cluster+" --replace ADDRESS` makes it anew.",
			"the module says nothing of how cluster %s is reached", cluster)
	}
	ca, err := pem(o.CertificateAuthority)
	if err != nil {
		return nil, fault.New(fault.Invalid, "Put it out as PEM, or that in base64.", "reading output certificate_authority of cluster %s: %w", cluster, err)
	}
	user, err := o.user(cluster)
	if err != nil {
		return nil, err
	}
	config := api.NewConfig()
	config.Clusters[cluster] = &api.Cluster{Server: o.Endpoint, CertificateAuthorityData: ca}
	config.AuthInfos[cluster] = user
	config.Contexts[cluster] = &api.Context{Cluster: cluster, AuthInfo: cluster}
	config.CurrentContext = cluster
	return config, nil
}

func (o Outputs) user(cluster string) (*api.AuthInfo, error) {
	switch {
	case o.ClientCertificate != "" && o.ClientKey != "":
		certificate, err1 := pem(o.ClientCertificate)
		key, err2 := pem(o.ClientKey)
		if err1 != nil || err2 != nil {
			return nil, fault.New(fault.Invalid, "Put both out as PEM, or that in base64.", "reading outputs client_certificate and client_key of cluster %s: not PEM", cluster)
		}
		return &api.AuthInfo{ClientCertificateData: certificate, ClientKeyData: key}, nil
	case o.Token != "":
		return &api.AuthInfo{Token: o.Token}, nil
	case o.ClusterName != "" && o.Region != "":
		return &api.AuthInfo{Exec: &api.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", Command: "aws", InteractiveMode: api.NeverExecInteractiveMode,
			Args: []string{"eks", "get-token", "--cluster-name", o.ClusterName, "--region", o.Region, "--output", "json"},
		}}, nil
	}
	return nil, fault.New(fault.Invalid, "The module must put out a token, a client certificate with its key, or cluster_name and region of an EKS cluster.",
		"the module says nothing of how to log in to cluster %s", cluster)
}

// noForeignFiles refuses a kubeconfig that refers to files: they would be those
// of whichever machine reads it.
func noForeignFiles(config *api.Config) error {
	for name, user := range config.AuthInfos {
		if user.ClientCertificate != "" || user.ClientKey != "" || user.TokenFile != "" {
			return fmt.Errorf("user %s reads its credentials from files", name)
		}
	}
	for name, cluster := range config.Clusters {
		if cluster.CertificateAuthority != "" {
			return fmt.Errorf("cluster %s reads its certificate authority from a file", name)
		}
	}
	return nil
}

// pem accepts PEM, and PEM in base64 as AWS gives it.
func pem(text string) ([]byte, error) {
	begins := []byte("-----BEGIN ")
	if bytes.Contains([]byte(text), begins) {
		return []byte(text), nil
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !bytes.Contains(decoded, begins) {
		return nil, fmt.Errorf("it is not PEM")
	}
	return decoded, nil
}

// shortLived says that what logs in does so for minutes only, or by a program.
func shortLived(config *api.Config, o Outputs) bool {
	for _, user := range config.AuthInfos {
		if user.Exec != nil || user.AuthProvider != nil {
			return true
		}
	}
	return o.Kubeconfig == "" && o.ClientCertificate == ""
}

// roles gives the Cluster's roles with the ARNs that the module puts out: those
// that log in otherwise stay as they are, those that are missing are added.
func roles(have []v1alpha1.ClusterRole, arns map[string]string) []v1alpha1.ClusterRole {
	all := slices.Clone(have)
	for _, name := range slices.Sorted(maps.Keys(arns)) {
		at := slices.IndexFunc(all, func(r v1alpha1.ClusterRole) bool { return r.Name == name })
		switch {
		case at < 0:
			all = append(all, v1alpha1.ClusterRole{Name: name, AWSRoleARN: arns[name]})
		case all[at].ServiceAccount == nil:
			all[at].AWSRoleARN = arns[name]
		}
	}
	return all
}

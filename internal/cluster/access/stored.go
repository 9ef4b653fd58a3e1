package access

import (
	"errors"
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Stored reads a cluster's own kubeconfig: where the server is, and how one logs
// in. The login is refused (unusable says why) if it would run a program or read
// a file of the person's that gets it: who may write it must not run programs
// elsewhere.
func Stored(kubeconfig []byte) (server api.Cluster, login api.AuthInfo, unusable string, err error) {
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return server, login, "", err
	}
	current := config.Contexts[config.CurrentContext]
	if current == nil || config.Clusters[current.Cluster] == nil || config.AuthInfos[current.AuthInfo] == nil {
		return server, login, "", fmt.Errorf("it has no usable current context")
	}
	from := config.Clusters[current.Cluster]
	if from.CertificateAuthority != "" {
		return server, login, "", errors.New("its certificate authority is a file elsewhere")
	}
	server = api.Cluster{Server: from.Server, CertificateAuthorityData: from.CertificateAuthorityData, TLSServerName: from.TLSServerName, InsecureSkipTLSVerify: from.InsecureSkipTLSVerify, ProxyURL: from.ProxyURL}
	user := config.AuthInfos[current.AuthInfo]
	switch {
	case user.Exec != nil:
		return server, login, "its kubeconfig logs in by the program " + user.Exec.Command + ": give the cluster roles", nil
	case user.AuthProvider != nil:
		return server, login, "its kubeconfig logs in by the plugin " + user.AuthProvider.Name + ": give the cluster roles", nil
	case user.ClientCertificate != "" || user.ClientKey != "" || user.TokenFile != "":
		return server, login, "its kubeconfig logs in by files elsewhere: give the cluster roles", nil
	}
	return server, api.AuthInfo{ClientCertificateData: user.ClientCertificateData, ClientKeyData: user.ClientKeyData, Token: user.Token, Username: user.Username, Password: user.Password}, "", nil
}

// MarkOf gives the mark of a context in the files, if it has one.
func (f Files) MarkOf(context string) (Mark, bool, error) {
	for _, path := range f.All {
		content, err := read(path)
		if err != nil {
			return Mark{}, false, err
		}
		d, err := parse(path, content)
		if err != nil {
			return Mark{}, false, err
		}
		if entry := d.find(contexts, context); entry != nil {
			m, marked := markOf(entry, contexts)
			return m, marked, nil
		}
	}
	return Mark{}, false, nil
}

// Current context of the files.
func (f Files) Current() (string, error) {
	for _, path := range f.All {
		content, err := read(path)
		if err != nil {
			return "", err
		}
		d, err := parse(path, content)
		if err != nil {
			return "", err
		}
		if name := d.current(); name != "" {
			return name, nil
		}
	}
	return "", nil
}

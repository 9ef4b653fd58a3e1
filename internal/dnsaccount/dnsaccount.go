// Package dnsaccount opens the accounts of AWS in which clusters keep their
// hostnames, for whoever runs that: the controller or a command. It binds the
// cluster domain to what the routers know of AWS; neither knows the other.
package dnsaccount

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/cluster/hostname"
	"github.com/landfall-dev/landfall/internal/cluster/hostname/route53"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// namespace of Landfall's own Secrets.
const namespace = "landfall-system"

// Opener opens accounts, each with the limits that all users of accounts share.
// Keys are read by the reader; without a Secret's name the process's own
// identity is used.
func Opener(reader client.Reader, accounts *awsaccount.Accounts) hostname.Open {
	return func(ctx context.Context, secretName string) (hostname.Client, error) {
		var login awsaccount.Login
		if secretName != "" {
			secret := &corev1.Secret{}
			if err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: secretName}, secret); err != nil {
				return nil, fault.New(fault.Failed, "Give spec.routing.dns.secretName a Secret of namespace "+namespace+".", "reading keys of AWS: %w", err)
			}
			var err error
			if login.Keys, err = awsaccount.KeysOf(secretName, secret.Data); err != nil {
				return nil, err
			}
		}
		account, err := accounts.Open(ctx, login)
		if err != nil {
			return nil, err
		}
		return route53.New(account, awsaccount.Explain), nil
	}
}

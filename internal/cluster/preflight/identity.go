package preflight

import (
	"fmt"
	"maps"
	"slices"
)

// cloudIdentities are annotations of service accounts that take a role in a
// cloud, which trusts the cluster's token issuer.
var cloudIdentities = []struct{ annotation, what, remedy, source string }{
	{
		"eks.amazonaws.com/role-arn", "IAM role",
		"Add the issuer as an identity provider in IAM and to the role's trust policy, or use EKS Pod Identity.",
		"https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
	},
	{
		"iam.gke.io/gcp-service-account", "Google service account",
		"Let the target's workload identity pool use the account (roles/iam.workloadIdentityUser).",
		"https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity",
	},
	{
		"azure.workload.identity/client-id", "Azure identity",
		"Add a federated credential with the target's issuer to the identity.",
		"https://azure.github.io/azure-workload-identity/docs/",
	},
}

// findIdentity: whom a cloud knows by the old cluster's token issuer, it does
// not know on the new cluster.
func findIdentity(w *world) []Finding {
	if w.from.issuer != "" && w.from.issuer == w.to.issuer {
		return nil
	}
	var found []Finding
	for _, key := range slices.Sorted(maps.Keys(w.in.accounts)) {
		account := w.in.accounts[key]
		for _, c := range cloudIdentities {
			role := account.Annotations[c.annotation]
			if role == "" {
				continue
			}
			issuer := "another one on " + w.to.name
			if w.to.issuer != "" {
				issuer = w.to.issuer + " on " + w.to.name
			}
			found = append(found, Finding{
				Severity: Warn, Objects: []string{"ServiceAccount " + key}, Source: c.source,
				What:   fmt.Sprintf("%s %s must trust the token issuer, which is %s", c.what, role, issuer),
				Remedy: c.remedy,
			})
		}
	}
	return found
}

package preflight

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
)

func TestChecks(t *testing.T) {
	const claim = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 20Gi}}`
	for name, test := range map[string]struct {
		check          string
		source, target string
		// change of what was read.
		change func(w *world)
		want   []string
	}{
		"a node that takes everything": {
			check: "scheduling", source: deployment, target: node,
			want: []string{},
		},
		"no node is ready": {
			check: "scheduling", source: deployment, target: `{apiVersion: v1, kind: Node, metadata: {name: n1}}`,
			want: []string{
				"block scheduling: green has no node that is ready",
				"note scheduling: Node n1 is not ready: it was not counted on",
			},
		},
		"labels, taints and size": {
			check:  "scheduling",
			source: deployment + "      nodeSelector: {disk: ssd}\n",
			target: node + "---" + `
apiVersion: v1
kind: Node
metadata: {name: n2, labels: {disk: ssd}}
spec: {taints: [{key: team, value: data, effect: NoSchedule}]}
status: {conditions: [{type: Ready, status: "True"}], allocatable: {cpu: "4"}}
`,
			want: []string{"block scheduling: Deployment shop/web no node of green takes its pods: 1 node: not labelled disk=ssd; 1 node: taint team=data:NoSchedule is not tolerated"},
		},
		"a taint that is tolerated": {
			check:  "scheduling",
			source: deployment + "      tolerations: [{key: team, operator: Exists}]\n",
			target: `
apiVersion: v1
kind: Node
metadata: {name: n2}
spec: {taints: [{key: team, value: data, effect: NoSchedule}]}
status: {conditions: [{type: Ready, status: "True"}], allocatable: {cpu: "4"}}
`,
			want: []string{},
		},
		"node affinity, where Karpenter may make a node": {
			check:  "scheduling",
			source: deployment + "      affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [a]}]}]}}}\n",
			target: node, change: func(w *world) { w.to.autoscaler = "Karpenter" },
			want: []string{"warn scheduling: Deployment shop/web no node of green takes its pods: 1 node: does not match its node affinity (zone)"},
		},
		"an extended resource": {
			check: "scheduling",
			source: `
apiVersion: v1
kind: Pod
metadata: {name: train, namespace: ml}
spec: {containers: [{name: a, image: a, resources: {limits: {nvidia.com/gpu: 2}, requests: {nvidia.com/gpu: 2}}}]}
`,
			target: node,
			want:   []string{"block scheduling: Pod ml/train no node of green takes its pods: 1 node: has 0 of the 2 nvidia.com/gpu that it requests"},
		},
		"an API that is not there": {
			check:  "apis",
			source: `{apiVersion: example.org/v1, kind: Widget, metadata: {name: w, namespace: shop}}`,
			change: func(w *world) { w.to.serves = nil },
			want:   []string{"block apis: Widget shop/w green has no API for Widget.example.org"},
		},
		"an API group that is down": {
			check:  "apis",
			source: `{apiVersion: example.org/v1, kind: Widget, metadata: {name: w, namespace: shop}}`,
			change: func(w *world) {
				w.to.serves = nil
				w.to.unreadable = []transfer.Unreadable{{What: "example.org/v1", Reason: "the server is currently unable to handle the request"}}
			},
			want: []string{"unknown apis: Widget shop/w whether green has an API for Widget.example.org: its group could not be read"},
		},
		"classes that may not be listed are not absent": {
			check:  "classes",
			source: `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: fast, namespace: shop}, spec: {storageClassName: fast}}`,
			change: func(w *world) {
				w.to.unreadable = []transfer.Unreadable{{What: "StorageClass.storage.k8s.io", Reason: "forbidden"}}
			},
			want: []string{"unknown classes: nothing of this could be looked at: the objects of StorageClass.storage.k8s.io of green could not be read"},
		},
		"its definition comes along": {
			check: "apis",
			source: `{apiVersion: example.org/v1, kind: Widget, metadata: {name: w, namespace: shop}}
---
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: widgets.example.org}, spec: {group: example.org, names: {kind: Widget}}}`,
			change: func(w *world) { delete(w.to.serves, schema.GroupKind{Group: "example.org", Kind: "Widget"}) },
			want:   []string{},
		},
		"no version in common": {
			check:  "apis",
			source: `{apiVersion: example.org/v1alpha1, kind: Widget, metadata: {name: w, namespace: shop}}`,
			change: func(w *world) {
				w.to.serves[schema.GroupKind{Group: "example.org", Kind: "Widget"}] = transfer.Resource{Versions: []string{"v1"}}
			},
			want: []string{"block apis: Widget shop/w green serves Widget.example.org only as v1, blue only as v1alpha1"},
		},
		"a chart that writes what was removed": {
			check:  "apis",
			source: `{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web, namespace: shop, managedFields: [{manager: helm, operation: Update, apiVersion: policy/v1beta1}]}}`,
			change: func(w *world) {
				k := schema.GroupKind{Group: "policy", Kind: "PodDisruptionBudget"}
				w.from.serves[k] = transfer.Resource{Versions: []string{"v1", "v1beta1"}}
			},
			want: []string{"warn apis: PodDisruptionBudget shop/web helm writes it as policy/v1beta1, which green does not serve: its next write there fails"},
		},
		"a PodSecurityPolicy": {
			check:  "apis",
			source: `{apiVersion: policy/v1beta1, kind: PodSecurityPolicy, metadata: {name: strict}}`,
			change: func(w *world) { w.to.serves = nil },
			want:   []string{"block apis: PodSecurityPolicy strict green has no API for PodSecurityPolicy.policy: Kubernetes 1.25 removed policy/v1beta1"},
		},
		"docker.sock, after dockershim": {
			check:  "versions",
			source: deployment + "      volumes: [{name: docker, hostPath: {path: /var/run/docker.sock}}]\n",
			change: func(w *world) { w.from.version = "v1.23.17-eks-0a21954" },
			want:   []string{"block versions: Deployment shop/web nodes no longer run Docker, so that there is no docker.sock, since Kubernetes 1.24"},
		},
		"an older target with newer kubelets": {
			check: "versions", source: deployment, target: node,
			change: func(w *world) { w.to.version = "v1.33.0" },
			want: []string{
				"warn versions: green runs Kubernetes v1.33.0, older than blue with v1.34.1: fields that are new since are dropped or refused",
				"warn versions: Node n1 its kubelet is v1.34.1, the API server of green v1.33.0: not a supported pair",
			},
		},
		"a version that is none": {
			check: "versions", source: deployment, change: func(w *world) { w.to.version = "main" },
			want: []string{`unknown versions: what changed between Kubernetes "v1.34.1" and "main": a version cannot be read`},
		},
		"storage classes": {
			check:  "classes",
			source: claim + "}\n---\n" + `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: fast, namespace: shop}, spec: {storageClassName: fast}}`,
			want: []string{
				"block classes: PersistentVolumeClaim shop/data it asks for the default storage class, and green has none",
				"block classes: PersistentVolumeClaim shop/fast there is no storage class fast on green",
			},
		},
		"a class comes along, its driver does not": {
			check: "classes",
			source: `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: fast, namespace: shop}, spec: {storageClassName: gp3}}
---
{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: gp3}, provisioner: ebs.csi.aws.com}
---
{apiVersion: storage.k8s.io/v1, kind: CSINode, metadata: {name: n1}, spec: {drivers: [{name: ebs.csi.aws.com, nodeID: i-1}]}}`,
			want: []string{"block classes: PersistentVolumeClaim shop/fast storage class gp3 comes along, but no node of green runs its driver ebs.csi.aws.com"},
		},
		"default classes that differ": {
			check:  "classes",
			source: claim + "}\n---\n" + `{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: gp3, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}, provisioner: ebs.csi.aws.com}`,
			target: `{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: local, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}, provisioner: rancher.io/local-path}`,
			want:   []string{"warn classes: PersistentVolumeClaim shop/data it asks for the default storage class, which is gp3 (ebs.csi.aws.com) on blue and local (rancher.io/local-path) on green"},
		},
		"ingress, priority and gateway classes": {
			check: "classes",
			source: deployment + "      priorityClassName: vip\n---" + `
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: shop}, spec: {ingressClassName: nginx}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: public, namespace: shop}, spec: {gatewayClassName: istio}}`,
			want: []string{
				"block classes: Ingress shop/web there is no ingress class nginx on green",
				"block classes: Gateway shop/public there is no gateway class istio on green",
				"block classes: Deployment shop/web there is no priority class vip on green: its pods are refused",
			},
		},
		"more replicas than nodes to keep apart on": {
			check:  "spread",
			source: deployment + "      affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: web}}}]}}\n",
			target: node,
			want:   []string{"block spread: Deployment shop/web its 2 replicas keep apart by kubernetes.io/hostname, of which green has 1"},
		},
		"zones that are not there": {
			check:  "spread",
			source: deployment + "      topologySpreadConstraints: [{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}]\n",
			target: node,
			want:   []string{"block spread: Deployment shop/web no node of green that takes its pods has label topology.kubernetes.io/zone, over which it must be spread"},
		},
		"more than there is room for": {
			check: "room",
			source: `{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop}, spec: {containers: [{name: a, image: a, resources: {requests: {cpu: "3", memory: 1Gi}}}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: shop}, spec: {containers: [{name: a, image: a, resources: {requests: {cpu: 500m}}}]}}`,
			target: node + "---" + `
{apiVersion: v1, kind: Pod, metadata: {name: dns, namespace: kube-system}, spec: {nodeName: n1, containers: [{name: a, image: a, resources: {requests: {cpu: 600m}}}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop}, spec: {nodeName: n1, containers: [{name: a, image: a, resources: {requests: {cpu: "3"}}}]}}`,
			want: []string{"block room: what comes requests 3.5 cpu, green has 3.4 free"},
		},
		"an autoscaler that would go too far": {
			check: "room",
			source: deployment + "---" + `
{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web, namespace: shop}, spec: {scaleTargetRef: {kind: Deployment, name: web}, maxReplicas: 200}}`,
			target: node,
			want:   []string{"warn room: with all autoscalers at their maximum what comes requests 200 pods, green has 110 free"},
		},
		"host ports and node ports": {
			check: "ports",
			source: `{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: proxy, namespace: edge}, spec: {template: {spec: {containers: [{name: a, image: a, ports: [{hostPort: 80, containerPort: 80}]}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"ports":[{"port":80,"nodePort":30080}]}}'}}, spec: {type: NodePort, ports: [{port: 80, nodePort: 30080, protocol: TCP}]}}`,
			target: node + "---" + `
{apiVersion: v1, kind: Pod, metadata: {name: haproxy, namespace: infra}, spec: {nodeName: n1, containers: [{name: a, image: a, ports: [{hostPort: 80, protocol: TCP}]}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: front, namespace: infra}, spec: {type: NodePort, ports: [{port: 80, nodePort: 30080, protocol: TCP}]}}`,
			want: []string{
				"block ports: DaemonSet edge/proxy host port 80/TCP is free on 0 of 1 node that takes its pods, and 1 is needed; pod infra/haproxy has it",
				"block ports: Service shop/web node port 30080 is that of Service infra/front on green",
			},
		},
		"the host's network": {
			check:  "ports",
			source: `{apiVersion: apps/v1, kind: Deployment, metadata: {name: proxy, namespace: edge}, spec: {replicas: 2, template: {spec: {hostNetwork: true, containers: [{name: a, image: a, ports: [{containerPort: 443}]}]}}}}`,
			target: node,
			want:   []string{"block ports: Deployment edge/proxy host port 443/TCP is free on 1 of 1 node that takes its pods, and 2 are needed"},
		},
		"pod security": {
			check:  "podsecurity",
			source: deployment + "---\n{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: privileged}}}",
			target: `{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: restricted}}}`,
			want: []string{`block podsecurity: Deployment shop/web namespace shop enforces restricted on green, which refuses its pods: allowPrivilegeEscalation != false (container "web" must set securityContext.allowPrivilegeEscalation=false), ` +
				`unrestricted capabilities (container "web" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "web" must set securityContext.runAsNonRoot=true), ` +
				`seccompProfile (pod or container "web" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")`},
		},
		"quotas": {
			check:  "quotas",
			source: deployment + "---" + claim + "}",
			target: `
apiVersion: v1
kind: ResourceQuota
metadata: {name: team, namespace: shop}
spec: {hard: {pods: "5", requests.storage: 10Gi, limits.memory: 1Gi, count/deployments.apps: "1"}}
status: {used: {pods: "4", count/deployments.apps: "0"}}
`,
			want: []string{
				"block quotas: Deployment shop/web container web says no limits.memory, which ResourceQuota shop/team of green asks for: its pods are refused",
				"block quotas: ResourceQuota shop/team it allows 5 pods on green; 4 are used, and 2 more come",
				"block quotas: ResourceQuota shop/team it allows 10Gi requests.storage on green; 0 are used, and 20Gi more come",
			},
		},
		"a webhook that nobody answers": {
			check:  "webhooks",
			source: deployment,
			target: `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: policy}
webhooks:
- name: check.policy.example
  clientConfig: {service: {namespace: policy, name: webhook}}
  rules: [{operations: [CREATE], apiGroups: [apps], apiVersions: [v1], resources: [deployments]}]
- name: elsewhere.policy.example
  clientConfig: {service: {namespace: policy, name: webhook}}
  namespaceSelector: {matchLabels: {team: other}}
  rules: [{operations: ["*"], apiGroups: ["*"], apiVersions: ["*"], resources: ["*"]}]
`,
			want: []string{"block webhooks: Deployment shop/web webhook check.policy.example of ValidatingWebhookConfiguration policy refuses it on green: no pod is ready behind Service policy/webhook"},
		},
		"a webhook that answers": {
			check:  "webhooks",
			source: deployment,
			target: `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: policy}
webhooks:
- name: check.policy.example
  clientConfig: {service: {namespace: policy, name: webhook}}
  rules: [{operations: [CREATE], apiGroups: [apps], apiVersions: [v1], resources: [deployments]}]
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: webhook-x, namespace: policy, labels: {kubernetes.io/service-name: webhook}}, addressType: IPv4, endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]}
`,
			want: []string{},
		},
		"a budget that lets nobody go": {
			check:  "disruption",
			source: deployment + "---\n{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web, namespace: shop}, spec: {minAvailable: 100%, selector: {matchLabels: {app: web}}}}",
			want:   []string{"warn disruption: PodDisruptionBudget shop/web it lets no pod of Deployment shop/web go (minAvailable 100% of 2 replicas): nodes cannot be drained, neither there nor of blue"},
		},
		"a load balancer, and an IAM role": {
			check:  "identity",
			source: `{apiVersion: v1, kind: ServiceAccount, metadata: {name: uploader, namespace: shop, annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::1:role/up"}}}`,
			change: func(w *world) { w.from.issuer, w.to.issuer = "https://blue.example", "https://green.example" },
			want:   []string{"warn identity: ServiceAccount shop/uploader IAM role arn:aws:iam::1:role/up must trust the token issuer, which is https://green.example on green"},
		},
		"addresses that are written down": {
			check: "addresses",
			source: `{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: 10.96.0.12, clusterIPs: [10.96.0.12], ports: [{port: 3306}]}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}, data: {db: "mysql://10.96.0.12:3306/shop", other: "110.96.0.12 10.96.0.123 1.2.3.4.5"}}
---
{apiVersion: v1, kind: Secret, metadata: {name: dsn, namespace: shop}, data: {dsn: cm9vdDpzZWNyZXRAMTAuOTYuMC4xMg==}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {spec: {containers: [{name: a, image: a, env: [{name: DB, value: 10.96.0.12}]}]}}}}`,
			want: []string{"warn addresses: ConfigMap shop/settings, key db, Deployment shop/web, variable DB, Secret shop/dsn, key dsn holds 10.96.0.12, the address of Service shop/db on blue"},
		},
		"images": {
			check: "images", source: deployment, target: node,
			change: func(w *world) {
				w.images[pull{image: "registry.example/web"}] = pulled{state: isMissing, reason: "registry.example does not have it"}
			},
			want: []string{"block images: Deployment shop/web image registry.example/web is not there: registry.example does not have it"},
		},
		"images for other processors": {
			check: "architecture", source: deployment, target: node,
			change: func(w *world) {
				w.images[pull{image: "registry.example/web"}] = pulled{state: isThere, platforms: []string{"linux/arm64"}}
			},
			want: []string{"block architecture: Deployment shop/web image registry.example/web is for linux/arm64; nodes of green that take its pods are linux/amd64"},
		},
		"managed node groups": {
			check:  "nodegroups",
			source: deployment + "      nodeSelector: {node-role.kubernetes.io/worker: ''}\n",
			target: `{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {eks.amazonaws.com/nodegroup: a}}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {eks.amazonaws.com/nodegroup: a}}, spec: {taints: [{key: team, effect: NoSchedule}]}}`,
			want: []string{
				"block nodegroups: Deployment shop/web nodes of managed groups cannot get labels node-role.kubernetes.io/…, since kubelets may not give themselves any",
				"warn nodegroups: NodeGroup a nodes of one group have different taints; those set by hand are lost when a node is replaced",
				"note nodegroups: a managed node group keeps its instance types, disk size, subnets and the kind of its launch template for ever; another version of the template replaces all of its nodes",
				"note nodegroups: with a launch template, instance profile, subnets and shutdown behaviour stay the node group's matter, and security groups become the template's alone",
			},
		},
		"volumes": {
			check: "volumes", source: deployment + "---" + claim + "}",
			want: []string{"warn volumes: PersistentVolumeClaim shop/data a transfer copies the claim, not the data in its volume"},
		},
		"load balancers and hostnames": {
			check: "services",
			source: `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop, annotations: {external-dns.alpha.kubernetes.io/hostname: shop.example.org}}, spec: {type: LoadBalancer, ports: [{port: 80}]}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: shop}, spec: {rules: [{host: shop.example.org, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}}`,
			target: `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: old, namespace: other}, spec: {rules: [{host: shop.example.org, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}}`,
			want: []string{
				"warn services: Service shop/web annotation external-dns.alpha.kubernetes.io/hostname names what blue already has: both sides would fight for it",
				"warn services: Ingress shop/web shop.example.org, path / is served by Ingress other/old on green",
				"note services: Service shop/web its load balancer on green will be a new one, with another address",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := worldOf(t, test.source, test.target)
			if test.change != nil {
				test.change(w)
			}
			if diff := cmp.Diff(test.want, found(w.judge(onlyCheck(test.check)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

package kubetest

// Shop is a small application, a document of YAML an object, without namespaces:
// ConfigMap settings, Service and Deployment web, CronJob nightly. No pod runs.
const Shop = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {price: "3", limits.cpu: "1"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/web, resources: {requests: {cpu: 100m}}}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec: {schedule: "0 3 * * *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: registry.example/a}]}}}}}
`

output "kubeconfig" {
  description = "Kubeconfig of the administrator."
  value       = fileexists(terraform_data.cluster.output.kubeconfig) ? file(terraform_data.cluster.output.kubeconfig) : null
  sensitive   = true
}

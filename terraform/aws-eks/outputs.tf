output "cluster_name" {
  description = "Name of the cluster at EKS."
  value       = aws_eks_cluster.this.name

  # Before that nobody can log in, and nothing runs.
  depends_on = [aws_eks_node_group.this, aws_eks_access_policy_association.people]
}

output "region" {
  description = "AWS region."
  value       = var.region
}

output "endpoint" {
  description = "URL of the API server."
  value       = aws_eks_cluster.this.endpoint
}

output "certificate_authority" {
  description = "Certificate authority of the API server: PEM in base64."
  value       = aws_eks_cluster.this.certificate_authority[0].data
}

output "role_arns" {
  description = "AWS roles by the name of the Cluster's role."
  value       = { for name, role in aws_iam_role.people : name => role.arn }
}

output "oidc_issuer" {
  description = "Issuer of service account tokens, for trust policies of roles."
  value       = aws_eks_cluster.this.identity[0].oidc[0].issuer
}

output "oidc_provider_arn" {
  description = "Identity provider of the issuer in IAM."
  value       = aws_iam_openid_connect_provider.this.arn
}

output "vpc_id" {
  description = "VPC of the cluster."
  value       = local.vpc_id
}

output "pod_subnet_ids" {
  description = "Subnets of pods by zone; empty where pods are in the nodes' subnets."
  value       = local.pod_subnet_ids
}

output "node_role_arn" {
  description = "Role of the nodes."
  value       = aws_iam_role.node.arn
}

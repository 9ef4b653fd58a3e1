output "endpoint" {
  description = "URL of the API server. It answers some minutes after the machines have started."
  value       = "https://${local.endpoint}"
  depends_on  = [aws_autoscaling_group.control_plane, aws_autoscaling_group.node]
}

output "certificate_authority" {
  description = "Certificate authority of the API server, in PEM."
  value       = tls_self_signed_cert.authority["ca"].cert_pem
}

output "client_certificate" {
  description = "Certificate that Landfall logs in with as an administrator, in PEM."
  value       = tls_locally_signed_cert.landfall.cert_pem
}

output "client_key" {
  description = "Its key, in PEM."
  value       = tls_private_key.landfall.private_key_pem
  sensitive   = true
}

output "vpc_id" {
  description = "VPC of the cluster."
  value       = local.vpc_id
}

output "node_security_group_id" {
  description = "Security group of all machines."
  value       = aws_security_group.node.id
}

output "machine_role_arns" {
  description = "Roles of machines: control-plane and node."
  value       = { for name, role in aws_iam_role.machine : name => role.arn }
}

# The certificate authorities of the cluster, which machines of the control plane
# sign their own certificates with, and a client certificate for Landfall. The
# keys are in Terraform's state: keep it encrypted.

locals {
  authorities = {
    "ca"             = "kubernetes"
    "etcd/ca"        = "etcd-ca"
    "front-proxy-ca" = "kubernetes-front-proxy-ca"
  }
}

resource "tls_private_key" "authority" {
  for_each    = local.authorities
  algorithm   = "ECDSA"
  ecdsa_curve = "P256"
}

resource "tls_self_signed_cert" "authority" {
  for_each              = local.authorities
  private_key_pem       = tls_private_key.authority[each.key].private_key_pem
  is_ca_certificate     = true
  set_subject_key_id    = true
  validity_period_hours = 10 * 365 * 24
  allowed_uses          = ["cert_signing", "digital_signature", "key_encipherment"]
  dns_names             = [each.value]

  subject {
    common_name = each.value
  }
}

# Signs the tokens of service accounts.
resource "tls_private_key" "accounts" {
  algorithm = "RSA"
  rsa_bits  = 2048
}

resource "tls_private_key" "landfall" {
  algorithm   = "ECDSA"
  ecdsa_curve = "P256"
}

# kubeadm binds its group of administrators to cluster-admin, which can be taken
# away; that of system:masters could not.
resource "tls_cert_request" "landfall" {
  private_key_pem = tls_private_key.landfall.private_key_pem

  subject {
    common_name  = "landfall"
    organization = "kubeadm:cluster-admins"
  }
}

resource "tls_locally_signed_cert" "landfall" {
  cert_request_pem      = tls_cert_request.landfall.cert_request_pem
  ca_private_key_pem    = tls_private_key.authority["ca"].private_key_pem
  ca_cert_pem           = tls_self_signed_cert.authority["ca"].cert_pem
  validity_period_hours = 365 * 24
  early_renewal_hours   = 60 * 24
  allowed_uses          = ["digital_signature", "key_encipherment", "client_auth"]
}

# Not a parameter of Systems Manager: what lets people log in to machines may
# read all of those.
resource "aws_secretsmanager_secret" "pki" {
  name_prefix             = "landfall/${var.name}/pki-"
  description             = "Keys of the control plane of cluster ${var.name}"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "pki" {
  secret_id = aws_secretsmanager_secret.pki.id

  # Paths below /etc/kubernetes/pki.
  secret_string = jsonencode(merge(
    { for path in keys(local.authorities) : "${path}.crt" => tls_self_signed_cert.authority[path].cert_pem },
    { for path in keys(local.authorities) : "${path}.key" => tls_private_key.authority[path].private_key_pem },
    {
      "sa.key" = tls_private_key.accounts.private_key_pem
      "sa.pub" = tls_private_key.accounts.public_key_pem
    },
  ))
}

# How machines join: {"token", "hash"}, renewed by the control plane. "none"
# means that there is no cluster yet, and only then one is made.
resource "aws_ssm_parameter" "join" {
  name        = "/landfall/${var.name}/join"
  description = "How machines join cluster ${var.name}"
  type        = "SecureString"
  value       = "none"

  lifecycle {
    ignore_changes = [value]
  }
}

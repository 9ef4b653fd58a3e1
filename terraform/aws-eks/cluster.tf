# The control plane, its role, and the identity provider by which service
# accounts take roles.

data "aws_iam_policy_document" "cluster_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["eks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "cluster" {
  name               = "${var.name}-cluster"
  assume_role_policy = data.aws_iam_policy_document.cluster_trust.json
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "${local.managed}/AmazonEKSClusterPolicy"
}

resource "aws_eks_cluster" "this" {
  name                      = var.name
  role_arn                  = aws_iam_role.cluster.arn
  version                   = var.kubernetes_version == "" ? null : var.kubernetes_version
  enabled_cluster_log_types = ["api", "audit", "authenticator"]

  # The add-ons are below, in the order that custom networking needs.
  bootstrap_self_managed_addons = false

  access_config {
    authentication_mode = "API"

    # Whoever creates the cluster makes Landfall's account on it.
    bootstrap_cluster_creator_admin_permissions = true
  }

  kubernetes_network_config {
    service_ipv4_cidr = var.service_cidr
  }

  vpc_config {
    subnet_ids              = local.subnet_ids
    endpoint_private_access = true
    endpoint_public_access  = length(var.public_access_cidrs) > 0
    public_access_cidrs     = length(var.public_access_cidrs) > 0 ? var.public_access_cidrs : null
  }

  tags = {
    "landfall:ready"  = tostring(var.ready)
    "landfall:latest" = tostring(var.latest)
  }

  # Without its policy the control plane cannot remove its network interfaces.
  # Without routes, nodes never join.
  depends_on = [aws_iam_role_policy_attachment.cluster, aws_route.nat, aws_route.internet]
}

resource "aws_iam_openid_connect_provider" "this" {
  url            = aws_eks_cluster.this.identity[0].oidc[0].issuer
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  issuer = trimprefix(aws_eks_cluster.this.identity[0].oidc[0].issuer, "https://")
}

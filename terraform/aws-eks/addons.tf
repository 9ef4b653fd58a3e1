# What EKS keeps running on the cluster. The network comes before the nodes:
# a node that joins earlier gives its pods addresses of its own subnet.

locals {
  # Service accounts that act at AWS, with the policy each has.
  accounts = {
    cni = { name = "kube-system:aws-node", policy = "${local.managed}/AmazonEKS_CNI_Policy" }
    ebs = { name = "kube-system:ebs-csi-controller-sa", policy = "${local.managed}/service-role/AmazonEBSCSIDriverPolicy" }
  }

  custom_networking = length(local.pod_subnet_ids) > 0
}

data "aws_iam_policy_document" "account_trust" {
  for_each = local.accounts

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.this.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${each.value.name}"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "account" {
  for_each           = local.accounts
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.account_trust[each.key].json
}

resource "aws_iam_role_policy_attachment" "account" {
  for_each   = local.accounts
  role       = aws_iam_role.account[each.key].name
  policy_arn = each.value.policy
}

resource "aws_eks_addon" "vpc_cni" {
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = "vpc-cni"
  service_account_role_arn    = aws_iam_role.account["cni"].arn
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  configuration_values = jsonencode(merge(
    {
      env = merge(
        { ENABLE_PREFIX_DELEGATION = "true", WARM_PREFIX_TARGET = "1" },
        local.custom_networking ? { AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG = "true", ENI_CONFIG_LABEL_DEF = "topology.kubernetes.io/zone" } : {},
      )
    },
    local.custom_networking ? {
      eniConfig = {
        create = true
        region = var.region
        subnets = {
          for zone, id in local.pod_subnet_ids : zone => {
            id             = id
            securityGroups = [aws_eks_cluster.this.vpc_config[0].cluster_security_group_id]
          }
        }
      }
    } : {},
  ))

  depends_on = [aws_iam_role_policy_attachment.account]
}

resource "aws_eks_addon" "before_nodes" {
  for_each                    = toset(["kube-proxy", "eks-pod-identity-agent"])
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
}

# These have pods that need a node until they are active.
resource "aws_eks_addon" "coredns" {
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = "coredns"
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  depends_on                  = [aws_eks_node_group.this]
}

resource "aws_eks_addon" "ebs_csi" {
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = "aws-ebs-csi-driver"
  service_account_role_arn    = aws_iam_role.account["ebs"].arn
  configuration_values        = jsonencode({ defaultStorageClass = { enabled = true } })
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  depends_on                  = [aws_eks_node_group.this, aws_iam_role_policy_attachment.account]
}

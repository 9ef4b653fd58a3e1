# Roles that people take, and what each may do on the cluster.

locals {
  policies = {
    admin     = "AmazonEKSClusterAdminPolicy"
    app-admin = "AmazonEKSEditPolicy"
    viewer    = "AmazonEKSViewPolicy"
  }

  account = "arn:${data.aws_partition.this.partition}:iam::${data.aws_caller_identity.this.account_id}:root"
}

data "aws_iam_policy_document" "people" {
  for_each = var.roles

  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "AWS"
      identifiers = length(each.value) > 0 ? each.value : [local.account]
    }
  }
}

# A token is made without asking AWS for anything but who one is; the tags that
# say which cluster is ready are read by this.
data "aws_iam_policy_document" "describe" {
  statement {
    actions   = ["eks:DescribeCluster"]
    resources = [aws_eks_cluster.this.arn]
  }

  statement {
    actions   = ["eks:ListClusters"]
    resources = ["*"]
  }
}

resource "aws_iam_role" "people" {
  for_each           = var.roles
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.people[each.key].json
}

resource "aws_iam_role_policy" "people" {
  for_each = var.roles
  name     = "describe-cluster"
  role     = aws_iam_role.people[each.key].name
  policy   = data.aws_iam_policy_document.describe.json
}

resource "aws_eks_access_entry" "people" {
  for_each      = var.roles
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = aws_iam_role.people[each.key].arn
}

resource "aws_eks_access_policy_association" "people" {
  for_each      = var.roles
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = aws_eks_access_entry.people[each.key].principal_arn
  policy_arn    = "arn:${data.aws_partition.this.partition}:eks::aws:cluster-access-policy/${local.policies[each.key]}"

  access_scope {
    type       = each.key == "app-admin" && length(var.app_namespaces) > 0 ? "namespace" : "cluster"
    namespaces = each.key == "app-admin" && length(var.app_namespaces) > 0 ? var.app_namespaces : null
  }
}

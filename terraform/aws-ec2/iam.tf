# What machines may do at AWS.

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "join" {
  statement {
    actions   = ["ssm:GetParameter"]
    resources = [aws_ssm_parameter.join.arn]
  }
}

data "aws_iam_policy_document" "control_plane" {
  source_policy_documents = [data.aws_iam_policy_document.join.json]

  statement {
    actions   = ["ssm:PutParameter"]
    resources = [aws_ssm_parameter.join.arn]
  }

  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.pki.arn]
  }

  # Who of the control plane is there, and who is gone.
  statement {
    actions   = ["autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances"]
    resources = ["*"]
  }
}

# What the AWS cloud controller manager does for nodes and load balancers.
# https://github.com/kubernetes/cloud-provider-aws/blob/master/docs/prerequisites.md
data "aws_iam_policy_document" "cloud_controller" {
  source_policy_documents = [data.aws_iam_policy_document.control_plane.json]

  statement {
    actions = [
      "autoscaling:DescribeLaunchConfigurations",
      "autoscaling:DescribeTags",
      "ec2:AuthorizeSecurityGroupIngress",
      "ec2:CreateSecurityGroup",
      "ec2:CreateTags",
      "ec2:DeleteSecurityGroup",
      "ec2:DescribeAvailabilityZones",
      "ec2:DescribeInstanceTopology",
      "ec2:DescribeRegions",
      "ec2:DescribeRouteTables",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcs",
      "ec2:ModifyInstanceAttribute",
      "ec2:RevokeSecurityGroupIngress",
      "elasticloadbalancing:*",
      "kms:DescribeKey",
    ]
    resources = ["*"]
  }

  # The first load balancer of an account.
  statement {
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "iam:AWSServiceName"
      values   = ["elasticloadbalancing.amazonaws.com"]
    }
  }
}

locals {
  machine_roles = {
    control-plane = var.external_cloud_provider ? data.aws_iam_policy_document.cloud_controller.json : data.aws_iam_policy_document.control_plane.json
    node          = data.aws_iam_policy_document.join.json
  }

  machine_policies = {
    for pair in setproduct(keys(local.machine_roles), ["AmazonSSMManagedInstanceCore", "AmazonEC2ContainerRegistryPullOnly"]) :
    "${pair[0]}/${pair[1]}" => { role = pair[0], policy = pair[1] }
  }
}

resource "aws_iam_role" "machine" {
  for_each           = local.machine_roles
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "machine" {
  for_each = local.machine_roles
  name     = "landfall"
  role     = aws_iam_role.machine[each.key].name
  policy   = each.value
}

resource "aws_iam_role_policy_attachment" "machine" {
  for_each   = local.machine_policies
  role       = aws_iam_role.machine[each.value.role].name
  policy_arn = "${local.managed}/${each.value.policy}"
}

resource "aws_iam_instance_profile" "machine" {
  for_each = local.machine_roles
  name     = "${var.name}-${each.key}"
  role     = aws_iam_role.machine[each.key].name
}

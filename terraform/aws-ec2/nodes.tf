# Groups of nodes. Another image, instance type or label replaces their machines,
# a tenth at a time; kubelets let pods end before a machine goes.

locals {
  nodes = {
    for name, g in var.node_groups : name => merge(local.node, {
      role   = "node"
      labels = join(",", [for key, value in merge(g.labels, { "landfall.dev/node-group" = name }) : "${key}=${value}"])
      taints = [for t in g.taints : { key = t.key, value = t.value, effect = t.effect }]
    })
  }
}

resource "aws_launch_template" "node" {
  for_each               = var.node_groups
  name_prefix            = "${var.name}-${each.key}-"
  image_id               = data.aws_ssm_parameter.ubuntu.insecure_value
  instance_type          = each.value.instance_type
  update_default_version = true
  vpc_security_group_ids = [aws_security_group.node.id]
  user_data              = local.user_data["node-${each.key}"]

  iam_instance_profile {
    arn = aws_iam_instance_profile.machine["node"].arn
  }

  block_device_mappings {
    device_name = "/dev/sda1"

    ebs {
      volume_size           = each.value.disk_gib
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  # Pods do not reach the machine's role.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume"]

    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = "${var.name}-${each.key}", "kubernetes.io/cluster/${var.name}" = "owned" })
    }
  }
}

resource "aws_autoscaling_group" "node" {
  for_each                  = var.node_groups
  name                      = "${var.name}-${each.key}"
  min_size                  = each.value.min
  max_size                  = each.value.max
  desired_capacity          = each.value.desired
  vpc_zone_identifier       = local.subnet_ids
  health_check_type         = "EC2"
  wait_for_capacity_timeout = "0"

  launch_template {
    id      = aws_launch_template.node[each.key].id
    version = aws_launch_template.node[each.key].latest_version
  }

  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = 90
      instance_warmup        = 300
    }
  }

  # By these the Cluster Autoscaler finds the group, and knows its nodes while
  # there are none.
  dynamic "tag" {
    for_each = merge(
      {
        "k8s.io/cluster-autoscaler/enabled"     = "true"
        "k8s.io/cluster-autoscaler/${var.name}" = "owned"
      },
      { for key, value in each.value.labels : "k8s.io/cluster-autoscaler/node-template/label/${key}" => value },
      { for t in each.value.taints : "k8s.io/cluster-autoscaler/node-template/taint/${t.key}" => "${t.value}:${t.effect}" },
    )

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = false
    }
  }

  lifecycle {
    ignore_changes = [desired_capacity] # an autoscaler's matter
  }

  depends_on = [aws_autoscaling_group.control_plane]
}

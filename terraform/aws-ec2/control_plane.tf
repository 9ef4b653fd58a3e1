# The control plane: API server, etcd and controllers on each machine, behind a
# network load balancer. A machine that dies is replaced and joins again.

data "aws_ssm_parameter" "ubuntu" {
  name = "/aws/service/canonical/ubuntu/server/24.04/stable/current/${var.architecture}/hvm/ebs-gp3/ami-id"
}

locals {
  # What every machine is told.
  node = {
    name             = var.name
    region           = var.region
    minor            = var.kubernetes_version
    endpoint         = local.endpoint
    join             = aws_ssm_parameter.join.name
    cloudProvider    = var.external_cloud_provider ? "external" : ""
    shutdownSeconds  = 90
    criticalSeconds  = 30
    aptKeyRepository = "https://pkgs.k8s.io/core:/stable:/v${var.kubernetes_version}/deb"
  }

  # Values get into the script as base64 of JSON, where nothing in them is code.
  user_data = {
    for name, told in merge(
      { control-plane = local.control_plane },
      { for group, g in var.node_groups : "node-${group}" => local.nodes[group] },
      ) : name => base64encode(templatefile("${path.module}/files/user-data.sh.tftpl", {
        told   = base64encode(jsonencode(told))
        script = base64gzip(file("${path.module}/files/node.sh"))
    }))
  }

  control_plane = merge(local.node, {
    role      = "control-plane"
    group     = "${var.name}-control-plane"
    size      = var.control_plane.size
    pki       = aws_secretsmanager_secret.pki.arn
    manifests = var.manifests
    cluster = {
      apiVersion           = "kubeadm.k8s.io/v1beta4"
      kind                 = "ClusterConfiguration"
      clusterName          = var.name
      controlPlaneEndpoint = local.endpoint
      networking           = { podSubnet = var.pod_cidr, serviceSubnet = var.service_cidr }
      apiServer            = { certSANs = [aws_lb.api.dns_name] }
      controllerManager    = { extraArgs = var.external_cloud_provider ? [{ name = "cloud-provider", value = "external" }] : [] }
    }
  })
}

resource "aws_lb" "api" {
  name                             = "${var.name}-api"
  load_balancer_type               = "network"
  internal                         = !var.public
  subnets                          = local.load_balancer_subnet_ids
  security_groups                  = [aws_security_group.api.id]
  enable_cross_zone_load_balancing = true
}

resource "aws_lb_target_group" "api" {
  name     = "${var.name}-api"
  port     = 6443
  protocol = "TCP"
  vpc_id   = local.vpc_id

  # A machine that reaches itself through the load balancer would drop packets
  # that come from its own address.
  preserve_client_ip   = false
  deregistration_delay = 30

  health_check {
    protocol            = "HTTPS"
    path                = "/readyz"
    interval            = 10
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "api" {
  load_balancer_arn = aws_lb.api.arn
  port              = 6443
  protocol          = "TCP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}

resource "aws_launch_template" "control_plane" {
  name_prefix            = "${var.name}-control-plane-"
  image_id               = data.aws_ssm_parameter.ubuntu.insecure_value
  instance_type          = var.control_plane.instance_type
  update_default_version = true
  vpc_security_group_ids = [aws_security_group.node.id]
  user_data              = local.user_data["control-plane"]

  iam_instance_profile {
    arn = aws_iam_instance_profile.machine["control-plane"].arn
  }

  block_device_mappings {
    device_name = "/dev/sda1"

    ebs {
      volume_size           = var.control_plane.disk_gib
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  # Pods do not reach the machine's role.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "enabled"
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume"]

    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = "${var.name}-control-plane", "kubernetes.io/cluster/${var.name}" = "owned" })
    }
  }

  # A newer image is no reason to replace members of etcd: change the template
  # by another variable, then refresh the group one machine after the other.
  lifecycle {
    ignore_changes = [image_id]
  }
}

resource "aws_autoscaling_group" "control_plane" {
  name                      = "${var.name}-control-plane"
  min_size                  = var.control_plane.size
  max_size                  = var.control_plane.size
  desired_capacity          = var.control_plane.size
  vpc_zone_identifier       = local.subnet_ids
  target_group_arns         = [aws_lb_target_group.api.arn]
  health_check_type         = "EC2"
  wait_for_capacity_timeout = "0"

  launch_template {
    id      = aws_launch_template.control_plane.id
    version = aws_launch_template.control_plane.latest_version
  }

  depends_on = [
    aws_lb_listener.api,
    aws_iam_role_policy.machine,
    aws_iam_role_policy_attachment.machine,
    aws_secretsmanager_secret_version.pki,
    aws_route.nat,
    aws_route.internet,
    aws_vpc_security_group_ingress_rule.api,
    aws_vpc_security_group_ingress_rule.from_api,
    aws_vpc_security_group_ingress_rule.among_nodes,
    aws_vpc_security_group_egress_rule.node,
    aws_vpc_security_group_egress_rule.api,
  ]
}

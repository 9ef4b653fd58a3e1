# Whole plans of the module: what AWS would be asked to make. AWS's answers are
# mocked.

mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-west-1a", "eu-west-1b", "eu-west-1c"] }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_vpc" {
    defaults = { cidr_block_associations = [{ association_id = "a", cidr_block = "10.1.0.0/16", state = "associated" }, { association_id = "b", cidr_block = "10.2.0.0/16", state = "associated" }] }
  }

  mock_resource "aws_lb" {
    defaults = { dns_name = "api.elb.example" }
  }

  mock_resource "aws_eip" {
    defaults = { public_ip = "203.0.113.1" }
  }
}

mock_provider "tls" {}

variables {
  name   = "green"
  region = "eu-west-1"
}

# First, while nothing is made yet: what is unknown must not decide how many
# there are of anything.
run "plan" {
  command = plan
}

run "defaults" {
  assert {
    condition = { for zone, s in aws_subnet.nodes : zone => s.cidr_block } == {
      eu-west-1a = "10.0.0.0/19", eu-west-1b = "10.0.32.0/19", eu-west-1c = "10.0.64.0/19"
    }
    error_message = "machines' subnets"
  }

  assert {
    condition     = toset(aws_lb.api.subnets) == toset([for s in aws_subnet.public : s.id]) && !aws_lb.api.internal
    error_message = "the load balancer is on the internet"
  }

  # Public load balancers see machines by the addresses of the NAT gateways.
  assert {
    condition     = { for name, r in aws_vpc_security_group_ingress_rule.api : name => r.cidr_ipv4 } == { access-0 = "0.0.0.0/0", machines-0 = "203.0.113.1/32", machines-1 = "203.0.113.1/32", machines-2 = "203.0.113.1/32" }
    error_message = "who reaches the API server"
  }

  assert {
    condition     = { for name in ["control-plane", "node"] : name => one([for p in values(aws_iam_role_policy.machine) : p.policy if p.role == aws_iam_role.machine[name].name]) } == { control-plane = "{}", node = "{}" }
    error_message = "each kind of machine has a role of its own"
  }

  assert {
    condition     = alltrue([for t in concat([aws_launch_template.control_plane], values(aws_launch_template.node)) : t.metadata_options[0].http_tokens == "required" && t.metadata_options[0].http_put_response_hop_limit == 1 && t.block_device_mappings[0].ebs[0].encrypted == "true"])
    error_message = "IMDSv2 that pods do not reach, encrypted disks"
  }

  # EC2 takes 16 KiB before the encoding.
  assert {
    condition     = alltrue([for t in concat([aws_launch_template.control_plane], values(aws_launch_template.node)) : startswith(base64decode(t.user_data), "#!/bin/bash\n") && length(base64decode(t.user_data)) <= 16384])
    error_message = "a script that EC2 takes"
  }

  assert {
    condition     = jsondecode(aws_secretsmanager_secret_version.pki.secret_string)["etcd/ca.key"] == tls_private_key.authority["etcd/ca"].private_key_pem
    error_message = "the control plane gets the keys"
  }

  assert {
    condition     = output.endpoint == "https://api.elb.example:6443" && output.client_certificate == tls_locally_signed_cert.landfall.cert_pem && output.certificate_authority == tls_self_signed_cert.authority["ca"].cert_pem
    error_message = "what Landfall makes access of"
  }
}

run "inside" {
  variables {
    public        = false
    nat           = "single"
    access_cidrs  = []
    control_plane = { size = 1 }

    node_groups = {
      batch = { min = 0, desired = 0, labels = { pool = "batch" }, taints = [{ key = "batch", value = "1", effect = "NoSchedule" }] }
    }
  }

  assert {
    condition     = aws_lb.api.internal && toset(aws_lb.api.subnets) == toset([for s in aws_subnet.nodes : s.id]) && [for r in aws_vpc_security_group_ingress_rule.api : r.cidr_ipv4] == ["10.0.0.0/16"]
    error_message = "reached from the VPC only"
  }

  assert {
    condition = { for t in aws_autoscaling_group.node["batch"].tag : t.key => t.value } == {
      "k8s.io/cluster-autoscaler/enabled"                   = "true"
      "k8s.io/cluster-autoscaler/green"                     = "owned"
      "k8s.io/cluster-autoscaler/node-template/label/pool"  = "batch"
      "k8s.io/cluster-autoscaler/node-template/taint/batch" = "1:NoSchedule"
    }
    error_message = "the Cluster Autoscaler knows the group while it is empty"
  }

  assert {
    condition     = aws_autoscaling_group.control_plane.max_size == 1 && length(aws_nat_gateway.this) == 1
    error_message = "one of each"
  }
}

run "cloud_controller" {
  variables {
    external_cloud_provider = true
  }

  override_data {
    target = data.aws_iam_policy_document.cloud_controller
    values = { json = "{\"Sid\": \"controller\"}" }
  }

  assert {
    condition     = { for name, p in aws_iam_role_policy.machine : name => p.policy } == { control-plane = "{\"Sid\": \"controller\"}", node = "{}" }
    error_message = "the control plane may do what the controller does, nodes may not"
  }
}

run "network_given" {
  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-a"], load_balancer_subnet_ids = ["subnet-l"] }
    public  = false
  }

  assert {
    condition     = length(aws_vpc.this) + length(aws_subnet.nodes) + length(aws_nat_gateway.this) == 0 && toset(aws_lb.api.subnets) == toset(["subnet-l"]) && toset(aws_autoscaling_group.control_plane.vpc_zone_identifier) == toset(["subnet-a"])
    error_message = "the network that is there is used"
  }

  assert {
    condition     = toset([for name, r in aws_vpc_security_group_ingress_rule.api : r.cidr_ipv4 if startswith(name, "machines-")]) == toset(["10.1.0.0/16", "10.2.0.0/16"])
    error_message = "machines reach the API server from all of the VPC"
  }
}

run "refused" {
  command = plan

  variables {
    name               = "Green_"
    kubernetes_version = "1.30"
    control_plane      = { size = 2 }
    architecture       = "x86_64"
    manifests          = ["http://example.com/a.yaml"]
    node_groups        = { general = { taints = [{ key = "a", effect = "NO_SCHEDULE" }] } }
  }

  expect_failures = [var.name, var.kubernetes_version, var.control_plane, var.architecture, var.manifests, var.node_groups]
}

run "names_of_groups" {
  command = plan

  variables {
    node_groups = { control-plane = {} }
  }

  expect_failures = [var.node_groups]
}

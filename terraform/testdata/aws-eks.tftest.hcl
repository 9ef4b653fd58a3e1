# Whole plans of the module: what AWS would be asked to make. AWS's answers are
# mocked.

mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-west-1a", "eu-west-1b", "eu-west-1c", "eu-west-1d"] }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_resource "aws_eks_cluster" {
    defaults = {
      identity              = [{ oidc = [{ issuer = "https://oidc.example/id/1" }] }]
      certificate_authority = [{ data = "UEVN" }]
    }
  }
}

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
    error_message = "nodes' subnets"
  }

  assert {
    condition = { for zone, s in aws_subnet.public : zone => s.cidr_block } == {
      eu-west-1a = "10.0.128.0/20", eu-west-1b = "10.0.144.0/20", eu-west-1c = "10.0.160.0/20"
    }
    error_message = "load balancers' subnets"
  }

  assert {
    condition = { for zone, s in aws_subnet.pods : zone => s.cidr_block } == {
      eu-west-1a = "100.64.0.0/18", eu-west-1b = "100.64.64.0/18", eu-west-1c = "100.64.128.0/18"
    }
    error_message = "pods' subnets"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 3 && alltrue([for zone, r in aws_route.nat : r.nat_gateway_id == aws_nat_gateway.this[zone].id])
    error_message = "each zone leaves by its own NAT gateway"
  }

  assert {
    condition     = jsondecode(aws_eks_addon.vpc_cni.configuration_values).env == { ENABLE_PREFIX_DELEGATION = "true", WARM_PREFIX_TARGET = "1", AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG = "true", ENI_CONFIG_LABEL_DEF = "topology.kubernetes.io/zone" }
    error_message = "settings of the pods' network"
  }

  # The add-on's own schema: {create, region, subnets: {ZONE: {id, securityGroups}}}.
  assert {
    condition     = { for zone, s in jsondecode(aws_eks_addon.vpc_cni.configuration_values).eniConfig.subnets : zone => s.id } == { for zone, s in aws_subnet.pods : zone => s.id }
    error_message = "pods are in their zone's subnet"
  }

  assert {
    condition     = yamldecode(split("---\n", split("\n--NODECONFIG--", base64decode(aws_launch_template.node["general"].user_data))[0])[1]).spec.kubelet.config.maxPods == 110
    error_message = "maxPods reaches nodeadm"
  }

  assert {
    condition     = alltrue([for role, policy in { admin = "AmazonEKSClusterAdminPolicy", app-admin = "AmazonEKSEditPolicy", viewer = "AmazonEKSViewPolicy" } : aws_eks_access_policy_association.people[role].policy_arn == "arn:aws:eks::aws:cluster-access-policy/${policy}"])
    error_message = "policies of people"
  }

  assert {
    condition     = alltrue([for p in aws_eks_access_policy_association.people : p.access_scope[0].type == "cluster" && p.access_scope[0].namespaces == null])
    error_message = "people's roles hold everywhere"
  }

  assert {
    condition     = output.endpoint == aws_eks_cluster.this.endpoint && output.certificate_authority == "UEVN" && keys(output.role_arns) == ["admin", "app-admin", "viewer"]
    error_message = "what Landfall makes access of"
  }
}

run "narrow" {
  variables {
    zones               = ["eu-west-1a", "eu-west-1b"]
    nat                 = "single"
    pod_cidr            = ""
    kubernetes_version  = "1.34"
    public_access_cidrs = []
    roles               = { app-admin = ["arn:aws:iam::123456789012:role/team"] }
    app_namespaces      = ["team-*"]

    node_groups = {
      bottle = {
        ami_type = "BOTTLEROCKET_x86_64"
        spot     = true
        taints   = [{ key = "spot", effect = "NO_SCHEDULE" }]
      }
    }
  }

  assert {
    condition     = keys(aws_nat_gateway.this) == ["eu-west-1a"] && alltrue([for r in aws_route.nat : r.nat_gateway_id == aws_nat_gateway.this["eu-west-1a"].id])
    error_message = "all zones leave by the first one's NAT gateway"
  }

  assert {
    condition     = length(aws_subnet.pods) + length(aws_vpc_ipv4_cidr_block_association.pods) == 0 && !can(jsondecode(aws_eks_addon.vpc_cni.configuration_values).eniConfig)
    error_message = "pods are in the nodes' subnets"
  }

  assert {
    condition     = !aws_eks_cluster.this.vpc_config[0].endpoint_public_access && aws_eks_cluster.this.version == "1.34"
    error_message = "from inside only, of the version asked for"
  }

  assert {
    condition     = keys(aws_iam_role.people) == ["app-admin"] && aws_eks_access_policy_association.people["app-admin"].access_scope[0].type == "namespace" && tolist(aws_eks_access_policy_association.people["app-admin"].access_scope[0].namespaces) == tolist(["team-*"])
    error_message = "app-admins in their namespaces, nobody else"
  }

  assert {
    condition     = aws_launch_template.node["bottle"].user_data == null && aws_eks_node_group.this["bottle"].capacity_type == "SPOT" && one(aws_eks_node_group.this["bottle"].taint).key == "spot"
    error_message = "what nodeadm reads is not given to Bottlerocket"
  }
}

run "network_given" {
  variables {
    network = {
      vpc_id         = "vpc-1"
      subnet_ids     = ["subnet-a", "subnet-b"]
      pod_subnet_ids = { eu-west-1a = "subnet-pa", eu-west-1b = "subnet-pb" }
    }
  }

  assert {
    condition     = length(aws_vpc.this) + length(aws_subnet.nodes) + length(aws_nat_gateway.this) + length(aws_route_table.private) == 0
    error_message = "nothing of a network is made"
  }

  assert {
    condition     = jsondecode(aws_eks_addon.vpc_cni.configuration_values).eniConfig.subnets["eu-west-1b"].id == "subnet-pb" && toset(aws_eks_node_group.this["general"].subnet_ids) == toset(["subnet-a", "subnet-b"]) && output.vpc_id == "vpc-1"
    error_message = "the network that is there is used"
  }
}

run "refused" {
  command = plan

  variables {
    name        = "Green_"
    zones       = ["eu-west-1a"]
    vpc_cidr    = "10.0.0.0/21"
    nat         = "none"
    roles       = { root = [] }
    node_groups = { general = { min = 4, desired = 3, taints = [{ key = "a", effect = "NoSchedule" }], labels = { "node.kubernetes.io/x" = "y" } } }
  }

  expect_failures = [var.name, var.zones, var.vpc_cidr, var.nat, var.roles, var.node_groups]
}

run "too_many_zones" {
  command = plan

  variables {
    zones = ["a", "b", "c", "d", "e"]
  }

  expect_failures = [aws_vpc.this]
}

run "names_of_groups" {
  command = plan

  variables {
    node_groups = { "general/spot" = {} }
  }

  expect_failures = [var.node_groups]
}

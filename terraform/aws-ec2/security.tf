# Who may talk to whom: everybody allowed to the load balancer, that to the
# control plane, and machines of the cluster to each other.

resource "aws_security_group" "api" {
  name_prefix = "${var.name}-api-"
  description = "Load balancer of the API server"
  vpc_id      = local.vpc_id

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_security_group" "node" {
  name_prefix = "${var.name}-node-"
  description = "Machines of the cluster"
  vpc_id      = local.vpc_id
  tags        = { "kubernetes.io/cluster/${var.name}" = "owned" }

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  # Machines reach a public load balancer from the addresses of the NAT gateways,
  # an internal one from their own.
  machines   = var.public ? [for eip in aws_eip.nat : "${eip.public_ip}/32"] : local.vpc_cidrs
  api_access = { for i, cidr in var.access_cidrs : "access-${i}" => cidr }

  machine_access = { for i in range(var.public ? length(local.nat_zones) : length(local.vpc_cidrs)) : "machines-${i}" => local.machines[i] }
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  for_each          = merge(local.api_access, local.machine_access)
  security_group_id = aws_security_group.api.id
  description       = each.key
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 6443
  to_port           = 6443
}

resource "aws_vpc_security_group_egress_rule" "api" {
  security_group_id            = aws_security_group.api.id
  description                  = "API servers"
  referenced_security_group_id = aws_security_group.node.id
  ip_protocol                  = "tcp"
  from_port                    = 6443
  to_port                      = 6443
}

resource "aws_vpc_security_group_ingress_rule" "from_api" {
  security_group_id            = aws_security_group.node.id
  description                  = "Load balancer of the API server"
  referenced_security_group_id = aws_security_group.api.id
  ip_protocol                  = "tcp"
  from_port                    = 6443
  to_port                      = 6443
}

resource "aws_vpc_security_group_ingress_rule" "among_nodes" {
  security_group_id            = aws_security_group.node.id
  description                  = "Machines of the cluster"
  referenced_security_group_id = aws_security_group.node.id
  ip_protocol                  = "-1"
}

resource "aws_vpc_security_group_egress_rule" "node" {
  security_group_id = aws_security_group.node.id
  description       = "Anywhere"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

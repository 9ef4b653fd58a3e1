# The VPC, unless there is one: machines in private subnets, the load balancer in
# public ones.

data "aws_availability_zones" "this" {
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

data "aws_vpc" "given" {
  count = local.made ? 0 : 1
  id    = var.network.vpc_id
}

locals {
  made  = var.network == null
  zones = length(var.zones) > 0 ? var.zones : slice(data.aws_availability_zones.this.names, 0, min(3, length(data.aws_availability_zones.this.names)))

  # Zones by name, with the number that their blocks of addresses go by.
  zone_numbers = local.made ? { for i, zone in local.zones : zone => i } : {}
  nat_zones    = var.nat == "zone" ? local.zone_numbers : { for zone, i in local.zone_numbers : zone => i if i == 0 }

  vpc_id                   = local.made ? aws_vpc.this[0].id : var.network.vpc_id
  vpc_cidrs                = local.made ? [var.vpc_cidr] : data.aws_vpc.given[0].cidr_block_associations[*].cidr_block
  subnet_ids               = local.made ? [for zone in local.zones : aws_subnet.nodes[zone].id] : var.network.subnet_ids
  public_subnet_ids        = local.made ? [for zone in local.zones : aws_subnet.public[zone].id] : []
  load_balancer_subnet_ids = local.made ? (var.public ? local.public_subnet_ids : local.subnet_ids) : var.network.load_balancer_subnet_ids
}

resource "aws_vpc" "this" {
  count                = local.made ? 1 : 0
  cidr_block           = var.vpc_cidr
  enable_dns_hostnames = true
  enable_dns_support   = true
  tags                 = { Name = var.name }

  lifecycle {
    precondition {
      condition     = length(local.zones) <= 4
      error_message = "Blocks are cut for up to four zones."
    }
  }
}

# Blocks are cut for four zones: half of the VPC is for nodes, a quarter for load
# balancers.
resource "aws_subnet" "nodes" {
  for_each          = local.zone_numbers
  vpc_id            = aws_vpc.this[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.vpc_cidr, 3, each.value)

  tags = {
    Name                                = "${var.name}-nodes-${each.key}"
    "kubernetes.io/role/internal-elb"   = "1"
    "kubernetes.io/cluster/${var.name}" = "owned"
  }
}

resource "aws_subnet" "public" {
  for_each          = local.zone_numbers
  vpc_id            = aws_vpc.this[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, 8 + each.value)

  tags = {
    Name                                = "${var.name}-public-${each.key}"
    "kubernetes.io/role/elb"            = "1"
    "kubernetes.io/cluster/${var.name}" = "owned"
  }
}

resource "aws_internet_gateway" "this" {
  count  = local.made ? 1 : 0
  vpc_id = aws_vpc.this[0].id
  tags   = { Name = var.name }
}

resource "aws_eip" "nat" {
  for_each = local.nat_zones
  domain   = "vpc"
  tags     = { Name = "${var.name}-nat-${each.key}" }
}

resource "aws_nat_gateway" "this" {
  for_each      = local.nat_zones
  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id
  tags          = { Name = "${var.name}-${each.key}" }
  depends_on    = [aws_internet_gateway.this]
}

resource "aws_route_table" "public" {
  count  = local.made ? 1 : 0
  vpc_id = aws_vpc.this[0].id
  tags   = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  count                  = local.made ? 1 : 0
  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route_table_association" "public" {
  for_each       = local.zone_numbers
  subnet_id      = aws_subnet.public[each.key].id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_route_table" "private" {
  for_each = local.zone_numbers
  vpc_id   = aws_vpc.this[0].id
  tags     = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route" "nat" {
  for_each               = local.zone_numbers
  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[var.nat == "zone" ? each.key : local.zones[0]].id
}

resource "aws_route_table_association" "nodes" {
  for_each       = local.zone_numbers
  subnet_id      = aws_subnet.nodes[each.key].id
  route_table_id = aws_route_table.private[each.key].id
}

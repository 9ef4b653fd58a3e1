# Kubernetes by kubeadm on EC2: a control plane in an Auto Scaling group behind a
# network load balancer, and node groups. network.tf is the VPC, pki.tf the
# certificate authorities, control_plane.tf and nodes.tf the machines,
# files/node.sh what runs on each of them.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
    tls = {
      source  = "hashicorp/tls"
      version = ">= 4.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}

data "aws_partition" "this" {}

locals {
  tags = merge(var.tags, { "landfall:cluster" = var.name })

  # ARNs of policies that AWS keeps.
  managed = "arn:${data.aws_partition.this.partition}:iam::aws:policy"

  endpoint = "${aws_lb.api.dns_name}:6443"
}

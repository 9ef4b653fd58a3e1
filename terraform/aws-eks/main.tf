# An EKS cluster with its network, node groups and roles. network.tf is the VPC,
# cluster.tf the control plane, nodes.tf the node groups, addons.tf what EKS
# itself keeps running, access.tf who may do what.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = merge(var.tags, { "landfall:cluster" = var.name })
  }
}

data "aws_partition" "this" {}

data "aws_caller_identity" "this" {}

locals {
  # ARNs of policies that AWS keeps.
  managed = "arn:${data.aws_partition.this.partition}:iam::aws:policy"
}

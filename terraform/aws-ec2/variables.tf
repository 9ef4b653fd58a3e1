variable "name" {
  description = "Name of the cluster; landfall cluster create gives its own."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([-a-z0-9]{0,24}[a-z0-9])?$", var.name))
    error_message = "A name is up to 26 lower-case letters, digits and -: that of the load balancer is made of it."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "kubernetes_version" {
  description = "Minor version of Kubernetes, such as 1.34; nodes install its newest patch."
  type        = string
  default     = "1.34"

  validation {
    condition     = can(regex("^1\\.[0-9]+$", var.kubernetes_version)) && try(tonumber(split(".", var.kubernetes_version)[1]) >= 31, false)
    error_message = "Write a minor version from 1.31 on: the nodes' configuration is kubeadm's v1beta4."
  }
}

variable "network" {
  description = "A VPC that is there already: subnets for nodes, which reach the internet, and those for the load balancer. Without it a VPC is made."
  type = object({
    vpc_id                   = string
    subnet_ids               = list(string)
    load_balancer_subnet_ids = list(string)
  })
  default = null
}

variable "vpc_cidr" {
  description = "Addresses of the VPC that is made."
  type        = string
  default     = "10.0.0.0/16"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && try(tonumber(split("/", var.vpc_cidr)[1]) <= 20, false)
    error_message = "Write a block of /20 or larger, such as 10.0.0.0/16."
  }
}

variable "pod_cidr" {
  description = "Addresses of pods, which the network add-on gives out; the VPC knows nothing of them."
  type        = string
  default     = "192.168.0.0/16"

  validation {
    condition     = can(cidrhost(var.pod_cidr, 0))
    error_message = "Write a block such as 192.168.0.0/16."
  }
}

variable "service_cidr" {
  description = "Addresses of Services."
  type        = string
  default     = "172.20.0.0/16"

  validation {
    condition     = can(cidrhost(var.service_cidr, 0))
    error_message = "Write a block such as 172.20.0.0/16."
  }
}

variable "zones" {
  description = "Availability zones; the first three of the region if empty."
  type        = list(string)
  default     = []
}

variable "nat" {
  description = "NAT gateways of the VPC that is made: one in each zone, or a single one, which is cheaper and fails with its zone."
  type        = string
  default     = "zone"

  validation {
    condition     = contains(["zone", "single"], var.nat)
    error_message = "Write zone or single."
  }
}

variable "access_cidrs" {
  description = "From where the API server can be reached, besides the nodes."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = alltrue([for c in var.access_cidrs : can(cidrhost(c, 0))])
    error_message = "Write blocks such as 203.0.113.0/24."
  }
}

variable "public" {
  description = "The API server can be reached over the internet; otherwise from the VPC only."
  type        = bool
  default     = true
}

variable "control_plane" {
  description = "Machines of the control plane: 1, 3 or 5, each with a member of etcd."
  type = object({
    size          = optional(number, 3)
    instance_type = optional(string, "m6i.large")
    disk_gib      = optional(number, 50)
  })
  default = {}

  validation {
    condition     = contains([1, 3, 5], var.control_plane.size)
    error_message = "etcd wants 1, 3 or 5."
  }
}

variable "node_groups" {
  description = "Groups of nodes by name, an Auto Scaling group each. Instance types of one group have one architecture."
  type = map(object({
    instance_type = optional(string, "m6i.large")
    min           = optional(number, 1)
    max           = optional(number, 6)
    desired       = optional(number, 3)
    disk_gib      = optional(number, 50)
    labels        = optional(map(string), {})
    taints = optional(list(object({
      key    = string
      value  = optional(string, "")
      effect = string
    })), [])
  }))
  default = { general = {} }

  validation {
    condition     = alltrue([for name in keys(var.node_groups) : can(regex("^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$", name)) && name != "control-plane"])
    error_message = "A group's name is up to 32 lower-case letters, digits and -, and not control-plane: groups are named after it at AWS."
  }

  validation {
    condition     = alltrue([for g in var.node_groups : g.min <= g.desired && g.desired <= g.max])
    error_message = "A group's desired size is between its min and its max."
  }

  validation {
    condition     = alltrue(flatten([for g in var.node_groups : [for t in g.taints : contains(["NoSchedule", "NoExecute", "PreferNoSchedule"], t.effect)]]))
    error_message = "A taint's effect is NoSchedule, NoExecute or PreferNoSchedule."
  }

  validation {
    condition     = alltrue(flatten([for g in var.node_groups : [for l in keys(g.labels) : !can(regex("(^|\\.)(kubernetes|k8s)\\.io/", l))]]))
    error_message = "Labels of kubernetes.io and k8s.io are reserved: nodes may not give themselves any."
  }
}

variable "architecture" {
  description = "Processor of all machines: amd64 or arm64."
  type        = string
  default     = "amd64"

  validation {
    condition     = contains(["amd64", "arm64"], var.architecture)
    error_message = "Write amd64 or arm64."
  }
}

variable "manifests" {
  description = "Addresses of manifests that the first machine applies, the pods' network among them."
  type        = list(string)
  default     = ["https://raw.githubusercontent.com/projectcalico/calico/v3.31.5/manifests/calico.yaml"]

  validation {
    condition     = alltrue([for m in var.manifests : startswith(m, "https://")])
    error_message = "Only https: what is applied has all rights."
  }
}

variable "external_cloud_provider" {
  description = "Nodes wait for the AWS cloud controller manager, which Services of type LoadBalancer need. It must then be among the manifests."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}

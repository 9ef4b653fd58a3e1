variable "name" {
  description = "Name of the cluster; landfall cluster create gives its own."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][-a-z0-9]{0,39}$", var.name))
    error_message = "A name is up to 40 lower-case letters, digits and -: names of roles are made of it."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "kubernetes_version" {
  description = "Minor version of Kubernetes, such as 1.34; what EKS takes by default if empty."
  type        = string
  default     = ""

  validation {
    condition     = var.kubernetes_version == "" || can(regex("^1\\.[0-9]+$", var.kubernetes_version))
    error_message = "Write a minor version such as 1.34."
  }
}

variable "network" {
  description = "A VPC that is there already: its subnets for nodes, and those for pods by zone. Without it a VPC is made."
  type = object({
    vpc_id         = string
    subnet_ids     = list(string)
    pod_subnet_ids = optional(map(string), {})
  })
  default = null

  validation {
    condition     = var.network == null || try(length(var.network.subnet_ids) >= 2, false)
    error_message = "EKS needs subnets in at least two zones."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the VPC that is made: nodes and load balancers."
  type        = string
  default     = "10.0.0.0/16"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && try(tonumber(split("/", var.vpc_cidr)[1]) <= 20, false)
    error_message = "Write a block of /20 or larger, such as 10.0.0.0/16."
  }
}

variable "pod_cidr" {
  description = "Addresses of pods, a second block of the VPC that is made (100.64.0.0/10 is for that); empty lets pods take those of the nodes' subnets."
  type        = string
  default     = "100.64.0.0/16"

  validation {
    condition     = var.pod_cidr == "" || can(cidrhost(var.pod_cidr, 0))
    error_message = "Write a block such as 100.64.0.0/16."
  }
}

variable "service_cidr" {
  description = "Addresses of Services; must not be those of anything that pods talk to."
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

  validation {
    condition     = length(var.zones) == 0 || length(var.zones) >= 2
    error_message = "EKS needs at least two zones."
  }
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

variable "public_access_cidrs" {
  description = "From where the API server can be reached over the internet; from nowhere if empty."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = alltrue([for c in var.public_access_cidrs : can(cidrhost(c, 0))])
    error_message = "Write blocks such as 203.0.113.0/24."
  }
}

variable "node_groups" {
  description = "Managed node groups by name."
  type = map(object({
    instance_types = optional(list(string), ["m6i.large"])
    ami_type       = optional(string, "AL2023_x86_64_STANDARD")
    spot           = optional(bool, false)
    min            = optional(number, 1)
    max            = optional(number, 6)
    desired        = optional(number, 3)
    disk_gib       = optional(number, 50)
    max_pods       = optional(number, 110)
    labels         = optional(map(string), {})
    taints = optional(list(object({
      key    = string
      value  = optional(string)
      effect = string
    })), [])
  }))
  default = { general = {} }

  validation {
    condition     = alltrue([for name in keys(var.node_groups) : can(regex("^[A-Za-z0-9][-A-Za-z0-9_]{0,35}$", name))])
    error_message = "A group's name is up to 36 letters, digits, - and _: EKS appends to it."
  }

  validation {
    condition     = alltrue([for g in var.node_groups : g.min <= g.desired && g.desired <= g.max])
    error_message = "A group's desired size is between its min and its max."
  }

  validation {
    condition     = alltrue(flatten([for g in var.node_groups : [for t in g.taints : contains(["NO_SCHEDULE", "NO_EXECUTE", "PREFER_NO_SCHEDULE"], t.effect)]]))
    error_message = "A taint's effect is NO_SCHEDULE, NO_EXECUTE or PREFER_NO_SCHEDULE."
  }

  validation {
    condition     = alltrue(flatten([for g in var.node_groups : [for l in keys(g.labels) : !can(regex("(^|\\.)(kubernetes|k8s)\\.io/|^eks\\.amazonaws\\.com/", l))]]))
    error_message = "Labels of kubernetes.io, k8s.io and eks.amazonaws.com are reserved: nodes cannot get them."
  }
}

variable "roles" {
  description = "Who may take the roles admin, app-admin and viewer: ARNs of users and roles. By default whoever the account lets assume them."
  type        = map(list(string))
  default     = { admin = [], app-admin = [], viewer = [] }

  validation {
    condition     = alltrue([for r in keys(var.roles) : contains(["admin", "app-admin", "viewer"], r)])
    error_message = "There are admin, app-admin and viewer."
  }
}

variable "app_namespaces" {
  description = "Namespaces that app-admins may change, such as team-*; all if empty."
  type        = list(string)
  default     = []
}

variable "ready" {
  description = "The cluster is handed out to people: tag landfall:ready."
  type        = bool
  default     = true
}

variable "latest" {
  description = "It is the cluster that the context latest leads to: tag landfall:latest."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}

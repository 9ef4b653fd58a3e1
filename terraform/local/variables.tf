variable "name" {
  description = "Name of the cluster; landfall cluster create gives its own."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$", var.name))
    error_message = "A name is up to 20 lower-case letters, digits and -, and begins with a letter."
  }
}

variable "nodes" {
  description = "Number of nodes."
  type        = number
  default     = 1

  validation {
    condition     = var.nodes >= 1 && floor(var.nodes) == var.nodes
    error_message = "At least one node."
  }
}

variable "publish" {
  description = "Loopback ports of this machine that lead to ports of the nodes: [127.0.0.1:]PORT:NODEPORT."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for p in var.publish : can(regex("^([0-9.]+:)?[0-9]+:[0-9]+$", p))])
    error_message = "Write [127.0.0.1:]PORT:NODEPORT."
  }
}

variable "cidr" {
  description = "The /16 that the cluster's addresses come from; the first free one of 10.100.0.0/16 … if empty."
  type        = string
  default     = ""

  validation {
    condition     = var.cidr == "" || can(cidrhost(var.cidr, 0))
    error_message = "Write a block such as 10.120.0.0/16."
  }
}

variable "registry_of" {
  description = "Other local clusters whose images the nodes can pull, too, under the names that they have there."
  type        = list(string)
  default     = []
}

variable "state_dir" {
  description = "Folder that holds the machine's local clusters."
  type        = string
  default     = "/var/lib/landfall/local"

  validation {
    condition     = startswith(var.state_dir, "/")
    error_message = "Give an absolute path."
  }
}

variable "wait" {
  description = "How long the cluster may take until it is ready, such as 5m."
  type        = string
  default     = "5m"

  validation {
    condition     = can(regex("^[0-9]+(s|m|h)$", var.wait))
    error_message = "Write a time such as 90s or 5m."
  }
}

variable "localkube" {
  description = "The localkube program; by default $LANDFALL_LOCALKUBE, which landfall sets, then the one on PATH."
  type        = string
  default     = ""
}

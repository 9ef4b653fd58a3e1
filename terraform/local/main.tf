# A Kubernetes cluster on this machine, by localkube. Terraform's own resource
# and a script are all it takes: no provider is downloaded.

terraform {
  required_version = ">= 1.9"
}

locals {
  kubeconfig = "${var.state_dir}/${var.name}/kubeconfig"
}

# Removes the cluster. It is made before it: of a resource whose creation was
# broken off Terraform runs nothing when it destroys it.
resource "terraform_data" "removal" {
  input = {
    name      = var.name
    state_dir = var.state_dir
  }

  triggers_replace = {
    name      = var.name
    state_dir = var.state_dir
  }

  provisioner "local-exec" {
    when        = destroy
    interpreter = ["/bin/sh", "-eu", "${path.module}/cluster.sh"]
    command     = "delete"
    environment = {
      NAME      = self.output.name
      STATE_DIR = self.output.state_dir
    }
  }
}

resource "terraform_data" "cluster" {
  depends_on = [terraform_data.removal]

  input = {
    name       = var.name
    state_dir  = var.state_dir
    kubeconfig = local.kubeconfig
  }

  # What cannot be changed of a cluster that is there.
  triggers_replace = {
    name      = var.name
    state_dir = var.state_dir
    nodes     = var.nodes
    publish   = var.publish
    cidr      = var.cidr
  }

  # Values reach the script by its environment, where nothing in them is code.
  provisioner "local-exec" {
    interpreter = ["/bin/sh", "-eu", "${path.module}/cluster.sh"]
    command     = "create"
    environment = {
      NAME      = var.name
      STATE_DIR = var.state_dir
      NODES     = var.nodes
      PUBLISH   = join(" ", var.publish)
      CIDR      = var.cidr
      SHARED    = join(" ", var.registry_of)
      WAIT      = var.wait
      LOCALKUBE = var.localkube
    }
  }

  # One that is made anew is removed before.
  provisioner "local-exec" {
    when        = destroy
    interpreter = ["/bin/sh", "-eu", "${path.module}/cluster.sh"]
    command     = "delete"
    environment = {
      NAME      = self.output.name
      STATE_DIR = self.output.state_dir
    }
  }
}

# Becomes false when somebody removes the cluster by hand: Terraform itself
# looks at nothing that a script made.
resource "terraform_data" "present" {
  input = fileexists(terraform_data.cluster.output.kubeconfig)
}

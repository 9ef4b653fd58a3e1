# Stands for a cluster that is there already: its kubeconfig goes in and comes
# out. What is made on the way writes down when, in a folder of the test.

variable "kubeconfig" {
  type      = string
  sensitive = true
}

variable "folder" {
  type = string
}

variable "seconds" {
  type    = number
  default = 0
}

resource "terraform_data" "network" {
  input = var.folder

  provisioner "local-exec" {
    command     = "echo network >> \"$FOLDER/made\""
    environment = { FOLDER = var.folder }
  }

  provisioner "local-exec" {
    when        = destroy
    command     = "echo network >> \"$FOLDER/gone\""
    environment = { FOLDER = self.output }
  }
}

resource "terraform_data" "cluster" {
  input = terraform_data.network.output

  provisioner "local-exec" {
    command     = "echo begun >> \"$FOLDER/made\"; sleep \"$SECONDS_IT_TAKES\"; echo cluster >> \"$FOLDER/made\""
    environment = { FOLDER = var.folder, SECONDS_IT_TAKES = var.seconds }
  }

  provisioner "local-exec" {
    when        = destroy
    command     = "echo cluster >> \"$FOLDER/gone\""
    environment = { FOLDER = self.output }
  }
}

output "kubeconfig" {
  value     = terraform_data.cluster.output == "" ? null : var.kubeconfig
  sensitive = true
}

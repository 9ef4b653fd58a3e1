variable "size" {
  type    = number
  default = 1
}

variable "text" {
  type    = string
  default = ""
}

variable "token" {
  type      = string
  default   = ""
  sensitive = true
}

variable "fails" {
  type    = bool
  default = false
}

resource "terraform_data" "disk" {
  count = var.size
  input = { index = count.index, text = var.text }
}

resource "terraform_data" "login" {
  input            = sensitive(var.token)
  triggers_replace = [var.text]
}

resource "terraform_data" "script" {
  count = var.fails ? 1 : 0
  provisioner "local-exec" {
    command     = "echo \"the token is $TOKEN\" >&2; exit 7"
    environment = { TOKEN = nonsensitive(var.token) }
  }
}

output "endpoint" {
  value = "https://192.0.2.1:6443"
}

output "kubeconfig" {
  value     = "token ${var.token}"
  sensitive = true
}

# One machine for an hour. It ends by itself, whatever happens to this configuration.

terraform {
  required_providers {
    spawn = { source = "spawn-dev/spawn" }
  }
}

provider "spawn" {
  region = "us-east-1"
}

resource "spawn_instance" "workbench" {
  name           = "workbench"
  instance_types = ["m7i.large", "m7a.large"]
  command        = ["uname", "-a"]
  lease          = { ttl = "1h" }
  wait_for       = "ready"
  tags           = { owner = "ada" }
}

output "address" {
  value = spawn_instance.workbench.members[0].private_ip
}

output "until" {
  value = spawn_instance.workbench.deadline
}

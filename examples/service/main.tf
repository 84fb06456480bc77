# Three workers for an hour, one of them on demand, the others spot. EC2 may take those back at any time: they are replaced, and the
# new instance takes the free rank. `spawn scale workers 5`, or another `size` here, makes them more.

terraform {
  required_providers {
    spawn = { source = "spawn-dev/spawn" }
  }
}

provider "spawn" {
  region = "us-east-1"
}

resource "spawn_service" "workers" {
  name           = "workers"
  size           = 3
  instance_types = ["c7i.large", "c7a.large"]
  market         = { type = "spot", on_demand_base = 1 }
  files          = { "worker" = file("${path.module}/worker") }
  command        = ["./worker"]
  lease          = { ttl = "1h" }
  wait_for       = "ready"
}

output "status" {
  value = spawn_service.workers.status
}

output "members" {
  value = spawn_service.workers.members
}

output "until" {
  value = spawn_service.workers.deadline
}

# Sixteen tiles are rendered; two people and a program are told if anything becomes of it that should not.

terraform {
  required_providers {
    spawn = { source = "spawn-dev/spawn" }
  }
}

provider "spawn" {
  region = "us-east-1"
}

variable "hook" {
  type        = string
  description = "Where a JSON document of everything is posted."
}

variable "hook_secret" {
  type        = string
  description = "What it carries, so that its receiver knows whom it comes from."
  ephemeral   = true
}

resource "spawn_job_array" "tiles" {
  name           = "tiles"
  size           = 4
  instance_types = ["c7i.large", "c7a.large"]
  command        = ["sh", "-c", "test $SPAWN_RANK != 2"]
  lease          = { ttl = "30m", budget = 2 }
  tags           = { team = "render" }
}

resource "spawn_alert" "render" {
  name        = "render"
  watch       = { tags = { team = "render" } }
  on          = ["failed", "interrupted", "expired", "lost"]
  cost_above  = 1.5
  longer_than = "25m"

  notify = {
    email   = ["ops@example.com"]
    webhook = { url = var.hook, secret = var.hook_secret, secret_version = 1 }
  }
}

output "alert" {
  value = spawn_alert.render.status
}

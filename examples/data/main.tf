# What there is to know before anything is made, and of what others have made. Nothing here makes anything.

terraform {
  required_providers {
    spawn = { source = "spawn-dev/spawn" }
  }
}

provider "spawn" {
  region = "us-east-1"
}

# What a fleet would cost at most: a plan that would be too dear fails.
data "spawn_estimate" "render" {
  job_array = {
    size           = 8
    instance_types = ["c7i.large", "c7a.large"]
    command        = ["./render"]
    lease          = { ttl = "2h" }
  }

  lifecycle {
    postcondition {
      condition     = self.cost_usd_max < 5
      error_message = format("Rendering would cost up to $%.2f.", self.cost_usd_max)
    }
  }
}

# The cheapest types with two to four vCPUs, for what takes a list of types.
data "spawn_instance_types" "small" {
  requirements = { vcpu = "2..4", memory_gib = "4.." }
}

# What a distribution means today, to be written down where it should not change by itself.
data "spawn_ami" "ubuntu" {
  ami          = "ubuntu-24.04"
  architecture = "arm64"
}

# Every fleet of the team that runs, whoever made it.
data "spawn_fleets" "team" {
  tags   = { team = "maths" }
  status = "running"
}

# Each of them, with the addresses of its members.
data "spawn_fleet" "team" {
  for_each = toset(data.spawn_fleets.team.ids)
  id       = each.key
}

output "cost" {
  value = format("at most $%.2f for %d hours", data.spawn_estimate.render.cost_usd_max, data.spawn_estimate.render.lasts_s / 3600)
}

output "types" {
  value = data.spawn_instance_types.small.names
}

output "image" {
  value = data.spawn_ami.ubuntu.id
}

output "addresses" {
  value = { for id, fleet in data.spawn_fleet.team : fleet.name => fleet.members[*].private_ip }
}

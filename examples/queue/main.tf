# Two machines drain a queue: numbers are split into parts, each part is searched for twin primes, and the findings are added up. The
# searches run on whichever machine is free; one that is lost takes nothing with it but the job it was running, which begins again.

terraform {
  required_providers {
    spawn = { source = "spawn-dev/spawn" }
  }
}

provider "spawn" {
  region = "us-east-1"
}

locals {
  parts = 4
}

resource "spawn_queue" "twins" {
  name           = "twins"
  workers        = 2
  instance_types = ["c7i.large", "c7a.large"]
  files = {
    split  = file("${path.module}/split")
    search = file("${path.module}/search")
    total  = file("${path.module}/total")
  }
  jobs = merge(
    {
      split = {
        command = ["./split"]
        params  = { BELOW = "20000", PARTS = tostring(local.parts) }
        results = ["parts/*.txt"]
      }
      total = {
        command    = ["./total"]
        depends_on = [for part in range(local.parts) : "search-${part}"]
      }
    },
    {
      for part in range(local.parts) : "search-${part}" => {
        command    = ["./search", tostring(part)]
        depends_on = ["split"]
        timeout    = "5m"
        retry      = { attempts = 3, base_delay = "2s", jitter = 0.3 }
      }
    },
  )
  lease    = { ttl = "20m" }
  wait_for = "completed"
}

output "status" {
  value = spawn_queue.twins.status
}

output "outcomes" {
  value = spawn_queue.twins.outcomes
}

output "results" {
  value = spawn_queue.twins.results_uri
}

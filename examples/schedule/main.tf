# A report every night of the week at half past two in Berlin: two machines that are there for as long as it takes, launched by AWS's clock.
# Nobody's computer has to be on. The next night follows whatever is changed here; a run that goes on is not touched.

terraform {
  required_providers {
    spawn = { source = "spawn-dev/spawn" }
  }
}

provider "spawn" {
  region = "us-east-1"
}

resource "spawn_schedule" "nightly" {
  name     = "nightly"
  cron     = "30 2 * * MON-FRI"
  timezone = "Europe/Berlin"
  overlap  = "skip"
  max_runs = 250

  job_array = {
    size           = 2
    instance_types = ["c7i.large", "c7a.large"]
    files          = { "report" = file("${path.module}/report") }
    command        = ["./report"]
    lease          = { ttl = "20m" }
  }
}

output "next" {
  value = spawn_schedule.nightly.next_run_at
}

output "last_runs" {
  value = spawn_schedule.nightly.last_runs
}

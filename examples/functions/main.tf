# Functions know no configuration and no AWS: the same arguments have the same result, always.

terraform {
  required_providers {
    spawn = { source = "spawn-dev/spawn" }
  }
}

# When a schedule with this `cron` would come next.
output "nights" {
  value = provider::spawn::cron_next("30 2 * * MON-FRI", "Europe/Berlin", "2027-03-26T12:00:00Z", 3)
}

# A length of time as people write it, for whatever counts in seconds.
output "seconds" {
  value = provider::spawn::duration_seconds("1h30m")
}

# A batch script as it was written for a Slurm cluster, as a job array.

terraform {
  required_providers {
    spawn = { source = "spawn-dev/spawn" }
  }
}

provider "spawn" {
  region = "us-east-1"
}

locals {
  job = provider::spawn::slurm_to_job_array(file("${path.module}/primes.sbatch"))
}

resource "spawn_job_array" "primes" {
  name         = local.job.name
  size         = local.job.size
  requirements = local.job.requirements
  command      = local.job.command
  files        = local.job.files
  env          = local.job.env
  lease        = { ttl = local.job.ttl }
  wait_for     = "completed"
}

output "status" {
  value = spawn_job_array.primes.status
}

output "left_out" {
  value = local.job.notes
}

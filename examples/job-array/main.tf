# Eight machines render a picture together: each rank computes its own rows and leaves them in $SPAWN_RESULTS.

terraform {
  required_providers {
    spawn = { source = "spawn-dev/spawn" }
  }
}

provider "spawn" {
  region = "us-east-1"
}

resource "spawn_job_array" "tiles" {
  name           = "mandelbrot"
  size           = 8
  instance_types = ["c7i.large", "c7a.large"]
  files          = { "render" = file("${path.module}/render") }
  command        = ["./render", "--depth", "512"]
  env            = { PALETTE = "fire" }
  lease          = { ttl = "20m" }
  wait_for       = "completed"
}

output "status" {
  value = spawn_job_array.tiles.status
}

output "members" {
  value = spawn_job_array.tiles.members
}

output "results" {
  value = spawn_job_array.tiles.results_uri
}

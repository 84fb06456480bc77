//! `terraform-provider-spawn`: started by Terraform, not by people.

use std::process::ExitCode;

fn main() -> ExitCode {
    spawn_provider::wire::serve(spawn_provider::SpawnProvider::default(), "registry.terraform.io/spawn-dev/spawn")
}

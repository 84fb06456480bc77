//! The program of the GitHub Action. What it does is in `spawn_action`.

use std::process::ExitCode;

fn main() -> ExitCode {
    spawn_action::run(std::env::args().nth(1).as_deref())
}

//! The smallest program that holds a sandbox: starts one, says how to reach it, and ends it on SIGINT or SIGTERM.

use spawn_sandbox::{Options, Sandbox};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).ok_or("usage: up DIRECTORY")?;
    let sandbox = Sandbox::start(Options { dir: dir.into(), remove_dir: true, ..Options::default() }).await?;
    for (name, value) in sandbox.environment() {
        println!("export {name}={value}");
    }
    sandbox.run_until_signal().await?;
    Ok(())
}

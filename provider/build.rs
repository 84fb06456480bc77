//! Turns the `.proto` files into Rust, without a protoc on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const PROTOS: [&str; 3] = ["proto/tfplugin6.proto", "proto/plugin.proto", "proto/health.proto"];
    for proto in PROTOS {
        println!("cargo::rerun-if-changed={proto}");
    }
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    // The clients are for tests and measurements: they speak to the server as Terraform does.
    tonic_prost_build::configure().build_client(true).compile_fds(descriptors)?;
    smaller_and_sooner();
    Ok(())
}

/// The SDKs make the same code over and over, once for each operation; rustc's own linker, which is the default for this target, can keep
/// one of each. And a position-dependent executable, as every provider in Go is one, has nothing to relocate at each of the three starts
/// of a plan. Terraform reads and hashes the whole file at every command.
fn smaller_and_sooner() {
    let is = |variable: &str, value: &str| std::env::var(variable).is_ok_and(|found| found == value);
    if is("PROFILE", "release") && is("TARGET", "x86_64-unknown-linux-gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}

//! Turns the `.proto` files into Rust, without a protoc on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const PROTOS: [&str; 3] = ["proto/tfplugin6.proto", "proto/plugin.proto", "proto/health.proto"];
    for proto in PROTOS {
        println!("cargo::rerun-if-changed={proto}");
    }
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    // The clients are for tests and measurements: they speak to the server as Terraform does.
    tonic_prost_build::configure().build_client(true).compile_fds(descriptors)?;
    Ok(())
}

//! The environment in which Terraform starts a provider, and the line that it is answered with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value as Json;
use spawn_provider::wire::handshake::{Launch, Refusal, line, reattach};
use spawn_provider::wire::tls;

/// What only a plugin of Terraform's is told.
const COOKIE: (&str, &str) = ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");

const ADDRESS: &str = "registry.terraform.io/spawn-dev/spawn";

/// Variables as the kernel keeps them: `NAME=value`, each with a zero behind it.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let variables: BTreeMap<&str, &str> = text.split('\0').filter_map(|entry| entry.split_once('=')).collect();
    let launch = Launch::from_environment(|name| variables.get(name).map(|value| (*value).to_owned()));
    let is_a_plugin = variables.get(COOKIE.0) == Some(&COOKIE.1);
    assert_eq!(matches!(launch, Err(Refusal::NotAPlugin)), !is_a_plugin);
    match launch {
        Ok(launch) => answers(&launch),
        Err(Refusal::NotAPlugin) => {}
        Err(Refusal::NoCommonVersion(offered)) => {
            assert!(!offered.is_empty() && offered.split(',').all(|version| version.trim() != "6"), "{offered:?}");
        }
    }
}

/// A certificate that cannot be read is an error; with any other, or none, there is a line that Terraform can take apart.
fn answers(launch: &Launch) {
    let identity = match launch.client_certificate.as_deref().map(tls::identity).transpose() {
        Ok(identity) => identity,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let socket = launch.socket_directory.clone().unwrap_or_else(|| PathBuf::from("/tmp")).join("plugin-7-0.sock");
    is_told_to_developers(&socket);
    let shown = socket.display().to_string();
    if shown.contains(['|', '\n']) {
        // The line has no way to write these, in any plugin.
        return;
    }
    let certificate: Option<&[u8]> = identity.as_ref().map(|own| own.certificate.as_ref());
    let line = line(&socket, certificate);
    let parts: Vec<&str> = line.strip_suffix('\n').expect("it is a line").split('|').collect();
    let [core, protocol, network, address, wire, announced] = parts[..] else { panic!("{line:?} has not six parts") };
    assert_eq!((core, protocol, network, address, wire), ("1", "6", "unix", shown.as_str(), "grpc"));
    assert_eq!(STANDARD_NO_PAD.decode(announced).as_deref(), Ok(certificate.unwrap_or_default()), "{announced}");
}

/// What `--debug` prints is JSON, whatever the directory is called.
fn is_told_to_developers(socket: &Path) {
    let told: Json = serde_json::from_str(&reattach(ADDRESS, 7, socket)).expect("it is JSON");
    assert_eq!(told[ADDRESS]["Addr"]["String"].as_str(), Some(&*socket.to_string_lossy()));
}

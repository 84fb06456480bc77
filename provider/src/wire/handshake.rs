//! What Terraform says in the environment when it starts a plugin, and the one line that it expects back.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Set by Terraform to this value, so that a plugin knows that it was not started by a person.
const COOKIE: (&str, &str) = ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");

/// The version of the handshake itself.
const CORE_VERSION: u32 = 1;

/// The major version of Terraform's protocol that this server speaks.
pub(super) const PROTOCOL_VERSION: u32 = 6;

/// Why this process should not have been started like this. The text is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody else than Terraform has started it.
    #[error(
        "This program is a Terraform provider: Terraform starts it, and by itself it does nothing.\n\n\
         To use it, name it under `required_providers` in a Terraform configuration and run `terraform init`.\n\
         To debug it, start it with --debug and follow what it prints."
    )]
    NotAPlugin,
    /// Terraform speaks other versions: these.
    #[error(
        "This provider speaks version {PROTOCOL_VERSION} of Terraform's plugin protocol, and this Terraform offers \
         only: {0}. It needs Terraform 1.0 or newer."
    )]
    NoCommonVersion(String),
}

/// How Terraform started this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The only certificate that the other side may show (PEM). None: the connection is in plain text.
    pub client_certificate: Option<String>,
    /// Where the socket should be.
    pub socket_directory: Option<PathBuf>,
}

impl Launch {
    /// Reads the environment through `variable`.
    ///
    /// # Errors
    /// If it is not one in which Terraform starts this version.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Refusal> {
        if variable(COOKIE.0).as_deref() != Some(COOKIE.1) {
            return Err(Refusal::NotAPlugin);
        }
        // Absent in very old hosts only, which would then be told our version and refuse it themselves.
        if let Some(offered) = variable("PLUGIN_PROTOCOL_VERSIONS").filter(|offered| !offered.is_empty()) {
            let ours = PROTOCOL_VERSION.to_string();
            if offered.split(',').all(|version| version.trim() != ours) {
                return Err(Refusal::NoCommonVersion(offered));
            }
        }
        let filled = |name| variable(name).filter(|text| !text.is_empty());
        Ok(Self { client_certificate: filled("PLUGIN_CLIENT_CERT"), socket_directory: filled("PLUGIN_UNIX_SOCKET_DIR").map(PathBuf::from) })
    }
}

/// The line that tells Terraform where to connect and which certificate (DER) to expect there, newline included.
#[must_use]
pub fn line(socket: &Path, certificate: Option<&[u8]>) -> String {
    // Without padding: Terraform refuses it.
    let certificate = certificate.map(|der| STANDARD_NO_PAD.encode(der)).unwrap_or_default();
    format!("{CORE_VERSION}|{PROTOCOL_VERSION}|unix|{}|grpc|{certificate}\n", socket.display())
}

/// The value of `TF_REATTACH_PROVIDERS` with which Terraform uses the process `pid` instead of starting its own.
#[must_use]
pub fn reattach(address: &str, pid: u32, socket: &Path) -> String {
    let attachment = serde_json::json!({
        "Protocol": "grpc",
        // Terraform takes a missing version for 5.
        "ProtocolVersion": PROTOCOL_VERSION,
        "Pid": pid,
        // Terraform neither kills the process nor asks it to end.
        "Test": true,
        "Addr": { "Network": "unix", "String": socket.to_string_lossy() },
    });
    serde_json::json!({ address: attachment }).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn launch(variables: &[(&str, &str)]) -> Result<Launch, Refusal> {
        Launch::from_environment(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn only_terraform_starts_it() {
        for variables in [&[][..], &[("TF_PLUGIN_MAGIC_COOKIE", "d602")]] {
            assert_eq!(launch(variables), Err(Refusal::NotAPlugin), "{variables:?}");
        }
    }

    #[test]
    fn the_versions_come_in_any_order() {
        for (offered, accepted) in [("5,6", true), ("6,5", true), ("6", true), ("", true), ("5", false), ("16", false)] {
            let outcome = launch(&[COOKIE, ("PLUGIN_PROTOCOL_VERSIONS", offered)]);
            assert_eq!(outcome.is_ok(), accepted, "{offered:?}: {outcome:?}");
        }
    }

    #[test]
    fn the_environment_says_how_to_connect() {
        let launch = launch(&[COOKIE, ("PLUGIN_CLIENT_CERT", "PEM"), ("PLUGIN_UNIX_SOCKET_DIR", "/s")]).unwrap();
        assert_eq!(launch.client_certificate.as_deref(), Some("PEM"));
        assert_eq!(launch.socket_directory, Some(PathBuf::from("/s")));
    }

    #[test]
    fn the_line_has_six_fields_and_no_padding() {
        assert_eq!(line(Path::new("/tmp/x.sock"), Some(&[1, 2, 3, 4])), "1|6|unix|/tmp/x.sock|grpc|AQIDBA\n");
        assert_eq!(line(Path::new("/tmp/x.sock"), None), "1|6|unix|/tmp/x.sock|grpc|\n");
    }
}

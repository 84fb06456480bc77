//! The session documents that are known: what runs in a session, and how.

use std::collections::BTreeMap;

use sandbox_hypervisor::Errand;

use crate::protocol::Failure;

/// The account's own document, which a session without one has. Nobody has changed it here.
pub(super) const SHELL: &str = "SSM-SessionManagerRunShell";
const INTERACTIVE: &str = "AWS-StartInteractiveCommand";
const NON_INTERACTIVE: &str = "AWS-StartNonInteractiveCommand";
/// As whom a session runs.
const USER: &str = "ssm-user";

/// What a session does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// A shell on a terminal.
    Shell,
    /// A command on a terminal.
    Interactive(String),
    /// A command without one.
    NonInteractive(Vec<String>),
}

impl Plan {
    /// What a document with these parameters does.
    pub(super) fn of(document: &str, parameters: &BTreeMap<String, Vec<String>>) -> Result<Self, Failure> {
        let name = document.rsplit_once(":document/").map_or(document, |(_, name)| name);
        let takes_command = match name {
            SHELL => false,
            INTERACTIVE | NON_INTERACTIVE => true,
            name if name.starts_with("AWS-") => return Err(Failure::gap(format!("document {name} of ssm StartSession"))),
            _ => return Err(Failure::new(400, "InvalidDocument", format!("Document with name {name} does not exist."))),
        };
        if let Some(name) = parameters.keys().find(|name| !takes_command || *name != "command") {
            return Err(Failure::gap(format!("parameter {name} of document {document}")));
        }
        if !takes_command {
            return Ok(Self::Shell);
        }
        let invalid = |message: &str| Failure::new(400, "InvalidParameters", message);
        let command = match parameters.get("command").map(Vec::as_slice) {
            Some([command]) if !command.trim().is_empty() => command,
            _ => return Err(invalid("Parameter command takes one value.")),
        };
        if name == INTERACTIVE {
            return Ok(Self::Interactive(command.clone()));
        }
        shlex::split(command).map(Self::NonInteractive).ok_or_else(|| invalid("Parameter command is not well quoted."))
    }

    /// The agent's name for the kind of session, which the client is told.
    pub(super) fn session_type(&self) -> &'static str {
        match self {
            Self::Shell => "Standard_Stream",
            Self::Interactive(_) => "InteractiveCommands",
            Self::NonInteractive(_) => "NonInteractiveCommands",
        }
    }

    /// Whether the agent agrees with the client on how they speak before anything else. Commands begin at once.
    pub(super) fn has_handshake(&self) -> bool {
        *self == Self::Shell
    }

    /// What is to run.
    pub(super) fn errand(&self) -> Errand {
        let argv = match self {
            Self::Shell => vec!["sh".to_owned()],
            Self::Interactive(command) => ["sh", "-c", command].map(str::to_owned).to_vec(),
            Self::NonInteractive(argv) => argv.clone(),
        };
        let environment = vec![("TERM".to_owned(), "xterm-256color".to_owned())];
        Errand { argv, environment, directory: None, user: Some(USER.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_known_or_refused() {
        let of = |document: &str, parameters: &[(&str, &[&str])]| {
            let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
            Plan::of(document, &parameters.iter().map(|(name, values)| ((*name).to_owned(), owned(values))).collect())
        };
        assert_eq!(of(SHELL, &[]), Ok(Plan::Shell));
        assert_eq!(of(INTERACTIVE, &[("command", &["top -n 1"])]), Ok(Plan::Interactive("top -n 1".to_owned())));
        let words = ["echo", "a b", "$HOME"].map(str::to_owned).to_vec();
        assert_eq!(of(NON_INTERACTIVE, &[("command", &["echo 'a b' $HOME"])]), Ok(Plan::NonInteractive(words)));
        for (document, parameters, code) in [
            ("AWS-StartPortForwardingSession", &[] as &[(&str, &[&str])], "NotImplemented"),
            (SHELL, &[("shell", &["bash"])], "NotImplemented"),
            ("mine", &[], "InvalidDocument"),
            (INTERACTIVE, &[], "InvalidParameters"),
            (INTERACTIVE, &[("command", &["a", "b"])], "InvalidParameters"),
            (NON_INTERACTIVE, &[("command", &["echo 'a"])], "InvalidParameters"),
        ] {
            assert_eq!(of(document, parameters).unwrap_err().code, code, "{document} {parameters:?}");
        }
    }
}

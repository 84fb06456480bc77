//! Why the init does not do what it was asked.

/// A request that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// This simulation does not know it, while the real program might: a gap, said loudly and listed.
    Gap(String),
    /// The real program would fail as well, with this exit code and message.
    Error(i32, String),
}

impl Failure {
    pub(crate) fn gap(text: impl Into<String>) -> Self {
        Self::Gap(text.into())
    }

    pub(crate) fn error(code: i32, text: impl Into<String>) -> Self {
        Self::Error(code, text.into())
    }

    /// The exit code of the command that asked.
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::Gap(_) => 1,
            Self::Error(code, _) => *code,
        }
    }

    /// The message, without the name of the command that asked.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Gap(text) | Self::Error(_, text) => text,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Error(1, error.to_string())
    }
}

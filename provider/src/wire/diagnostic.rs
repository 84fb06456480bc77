//! What a provider tells the user.

use super::path::Path;
use super::proto::tfplugin6::{self, diagnostic};

/// Whether a diagnostic stops the operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// The operation failed.
    Error,
    /// The operation goes on, and the user should know something.
    Warning,
}

/// One message to the user, as Terraform shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// Whether it stops the operation.
    pub severity: Severity,
    /// One line, without a full stop.
    pub summary: String,
    /// What happened, why, and what to do: whole sentences.
    pub detail: String,
    /// The attribute it is about; the root if it is about none in particular.
    pub path: Path,
}

impl Diagnostic {
    /// An error that is about no attribute in particular.
    #[must_use]
    pub fn error(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Error, summary: summary.into(), detail: detail.into(), path: Path::root() }
    }

    /// A warning that is about no attribute in particular.
    #[must_use]
    pub fn warning(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(summary, detail) }
    }

    /// The same, about the attribute at `path`.
    #[must_use]
    pub fn at(self, path: Path) -> Self {
        Self { path, ..self }
    }

    /// True if it stops the operation.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    pub(super) fn to_proto(&self) -> tfplugin6::Diagnostic {
        let severity = match self.severity {
            Severity::Error => diagnostic::Severity::Error,
            Severity::Warning => diagnostic::Severity::Warning,
        };
        tfplugin6::Diagnostic {
            severity: severity.into(),
            summary: self.summary.clone(),
            detail: self.detail.clone(),
            attribute: (!self.path.is_root()).then(|| self.path.to_proto()),
        }
    }
}

/// The protocol's form of several diagnostics.
pub(super) fn to_proto(diagnostics: &[Diagnostic]) -> Vec<tfplugin6::Diagnostic> {
    diagnostics.iter().map(Diagnostic::to_proto).collect()
}

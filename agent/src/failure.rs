//! What can go wrong between here and AWS, by what it calls for.

use std::fmt;

use http::StatusCode;

/// What a failure calls for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Class {
    /// Credentials or rights are missing. Those of a new role arrive late, so a young machine waits for them.
    Rights,
    /// There is no such thing.
    NotFound,
    /// Another writer was at work at the same moment: again.
    Conflict,
    /// A condition of the write does not hold: somebody was first.
    Taken,
    /// Throttled, broken, unreachable: again, later.
    Transient,
    /// It will never go well.
    Invalid,
}

/// A request that did not go well.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// What it calls for.
    pub(crate) class: Class,
    /// AWS's error code, if it told one.
    pub(crate) code: String,
    /// A sentence for people.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, code: String::new(), message: message.into() }
    }

    /// Classifies what a service answered to `what`.
    pub(crate) fn answered(what: &str, status: StatusCode, code: &str, text: &str) -> Self {
        let class = match (status.as_u16(), code) {
            (_, "ExpiredToken" | "InvalidToken" | "ExpiredTokenException" | "UnrecognizedClientException" | "AccessDeniedException") => {
                Class::Rights
            }
            (_, "RequestTimeout" | "SlowDown" | "ThrottlingException" | "ServiceUnavailableException") => Class::Transient,
            (401 | 403, _) => Class::Rights,
            (404, _) => Class::NotFound,
            (409, _) => Class::Conflict,
            (412, _) => Class::Taken,
            (429 | 500.., _) => Class::Transient,
            _ => Class::Invalid,
        };
        let details = [code, text].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(": ");
        Self { class, code: code.to_owned(), message: format!("{what}: {} {details}", status.as_u16()).trim_end().to_owned() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_to_do() {
        for (status, code, class) in [
            (403, "AccessDenied", Class::Rights),
            (400, "ExpiredToken", Class::Rights),
            (400, "AccessDeniedException", Class::Rights),
            (404, "NoSuchKey", Class::NotFound),
            (409, "ConditionalRequestConflict", Class::Conflict),
            (412, "PreconditionFailed", Class::Taken),
            (400, "RequestTimeout", Class::Transient),
            (400, "ThrottlingException", Class::Transient),
            (503, "SlowDown", Class::Transient),
            (500, "", Class::Transient),
            (400, "InvalidRequest", Class::Invalid),
            (301, "PermanentRedirect", Class::Invalid),
        ] {
            let failure = Failure::answered("GET x", StatusCode::from_u16(status).unwrap(), code, "");
            assert_eq!(failure.class, class, "{status} {code}");
        }
    }
}
